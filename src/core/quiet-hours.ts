import { Temporal } from 'temporal-polyfill'

/** Two readings of the clock on the wall, `22:00` to `07:00`; alike, there are none. */
type QuietHours = { from: string; to: string }

const clockOf = (ms: number, timeZone: string) =>
  Temporal.Instant.fromEpochMilliseconds(ms).toZonedDateTimeISO(timeZone).toPlainDateTime()

function isQuiet({ from, to }: QuietHours, ms: number, timeZone: string): boolean {
  const time = clockOf(ms, timeZone).toPlainTime().toString({ smallestUnit: 'minute' })
  return from < to ? from <= time && time < to : from !== to && (from <= time || time < to)
}

/**
 * Until when a person is to be left alone, or null. A clock that is put back is as quiet again as it reads; an end that a
 * day leaves out comes after the jump.
 */
export function quietUntil(quiet: QuietHours | null, timeZone: string, at: Date): Date | null {
  const ms = at.getTime()
  if (!quiet || !isQuiet(quiet, ms, timeZone)) return null
  const clock = clockOf(ms, timeZone)
  const isToday = clock.toPlainTime().toString({ smallestUnit: 'minute' }) < quiet.to
  const end = clock
    .toPlainDate()
    .add({ days: isToday ? 0 : 1 })
    .toPlainDateTime(quiet.to)
  const ends = (['earlier', 'later'] as const)
    .map((disambiguation) => end.toZonedDateTime(timeZone, { disambiguation }).epochMilliseconds)
    .filter((endMs) => endMs > ms && !isQuiet(quiet, endMs, timeZone))
  return new Date(Math.min(...ends))
}
