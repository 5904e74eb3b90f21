import { z } from '@hono/zod-openapi'
import { s } from '#core'

/** What travels through the queue: a reference to an outbox row, never its content. */
export const Envelope = z.strictObject({
  v: z.literal(1),
  kind: z.literal('event'),
  outboxId: z.string().min(1).max(120),
})
export type Envelope = z.infer<typeof Envelope>

export const DeadLetter = z
  .strictObject({
    id: z.string().max(120),
    queue: z.string().max(64),
    outboxId: z.string().max(120).nullable(),
    failedAt: s.instant,
  })
  .openapi('DeadLetter')
export type DeadLetter = z.infer<typeof DeadLetter>
export const DeadLetterPage = s.pageOf(DeadLetter).openapi('DeadLetterPage')
