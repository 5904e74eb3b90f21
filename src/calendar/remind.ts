import { createClock } from '#core'
import { type Happening, happenings, toOccurrence } from './occurrence.ts'
import type { CalendarEvent, Occurrence } from './schema.ts'

const MINUTE_MS = 60_000
const NEVER_MS = Date.parse('9999-12-29')
// A day has one occurrence: within the longest lead, 28 days, and what zones add lie no more.
const LOOKED_AT = 35

/** A reminder of one occurrence: when it is given, and how many minutes that is before. */
export type Reminder = { atMs: number; minutes: number; endMs: number; occurrence: Occurrence }

const isOn = ({ event, exception }: Happening) => (exception?.status ?? event.status) !== 'cancelled'

/** The reminders of an event from `fromMs` on that fall soonest: several where several fall at the same time. */
export function nextReminders(event: CalendarEvent, fromMs: number): Reminder[] {
  if (event.reminders.length === 0 || event.deletedAt !== null || event.status === 'cancelled') return []
  const clock = createClock()
  const window = { fromMs, toMs: NEVER_MS, sinceMs: fromMs }
  const coming = happenings(clock, event, window, LOOKED_AT)
    .filter(isOn)
    .flatMap((happening) =>
      event.reminders.map((minutes) => ({ happening, minutes, atMs: happening.startMs - minutes * MINUTE_MS })),
    )
    .filter(({ atMs }) => atMs >= fromMs)
  const soonest = Math.min(...coming.map(({ atMs }) => atMs))
  return coming
    .filter(({ atMs }) => atMs === soonest)
    .map(({ happening, minutes, atMs }) => ({
      atMs,
      minutes,
      endMs: happening.endMs,
      occurrence: toOccurrence(clock, happening),
    }))
}
