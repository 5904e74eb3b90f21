import { z } from 'zod'
import { s } from '#core'

const milliseconds = s.int(0, Number.MAX_SAFE_INTEGER)

/** What a timer is for, by kind: enough to do it without asking who set it. */
export const TimerPayload = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('reminder'), userId: s.id('usr'), taskId: s.id('task') }),
])
export type TimerPayload = z.infer<typeof TimerPayload>

export const NewTimer = z.strictObject({
  name: z.string().min(1).max(100),
  dueMs: milliseconds,
  version: s.int(1, Number.MAX_SAFE_INTEGER),
  payload: TimerPayload,
})
export type NewTimer = z.infer<typeof NewTimer>
export const NewTimers = s.list(NewTimer, 100)
