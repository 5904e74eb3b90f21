import { z } from '@hono/zod-openapi'
import { cronProblem, s } from '#core'
import { ScheduleAction, ScheduleOutcome } from './action-schema.ts'

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

const MAX_NEXT = 20
const MAX_BULK = 50
const version = s.int(1, 2_147_483_647)

const Missed = z.enum(['skip', 'once', 'all']).openapi({
  description: 'Of what was missed while nothing ran: no run, one run for all of it, or each of the last hundred',
})
const Status = z.enum(['active', 'paused', 'done'])

const fields = { name: s.line(200), when: When, action: ScheduleAction }
export const NewSchedule = z.strictObject({ ...fields, missed: Missed.default('once') }).openapi('NewSchedule')
export type NewSchedule = z.infer<typeof NewSchedule>

export const SchedulePatch = z
  .strictObject({ ...fields, missed: Missed })
  .partial()
  .openapi('SchedulePatch')
export type SchedulePatch = z.infer<typeof SchedulePatch>

const next = () => s.list(s.instant, MAX_NEXT).openapi({ description: 'None while it is paused or when it is done' })
const shown = () => ({
  id: s.id('sch'),
  name: z.string().max(200),
  when: When,
  followsZone: z.boolean().openapi({ description: 'It named no zone: its times move with those of its person' }),
  missed: Missed,
  action: ScheduleAction,
  status: Status,
  nextAt: s.instant.nullable(),
  version,
  createdAt: s.instant,
  updatedAt: s.instant,
})
export const Schedule = s.later(() => z.strictObject(shown()).openapi('Schedule'))
export type Schedule = z.infer<ReturnType<typeof Schedule>>
export const SchedulePage = s.later(() => s.pageOf(Schedule()).openapi('SchedulePage'))

/** As one is shown alone: with its next five times. */
export const ScheduleWithNext = s.later(() => z.strictObject({ ...shown(), next: next() }).openapi('ScheduleWithNext'))
export type ScheduleWithNext = z.infer<ReturnType<typeof ScheduleWithNext>>

export const ScheduleQuery = z.strictObject({ limit: s.limit, cursor: s.cursor, status: Status.optional() })
export type ScheduleQuery = z.infer<typeof ScheduleQuery>

const count = s.int(1, MAX_NEXT).default(5)
export const Preview = z.strictObject({ when: When, count }).openapi('SchedulePreview')
export type Preview = z.infer<typeof Preview>
export const NextQuery = z.strictObject({ count: s.queryInt(1, MAX_NEXT).default(5) })
export const NextTimes = s.later(() => z.strictObject({ timeZone: s.timeZone, next: next() }).openapi('NextTimes'))
export type NextTimes = z.infer<ReturnType<typeof NextTimes>>

const RunStatus = z.enum(['waiting', 'done', 'failed', 'missed'])
export const ScheduleRun = s.later(() =>
  z
    .strictObject({
      id: s.id('srn'),
      scheduleId: s.id('sch'),
      dueAt: s.instant,
      cause: z.enum(['time', 'person']),
      status: RunStatus.openapi({ description: '`waiting`: not yet carried out; `missed`: left out by the policy' }),
      missed: s.int(0, 100).openapi({ description: 'How many earlier times it stands for; 99 says that many or more' }),
      outcome: z
        .union([ScheduleOutcome(), z.null()])
        .openapi({ description: 'What came of it; while it waits, what is under way' }),
      startedAt: s.instant,
      endedAt: s.instant.nullable(),
    })
    .openapi('ScheduleRun'),
)
export type ScheduleRun = z.infer<ReturnType<typeof ScheduleRun>>
export const ScheduleRunPage = s.later(() => s.pageOf(ScheduleRun()).openapi('ScheduleRunPage'))
export const RunQuery = z.strictObject({ limit: s.limit, cursor: s.cursor, status: RunStatus.optional() })
export type RunQuery = z.infer<typeof RunQuery>

/** A due time of a schedule, as the schedule stands after it. */
export const ScheduleDue = s.later(() =>
  z.strictObject({ run: ScheduleRun(), schedule: Schedule() }).openapi('ScheduleDue'),
)
export type ScheduleDue = z.infer<ReturnType<typeof ScheduleDue>>

const total = s.int(0, 2_147_483_647)
const lateness = () => s.int(-2_147_483_648, 2_147_483_647).nullable()
export const ScheduleStatistics = s.later(() =>
  z
    .strictObject({
      schedules: z.strictObject({ active: total, paused: total, done: total }),
      runs: z
        .strictObject({ waiting: total, done: total, failed: total, missed: total })
        .openapi({ description: 'Of the last 30 days' }),
      lateMs: z
        .strictObject({ p50: lateness(), p99: lateness() })
        .openapi({ description: 'From the due time to the beginning of a run; null where there was none' }),
      nextAt: s.instant.nullable(),
    })
    .openapi('ScheduleStatistics'),
)
export type ScheduleStatistics = z.infer<ReturnType<typeof ScheduleStatistics>>

const Template = s.later(() =>
  z.strictObject({
    id: z.string().max(60),
    description: z.string().max(300),
    schedule: NewSchedule.openapi({ description: 'Ready for POST /v1/schedules' }),
  }),
)
export type Template = z.infer<ReturnType<typeof Template>>
export const ScheduleTemplates = s.later(() =>
  z.strictObject({ items: s.list(Template(), 50) }).openapi('ScheduleTemplates'),
)
export type ScheduleTemplates = z.infer<ReturnType<typeof ScheduleTemplates>>

export const ScheduleBulk = z
  .strictObject({
    action: z.enum(['pause', 'resume', 'delete']),
    ids: s
      .list(s.id('sch'), MAX_BULK, 1)
      .refine((all) => new Set(all).size === all.length, 'must not repeat an id')
      .openapi({ uniqueItems: true }),
  })
  .openapi('ScheduleBulk')
export type ScheduleBulk = z.infer<typeof ScheduleBulk>
export const ScheduleBulkResult = s.later(() =>
  z
    .strictObject({ items: s.list(Schedule(), MAX_BULK) })
    .openapi('ScheduleBulkResult', { description: 'As they are now, or were before they were deleted' }),
)
export type ScheduleBulkResult = z.infer<ReturnType<typeof ScheduleBulkResult>>
