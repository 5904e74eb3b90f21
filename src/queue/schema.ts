import { z } from 'zod'

/** What travels through the queue: a reference to an outbox row, never its content. */
export const Envelope = z.strictObject({ v: z.literal(1), kind: z.literal('event'), outboxId: z.string().min(1).max(120) })
export type Envelope = z.infer<typeof Envelope>
