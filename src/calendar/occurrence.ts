import { type Clock, occurrencesBetween, type Wall } from '#core'
import type { CalendarEvent, EventException, EventTime, Occurrence } from './schema.ts'

const DAY_MS = 86_400_000
// No zone is this many days away.
const MARGIN_DAYS = 2

/** From one instant to before another. */
export type Span = { startMs: number; endMs: number }
/** Once that an event happens; `occurrence` is the day it falls on by the rule, null for what happens once. */
export type Happening = Span & {
  event: CalendarEvent
  occurrence: string | null
  exception: EventException | undefined
}
/** What lies in it at all, and begins at `sinceMs` or later where that is given. */
export type Window = { fromMs: number; toMs: number; sinceMs?: number | undefined }

const dateOf = (ms: number) =>
  new Date(Math.max(-2_208_902_400_000, Math.min(ms, 253_402_214_400_000))).toISOString().slice(0, 10)
const shifted = (date: string, days: number) => dateOf(Date.parse(date) + days * DAY_MS)
const daysBetween = (from: string, to: string) => Math.round((Date.parse(to) - Date.parse(from)) / DAY_MS)
const wallLength = (start: Wall, end: Wall) =>
  Date.parse(`${end.date}T${end.time ?? '00:00'}Z`) - Date.parse(`${start.date}T${start.time ?? '00:00'}Z`)

/** When an occurrence is: the clocks on the wall are those of the first, or what its exception says. */
export function timesAt(
  clock: Clock,
  event: CalendarEvent,
  occurrence: string | null,
  exception?: Pick<EventException, 'start' | 'end'>,
): { start: Wall; end: Wall } & Span {
  const days = occurrence === null ? 0 : daysBetween(event.start.date, occurrence)
  const own = ({ date, time, timeZone }: EventTime): Wall => ({ date: shifted(date, days), time, timeZone })
  const said = ({ date, time, timeZone }: NonNullable<EventException['start']>): Wall => ({
    date,
    time: time ?? null,
    timeZone: timeZone ?? event.start.timeZone,
  })
  const start = exception?.start ? said(exception.start) : own(event.start)
  const end = exception?.end ? said(exception.end) : own(event.end)
  return { start, end, ...spanOf(clock, start, end) }
}

/** Where the hour that never comes would put the end at its start or before, it lasts as long as the clocks say. */
function spanOf(clock: Clock, start: Wall, end: Wall): Span {
  const [startMs, endMs] = [clock.ms(start), endOf(clock, end)]
  if (endMs > startMs) return { startMs, endMs }
  return { startMs, endMs: startMs + (start.timeZone === end.timeZone ? Math.max(0, wallLength(start, end)) : 0) }
}

const endOf = (clock: Clock, end: Wall) => clock.ms(end.time === null ? { ...end, date: shifted(end.date, 1) } : end)

/** In one zone the clocks tell what comes first, else the instants. */
export function endsBefore(clock: Clock, start: Wall, end: Wall): boolean {
  return start.timeZone === end.timeZone ? wallLength(start, end) < 0 : endOf(clock, end) < clock.ms(start)
}

const isIn = ({ startMs, endMs }: Span, { fromMs, toMs, sinceMs }: Window) =>
  startMs < toMs && (endMs > fromMs || startMs >= fromMs) && (sinceMs === undefined || startMs >= sinceMs)

/** Whether a series falls on a day by its rule. */
export function fallsOn(event: CalendarEvent, day: string): boolean {
  return event.recurrence !== null && occurrencesBetween(event.recurrence, event.start, day, day, 1).length > 0
}

/** What of an event lies in a window; of a series in no order, and no more than about `most`. */
export function happenings(clock: Clock, event: CalendarEvent, window: Window, most: number): Happening[] {
  const at = (occurrence: string | null, exception?: EventException): Happening[] => {
    if (exception?.isCancelled) return []
    const { startMs, endMs } = timesAt(clock, event, occurrence, exception)
    return isIn({ startMs, endMs }, window) ? [{ startMs, endMs, event, occurrence, exception }] : []
  }
  if (event.recurrence === null) return at(null)
  const isMoved = ({ start, end }: EventException) => start !== undefined || end !== undefined
  const moved = event.exceptions.filter((exception) => isMoved(exception) && fallsOn(event, exception.occurrence))
  const others = new Map(event.exceptions.map((exception) => [exception.occurrence, exception]))
  const length = daysBetween(event.start.date, event.end.date)
  const firstMs = Math.max(window.fromMs - length * DAY_MS, window.sinceMs ?? Number.NEGATIVE_INFINITY)
  const days = occurrencesBetween(
    event.recurrence,
    event.start,
    dateOf(firstMs - MARGIN_DAYS * DAY_MS),
    dateOf(window.toMs + MARGIN_DAYS * DAY_MS),
    // Those before the window that the margins let in, and those that are cancelled or elsewhere.
    most + length + 2 * MARGIN_DAYS + others.size,
  )
  const regular = days.flatMap((day) => {
    const exception = others.get(day)
    return exception && isMoved(exception) ? [] : at(day, exception)
  })
  return [...regular, ...moved.flatMap((exception) => at(exception.occurrence, exception))]
}

/** As it is told of: what is different of this one is as its exception says. */
export function toOccurrence(clock: Clock, { event, occurrence, exception, ...span }: Happening): Occurrence {
  const { exceptions: _, externalProvider, externalId, deletedAt, createdAt, ...common } = event
  const { start, end } = timesAt(clock, event, occurrence, exception)
  const { occurrence: _day, isCancelled, start: _start, end: _end, ...different } = exception ?? {}
  const at = (ms: number) => new Date(ms).toISOString()
  return {
    ...common,
    ...different,
    start: { ...start, at: at(span.startMs) },
    end: { ...end, at: at(span.endMs) },
    occurrence,
    isChanged:
      exception !== undefined && (_start !== undefined || _end !== undefined || Object.keys(different).length > 0),
  }
}
