import { createClock, type Wall } from '#core'
import { endsBefore, timesAt } from './occurrence.ts'
import { refusal } from './problem.ts'
import { LAST_DAY, MAX_DAYS } from './row.ts'
import type { CalendarEvent, EventException, EventPatch } from './schema.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

/** One of a series: the day it falls on by the rule, and what is different of it. `home` is the zone of the person. */
export type Day = { event: CalendarEvent; home: string; occurrence: string; exception?: EventException | undefined }

const wallOf = ({ date, time }: Pick<Wall, 'date' | 'time'>) => Date.parse(`${date}T${time ?? '00:00'}Z`)
const given = ({ date, time, timeZone }: Wall) => ({
  date,
  timeZone,
  ...(time !== null && { time: time.replace(/^(..:..):00$/, '$1') }),
})

/**
 * When one of a series is after this patch, as one would give it. Both, once one of them is said: a series that moves
 * later does not move what was moved by itself. `invalid_request` where it cannot be.
 */
export function movedTimes({ event, home, occurrence, exception }: Day, patch: EventPatch) {
  const clock = createClock()
  const was = timesAt(clock, event, occurrence, exception)
  const said = ({ date, time, timeZone }: NonNullable<EventPatch['start']>, zone: string): Wall => ({
    date,
    time: time ?? null,
    timeZone: timeZone ?? zone,
  })
  const start = patch.start ? said(patch.start, home) : was.start
  const end = patch.end ? said(patch.end, start.timeZone) : patch.start ? along(was, start) : was.end
  if ((start.time === null) !== (end.time === null)) throw refusal('shape')
  const dayOf = ({ date }: Wall) => Date.parse(date)
  if (dayOf(end) - dayOf(start) > MAX_DAYS * DAY_MS || dayOf(end) > Date.parse(LAST_DAY)) throw refusal('long')
  if (endsBefore(clock, start, end)) throw refusal('order')
  return { start: given(start), end: given(end) }
}

/** The end that goes with a new start: as far from it as it was, an hour or the same day where that cannot be told. */
function along(was: { start: Wall; end: Wall }, start: Wall): Wall {
  const isDay = start.time === null
  const isAlike = (was.start.time === null) === isDay
  const length = isAlike ? wallOf(was.end) - wallOf(was.start) : isDay ? 0 : HOUR_MS
  const [date = '', time = ''] = new Date(wallOf(start) + length).toISOString().split('T')
  const timeZone = was.end.timeZone === was.start.timeZone ? start.timeZone : was.end.timeZone
  return { date, time: isDay ? null : time.slice(0, 8), timeZone }
}
