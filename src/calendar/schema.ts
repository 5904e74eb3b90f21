import { z } from '@hono/zod-openapi'
import { AppError, s } from '#core'
import { email } from '#users'

const MAX_VERSION = 2_147_483_647
const MAX_ATTENDEES = 100
export const MAX_EXCEPTIONS = 100
export const MAX_NOTES_OF_ONE = 500
const MAX_REMINDERS = 5
export const MAX_LEAD_MINUTES = 28 * 24 * 60
const MAX_WINDOW_DAYS = 370
const MAX_BUSY_DAYS = 62
export const MAX_OCCURRENCES = 5000
const MAX_SLOTS = 50
const DAY_MS = 86_400_000

const EventStatus = z.enum(['confirmed', 'tentative', 'cancelled']).openapi('EventStatus')
const Transparency = z.enum(['busy', 'free']).openapi('EventTransparency')
const Response = z.enum(['needs_action', 'accepted', 'tentative', 'declined']).openapi('AttendeeResponse')

const NewAttendee = z.strictObject({
  name: s.line(200).nullable().default(null),
  address: email,
  response: Response.default('needs_action'),
})
const Attendee = z
  .strictObject({ name: z.string().max(200).nullable(), address: z.string().max(254), response: Response })
  .openapi('Attendee')

const title = s.line(300)
const notes = s.text(20_000)
const location = s.text(500)
const reminders = s
  .list(s.int(0, MAX_LEAD_MINUTES), MAX_REMINDERS)
  .refine((all) => new Set(all).size === all.length, 'must not repeat a reminder')
  .openapi({ uniqueItems: true, description: 'Minutes before the start' })
const recurrence = s.rrule.openapi({
  description: 'RRULE of RFC 5545 by day, week, month or year, on the wall clock of `start`, which is the first',
})

const EventTime = z
  .strictObject({
    date: s.localDate,
    time: z.string().max(8).nullable(),
    timeZone: z.string().max(64),
    at: s.instant.openapi({
      description: 'The instant it means; of whole days where the first begins and where the last ends',
    }),
  })
  .openapi('EventTime')
export type EventTime = z.infer<typeof EventTime>

const differing = {
  title: z.string().max(300),
  notes: z.string().max(20_000),
  location: z.string().max(500),
  status: EventStatus,
  transparency: Transparency,
}
const EventException = z
  .strictObject({
    occurrence: s.localDate.openapi({ description: 'The day it falls on by the rule' }),
    isCancelled: z.boolean(),
    ...z.object(differing).partial().shape,
    start: s.MomentInput.optional(),
    end: s.MomentInput.optional(),
  })
  .openapi('EventException')
export type EventException = z.infer<typeof EventException>

const common = {
  id: s.id('cal'),
  ...differing,
  attendees: s.list(Attendee, MAX_ATTENDEES),
  start: EventTime,
  end: EventTime.openapi({ description: 'Of whole days the last one' }),
  recurrence: z.string().max(500).nullable(),
  reminders: s.list(s.int(0, MAX_LEAD_MINUTES), MAX_REMINDERS),
  tainted: s.tainted,
  version: s.int(1, MAX_VERSION),
  updatedAt: s.instant,
}
export const CalendarEvent = s.later(() =>
  z
    .strictObject({
      ...common,
      exceptions: s.list(EventException, 2 * MAX_EXCEPTIONS),
      externalProvider: z.string().max(50).nullable(),
      externalId: z.string().max(500).nullable(),
      deletedAt: s.instant.nullable(),
      createdAt: s.instant,
    })
    .openapi('CalendarEvent'),
)
export type CalendarEvent = z.infer<ReturnType<typeof CalendarEvent>>

export const Occurrence = s.later(() =>
  z
    .strictObject({
      ...common,
      occurrence: s.localDate.nullable().openapi({ description: 'Which one of a series; null for what happens once' }),
      isChanged: z.boolean().openapi({ description: 'Differs from its series' }),
    })
    .openapi('Occurrence'),
)
export type Occurrence = z.infer<ReturnType<typeof Occurrence>>
export const OccurrencePage = s.later(() => s.pageOf(Occurrence()).openapi('OccurrencePage'))
export const Today = s.later(() =>
  z
    .strictObject({
      date: s.localDate,
      timeZone: z.string().max(64),
      items: s.list(Occurrence(), 100),
      isMore: z.boolean().openapi({ description: 'There are more than are shown' }),
    })
    .openapi('Today'),
)
export type Today = z.infer<ReturnType<typeof Today>>

const given = z.strictObject({
  notes: notes.optional(),
  location: location.optional(),
  status: EventStatus.optional(),
  transparency: Transparency.optional().openapi({ description: 'Unless said, a time is busy and a whole day is free' }),
  attendees: s.list(NewAttendee, MAX_ATTENDEES).optional(),
  recurrence: recurrence.nullable().optional(),
  reminders: reminders.optional(),
})
const end = s.MomentInput.openapi({
  description: 'Of whole days the last one. Left out: an hour later, or the same day',
})
export const NewEvent = given.extend({ title, start: s.MomentInput, end: end.optional() }).openapi('NewEvent')
export type NewEvent = z.input<typeof NewEvent>
/** Whence a sync brought it: never from a client. */
export type Origin = { externalProvider?: string; externalId?: string }

export const EventPatch = given
  .extend({
    title: title.optional(),
    start: s.MomentInput.optional().openapi({ description: 'Without an end the end moves along' }),
    end: s.MomentInput.optional(),
  })
  .openapi('EventPatch')
export type EventPatch = z.input<typeof EventPatch>

const day = { description: 'One of a series: the day it falls on by the rule' }
const which = {
  occurrence: s.localDate.optional().openapi({ param: day }),
  scope: z
    .enum(['this', 'following', 'all'])
    .optional()
    .openapi({ param: { description: 'With an `occurrence`: it alone, unless said, or all from it on' } }),
}
const isOfOne = ({ occurrence, scope }: Which) => (scope ?? 'all') === 'all' || occurrence !== undefined
const isOfAll = ({ occurrence, scope }: Which) => scope !== 'all' || occurrence === undefined
const needsOne = { path: ['occurrence'], message: 'is needed by this scope' }
const takesNone = { path: ['scope'], message: 'is not of one occurrence' }
/** Which of a series is meant: all of it, one occurrence, or all from there on. */
export type Which = { occurrence?: string | undefined; scope?: 'this' | 'following' | 'all' | undefined }
const oneOrAll = <T extends z.ZodType<Which>>(schema: T) => schema.refine(isOfOne, needsOne).refine(isOfAll, takesNone)
export const WhichQuery = oneOrAll(z.strictObject(which))
export const OccurrenceQuery = z.strictObject({ occurrence: which.occurrence })

const eventId = { id: s.id('cal') }
/** What an assistant gives. */
export const NamedEvent = oneOrAll(z.strictObject({ ...eventId, ...which }))
export const NamedPatch = oneOrAll(EventPatch.extend({ ...eventId, ...which }))
export const NamedMove = oneOrAll(
  z.strictObject({
    ...eventId,
    ...which,
    start: s.MomentInput,
    end: s.MomentInput.optional(),
    recurrence: recurrence.optional(),
  }),
)
const differed = EventException.extend({
  title: title.optional(),
  notes: s.text(MAX_NOTES_OF_ONE).optional(),
  location: location.optional(),
})
/**
 * Puts back what was binned, what one occurrence differed by (and before it what the series was), or a rule that was
 * ended, without what came after it.
 */
export const Restoration = z.strictObject({
  ...eventId,
  occurrence: which.occurrence,
  patch: EventPatch.optional(),
  exception: z.union([differed, z.null()]).optional(),
  recurrence: recurrence.optional(),
  without: s.id('cal').optional(),
})
export type Restoration = z.output<typeof Restoration>

// What is counted in days has days before and after.
const moment = z
  .union([s.localDate, s.instant])
  .refine((value) => value > '1900-01-03' && value < '9999-12-29', 'must lie between 1900 and 9999')
  .openapi({ description: "An instant, or a day from its start in the person's zone" })

// By dates read as UTC: a zone is at most 14 hours away.
const atMostAfter = (from: string, to: string, days: number) => Date.parse(to) - Date.parse(from) <= (days + 1) * DAY_MS
type Range = { from?: string | undefined; to?: string | undefined }
const within =
  (days: number) =>
  ({ from, to }: Range) =>
    from === undefined ||
    to === undefined ||
    (Date.parse(to) - Date.parse(from) > -DAY_MS && atMostAfter(from, to, days))
const range = { from: moment, to: moment }
const atMost = <T extends z.ZodType<Range>>(days: number, schema: T) =>
  schema.refine(within(days), { path: ['to'], message: `at most ${days} days after \`from\`` })

const window = z.strictObject({
  from: moment.optional().openapi({ description: 'An instant, or the start of a day; that of today when left out' }),
  to: moment.optional().openapi({ description: 'Before it; when left out 31 days after `from`' }),
  text: s.text(200).optional(),
})
/** The same of a window whose beginning nobody said. */
export function refuseBeyond(now: Date, to: string): void {
  if (atMostAfter(now.toISOString(), to, MAX_WINDOW_DAYS)) return
  const detail = `at most ${MAX_WINDOW_DAYS} days after today`
  throw new AppError('invalid_request', `\`to\` is ${detail}`, { errors: [{ pointer: 'query/to', detail }] })
}

export const EventQuery = atMost(MAX_WINDOW_DAYS, window.extend({ limit: s.limit, cursor: s.cursor }))
/** The same for an assistant. */
export const EventFilter = atMost(
  MAX_WINDOW_DAYS,
  window.extend({ limit: s.int(1, 100).default(50), cursor: s.cursor }),
)
export type EventFilter = z.output<typeof EventFilter>
export const UpcomingQuery = z.strictObject({ limit: s.limit })

export const BusyQuery = atMost(MAX_BUSY_DAYS, z.strictObject(range))
export type BusyQuery = z.output<typeof BusyQuery>
const Interval = z.strictObject({ start: s.instant, end: s.instant })
export const FreeBusy = s.later(() =>
  z
    .strictObject({
      timeZone: z.string().max(64),
      from: s.instant,
      to: s.instant,
      busy: s.list(Interval, MAX_OCCURRENCES).openapi({ description: 'In order, apart from each other' }),
    })
    .openapi('FreeBusy'),
)
export type FreeBusy = z.infer<ReturnType<typeof FreeBusy>>

const slot = { minutes: [5, 24 * 60], buffer: [0, 240], limit: [1, MAX_SLOTS] } as const
const hours = z.enum(['working', 'any']).default('working')
const slotOf = <T extends z.ZodType>(int: (min: number, max: number) => T) => ({
  ...range,
  minutes: int(...slot.minutes),
  bufferMinutes: int(...slot.buffer).optional(),
  hours: hours.openapi({
    description: 'Within the working hours of the preferences, or at any hour that is not quiet',
  }),
  timeZone: s.timeZone.optional().openapi({ description: 'Where the person will be: their hours are read there' }),
  limit: int(...slot.limit).optional(),
})
export const SlotQuery = atMost(MAX_BUSY_DAYS, z.strictObject(slotOf(s.queryInt)))
/** The same for an assistant. */
export const SlotFilter = atMost(MAX_BUSY_DAYS, z.strictObject(slotOf(s.int)))
export type SlotFilter = z.input<typeof SlotFilter>
export const Slots = s.later(() =>
  z
    .strictObject({
      timeZone: z.string().max(64),
      slots: s
        .list(Interval.extend({ local: s.MomentInput, localEnd: s.MomentInput }), MAX_SLOTS)
        .openapi({ description: 'Best first: the earliest day, then what leaves no gap too short for anything' }),
    })
    .openapi('Slots'),
)
export type Slots = z.infer<ReturnType<typeof Slots>>

const minutes = s.int(0, 10_080)
export const CalendarAnalytics = s.later(() =>
  z
    .strictObject({
      timeZone: z.string().max(64),
      weeks: s
        .list(
          z.strictObject({
            weekStart: s.localDate,
            events: s.int(0, MAX_VERSION),
            meetingMinutes: minutes,
            busyMinutes: minutes,
          }),
          8,
        )
        .openapi({ description: 'Eight weeks from their Monday, the last is the current one, whole' }),
      busyMinutesPerWeekday: s.list(s.int(0, MAX_VERSION), 7, 7).openapi({ description: 'From Monday' }),
      busiestWeekday: s.int(1, 7).nullable().openapi({ description: 'Monday is 1; null when nothing was' }),
    })
    .openapi('CalendarAnalytics', { description: 'A meeting is what has attendees; what overlaps counts once' }),
)
export type CalendarAnalytics = z.infer<ReturnType<typeof CalendarAnalytics>>
