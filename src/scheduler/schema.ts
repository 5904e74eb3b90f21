import { z } from '@hono/zod-openapi'
import { cronProblem, s } from '#core'

const milliseconds = s.int(0, Number.MAX_SAFE_INTEGER)

/** Timers of other rooms: what is true of `id` when one is due is read then, and done once. */
const ROOMS = ['schedule', 'trigger', 'suggestion', 'effect', 'delivery', 'event_reminder'] as const

const ReminderPayload = z.strictObject({ kind: z.literal('reminder'), userId: s.id('usr'), taskId: s.id('task') })
const RoomPayload = z.strictObject({ kind: z.enum(ROOMS), userId: s.id('usr'), id: z.string().min(1).max(100) })

/** What a timer is for, by kind: enough to do it without asking who set it. */
export const TimerPayload = z.discriminatedUnion('kind', [ReminderPayload, RoomPayload])
export type TimerPayload = z.infer<typeof TimerPayload>
export type ReminderPayload = z.infer<typeof ReminderPayload>
export type RoomPayload = z.infer<typeof RoomPayload>

export const NewTimer = z.strictObject({
  name: z.string().min(1).max(100),
  dueMs: milliseconds,
  version: s.int(1, Number.MAX_SAFE_INTEGER),
  payload: TimerPayload,
})
export type NewTimer = z.infer<typeof NewTimer>
export const NewTimers = s.list(NewTimer, 100)

const timeZone = s.timeZone
  .optional()
  .openapi({ description: "IANA; the person's own where none is given", example: 'Europe/Berlin' })
const wall = () => z.strictObject({ date: s.localDate, time: s.localTime })
const cron = z
  .string()
  .max(200)
  .superRefine((given, issue) => {
    const problem = cronProblem(given)
    if (problem) issue.addIssue(problem)
  })
  .openapi({ description: 'Five fields: minute, hour, day, month, day of the week', example: '0 8 * * MON-FRI' })

/** When something is to happen: once, or again and again. All but `every` are meant by the clock on the wall of the zone. */
export const When = z
  .discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('at'), at: wall().extend({ timeZone }), timeZone }),
    z.strictObject({
      kind: z.literal('every'),
      minutes: s.int(1, 527_040),
      from: s.instant.optional().openapi({ description: 'The first of them; what follows is counted from it' }),
      timeZone,
    }),
    z.strictObject({ kind: z.literal('cron'), cron, timeZone }),
    z.strictObject({ kind: z.literal('rrule'), start: wall(), rrule: s.rrule, timeZone }),
  ])
  .openapi('When')
export type When = z.infer<typeof When>
