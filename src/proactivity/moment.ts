export type Part = 'night' | 'morning' | 'afternoon' | 'evening'
export type Week = 'weekday' | 'weekend'
/** The wall clock of a person: what is learned goes by `part` and `week`. */
export type Moment = { date: string; minutes: number; weekday: number; part: Part; week: Week }

export type Hours = { from: string; to: string }

const DAY_MINUTES = 1440
const MINUTE_MS = 60_000
const PARTS: [Part, number][] = [
  ['night', 0],
  ['morning', 5 * 60],
  ['afternoon', 12 * 60],
  ['evening', 17 * 60],
  ['night', 22 * 60],
]
const WEEKDAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun']

const formats = new Map<string, Intl.DateTimeFormat>()
function formatOf(timeZone: string): Intl.DateTimeFormat {
  const known = formats.get(timeZone)
  if (known) return known
  const made = new Intl.DateTimeFormat('en-US', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    weekday: 'short',
  })
  formats.set(timeZone, made)
  return made
}

/** `workDays`: ISO weekdays; what is none of them is the weekend. */
export function momentAt(at: Date, timeZone: string, workDays: number[] = [1, 2, 3, 4, 5]): Moment {
  const parts = new Map(
    formatOf(timeZone)
      .formatToParts(at)
      .map(({ type, value }) => [type, value]),
  )
  const read = (type: Intl.DateTimeFormatPartTypes) => parts.get(type) ?? ''
  const minutes = Number(read('hour')) * 60 + Number(read('minute'))
  const weekday = WEEKDAYS.indexOf(read('weekday')) + 1
  const part = PARTS.findLast(([, from]) => minutes >= from)?.[0] ?? 'night'
  const week = workDays.includes(weekday) ? 'weekday' : 'weekend'
  return { date: `${read('year')}-${read('month')}-${read('day')}`, minutes, weekday, part, week }
}

/** The name under which a moment is learned. */
export const cellOf = ({ part, week }: Pick<Moment, 'part' | 'week'>): string => `${part}/${week}`

function minutesOf(clock: string): number {
  const [hours = '0', minutes = '0'] = clock.split(':')
  return Number(hours) * 60 + Number(minutes)
}

/** When this wall clock comes next, at the earliest a minute from now: on a day that changes its clocks too. */
export function nextClock(at: Date, timeZone: string, minutes: number): Date {
  const from = momentAt(at, timeZone)
  const ahead = (minutes - from.minutes + DAY_MINUTES) % DAY_MINUTES || DAY_MINUTES
  const whole = Math.floor(at.getTime() / MINUTE_MS) * MINUTE_MS
  const guess = new Date(whole + ahead * MINUTE_MS)
  const off = minutes - momentAt(guess, timeZone).minutes
  // An hour that clocks skip is never read: then the moment they were moved to does.
  const fixed = new Date(guess.getTime() + (((off + 720 + DAY_MINUTES) % DAY_MINUTES) - 720) * MINUTE_MS)
  return fixed.getTime() > at.getTime() ? fixed : guess
}

/** When the quiet hours end that this is in; null: it is in none. From and to alike: they never end, so there are none. */
export function quietUntil(at: Date, timeZone: string, quiet: Hours | null): Date | null {
  if (!quiet) return null
  const [from, to] = [minutesOf(quiet.from), minutesOf(quiet.to)]
  const { minutes } = momentAt(at, timeZone)
  const isQuiet = from <= to ? minutes >= from && minutes < to : minutes >= from || minutes < to
  return isQuiet ? nextClock(at, timeZone, to) : null
}

/** When the next of these parts of today begins; null: none is to come. */
export function startOf(part: Part, at: Date, timeZone: string): Date | null {
  const { minutes } = momentAt(at, timeZone)
  const from = PARTS.find(([name, begins]) => name === part && begins > minutes)?.[1]
  return from === undefined ? null : nextClock(at, timeZone, from)
}
