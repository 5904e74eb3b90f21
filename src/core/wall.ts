import { Temporal } from 'temporal-polyfill'

/** A wall clock in its zone: a whole day when there is no time. */
export type Wall = { date: string; time: string | null; timeZone: string }

/** Reads the clocks of zones. */
export type Clock = {
  /** The instant of a wall clock, as `wall_instant` of the database says; of a whole day its beginning. */
  ms(wall: Wall): number
  /** The date and the time, to the second, that a zone's clocks show. */
  wall(ms: number, timeZone: string): { date: string; time: string }
}

const DAY_MS = 86_400_000

/** For many readings at once: a zone is asked once for each of its days, and for each reading only where its clocks change. */
export function createClock(): Clock {
  const known = new Map<string, number>()
  const offsetOf = (timeZone: string, ms: number) =>
    Temporal.Instant.fromEpochMilliseconds(ms).toZonedDateTimeISO(timeZone).offsetNanoseconds / 1_000_000
  const offsetOn = (timeZone: string, day: number) => {
    const name = `${day} ${timeZone}`
    const offset = known.get(name) ?? offsetOf(timeZone, day * DAY_MS)
    known.set(name, offset)
    return offset
  }
  // No zone is a day away, and none changes its clocks twice in three days.
  const steadyOffset = (timeZone: string, ms: number) => {
    const day = Math.floor(ms / DAY_MS)
    const before = offsetOn(timeZone, day - 1)
    return before === offsetOn(timeZone, day + 2) ? before : undefined
  }
  return {
    ms(wall) {
      const utc = Date.parse(`${wall.date}T${wall.time ?? '00:00'}Z`)
      const offset = steadyOffset(wall.timeZone, utc)
      return offset === undefined ? wallMs({ ...wall, time: wall.time ?? '00:00' }) : utc - offset
    },
    wall(ms, timeZone) {
      const shown = new Date(ms + (steadyOffset(timeZone, ms) ?? offsetOf(timeZone, ms))).toISOString()
      return { date: shown.slice(0, 10), time: shown.slice(11, 19) }
    },
  }
}

/** The instant a wall clock means, as `wall_instant` of the database says; a whole day ends at its last millisecond. */
export function wallMs({ date, time, timeZone }: Wall): number {
  const day = Temporal.PlainDate.from(date)
  if (time !== null)
    return day.toPlainDateTime(time).toZonedDateTime(timeZone, { disambiguation: 'compatible' }).epochMilliseconds
  return (
    day.add({ days: 1 }).toPlainDateTime().toZonedDateTime(timeZone, { disambiguation: 'compatible' })
      .epochMilliseconds - 1
  )
}

/** Every change of a zone's clocks from the beginning of one year to that of another, and the offset before the first. */
export function zoneChanges(timeZone: string, fromYear: number, toYear: number) {
  const from = Temporal.PlainDate.from({ year: fromYear, month: 1, day: 1 }).toZonedDateTime(timeZone)
  const toMs = (at: Temporal.ZonedDateTime) => at.offsetNanoseconds / 1_000_000
  const changes: { ms: number; offsetMs: number }[] = []
  for (let at = from.getTimeZoneTransition('next'); at && at.year < toYear; at = at.getTimeZoneTransition('next'))
    changes.push({ ms: at.epochMilliseconds, offsetMs: toMs(at) })
  return { firstMs: toMs(from), changes }
}
