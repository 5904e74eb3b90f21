const MINUTE_MS = 60_000
const DAY_MS = 86_400_000

const formats = new Map<string, Intl.DateTimeFormat>()

/** How many minutes the clocks of a zone are ahead of UTC, as ICU tells; NaN where it is no whole number of them. */
export function offsetMinutes(timeZone: string, ms: number): number {
  const format =
    formats.get(timeZone) ?? new Intl.DateTimeFormat('en-US', { timeZone, timeZoneName: 'longOffset', year: 'numeric' })
  formats.set(timeZone, format)
  const name = format.formatToParts(ms).find(({ type }) => type === 'timeZoneName')?.value ?? ''
  const [, sign, hours, minutes, seconds] = /^GMT(?:([+-])(\d\d):(\d\d)(?::(\d\d))?)?$/.exec(name) ?? []
  if (seconds !== undefined) return Number.NaN
  return (sign === '-' ? -1 : 1) * (Number(hours ?? 0) * 60 + Number(minutes ?? 0))
}

/** When the clocks of a zone are changed between two instants, to the minute. */
export function changesOf(timeZone: string, fromMs: number, toMs: number, stepDays = 7): number[] {
  const changes: number[] = []
  for (let low = fromMs; low < toMs; low += stepDays * DAY_MS) {
    const before = offsetMinutes(timeZone, low)
    let [last, first] = [low, low + stepDays * DAY_MS]
    if (offsetMinutes(timeZone, first) === before) continue
    while (first - last > MINUTE_MS) {
      const middle = last + Math.floor((first - last) / 2 / MINUTE_MS) * MINUTE_MS
      if (offsetMinutes(timeZone, middle) === before) last = middle
      else first = middle
    }
    changes.push(first)
  }
  return changes
}

/** The clock on the wall of a zone, minute by minute of real time, from one instant on to another. */
export type Walk = {
  fromMs: number
  toMs: number
  /** By the minute on the wall, counted as if it were UTC, the instants at which the clock shows it. */
  shown: Map<number, number[]>
  /** Ahead of UTC at the beginning: what the clock would go on to show if nobody changed it. */
  beforeMs: number
}

export function walk(timeZone: string, fromMs: number, toMs: number, changeMs: number): Walk {
  const beforeMs = offsetMinutes(timeZone, fromMs) * MINUTE_MS
  const afterMs = offsetMinutes(timeZone, toMs) * MINUTE_MS
  const shown = new Map<number, number[]>()
  // Further than it goes: what the clock shows only then is not left out.
  for (let ms = fromMs; ms <= toMs + 3 * DAY_MS; ms += MINUTE_MS) {
    const wall = ms + (ms < changeMs ? beforeMs : afterMs)
    shown.set(wall, [...(shown.get(wall) ?? []), ms])
  }
  return { fromMs, toMs, shown, beforeMs }
}

/** The instants that a clock on the wall means: all of them; none where the clock leaves it out. */
const instantsOf = ({ shown }: Walk, wall: number): number[] => shown.get(wall) ?? []

/** One run: the first of two; where it is left out, as the clock that nobody has changed yet would show it. */
export const onceOf = (walked: Walk, wall: number): number => instantsOf(walked, wall)[0] ?? wall - walked.beforeMs

const within = ({ fromMs, toMs }: Walk, all: number[]) =>
  [...new Set(all)].filter((ms) => ms > fromMs && ms <= toMs).sort((a, b) => a - b)

/** Every minute on the wall of the days that a walk touches. */
function* wallsOf({ fromMs, toMs, beforeMs }: Walk): Generator<number> {
  const first = Math.floor((fromMs + beforeMs) / DAY_MS) * DAY_MS - DAY_MS
  for (let wall = first; wall <= toMs + beforeMs + DAY_MS; wall += MINUTE_MS) yield wall
}

export type Fields = { minutes: number[]; hours: number[]; days: number[]; months: number[]; weekdays: number[] }

/** Cron of five fields as it was known before there were zones: each minute is looked at. */
function fits({ minutes, hours, days, months, weekdays }: Fields, wall: number): boolean {
  const at = new Date(wall)
  if (!minutes.includes(at.getUTCMinutes()) || !hours.includes(at.getUTCHours())) return false
  if (!months.includes(at.getUTCMonth() + 1)) return false
  const [isDay, isWeekday] = [days.includes(at.getUTCDate()), weekdays.includes(at.getUTCDay())]
  return days.length < 31 && weekdays.length < 7 ? isDay || isWeekday : isDay && isWeekday
}

/** When a cron runs during a walk: an hour that is named once a day; where none is, whenever the clock shows it. */
export function cronOracle(walked: Walk, fields: Fields): number[] {
  const found: number[] = []
  for (const wall of wallsOf(walked)) {
    if (!fits(fields, wall)) continue
    if (fields.hours.length === 24) found.push(...instantsOf(walked, wall))
    else found.push(onceOf(walked, wall))
  }
  return within(walked, found)
}

/** When something runs at a time of day, on the days that are meant (counted from 1970). */
export function daysOracle(walked: Walk, minuteOfDay: number, isMeant: (day: number) => boolean): number[] {
  const found: number[] = []
  for (const wall of wallsOf(walked)) {
    const day = Math.floor(wall / DAY_MS)
    if (wall - day * DAY_MS === minuteOfDay * MINUTE_MS && isMeant(day)) found.push(onceOf(walked, wall))
  }
  return within(walked, found)
}
