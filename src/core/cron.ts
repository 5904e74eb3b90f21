import { Temporal } from 'temporal-polyfill'

type Field = { is: string; min: number; max: number; names?: readonly string[] }
const MONTHS = ['', 'JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC']
const WEEKDAYS = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT']
const FIELDS: readonly Field[] = [
  { is: 'minute', min: 0, max: 59 },
  { is: 'hour', min: 0, max: 23 },
  { is: 'day of the month', min: 1, max: 31 },
  { is: 'month', min: 1, max: 12, names: MONTHS },
  { is: 'day of the week', min: 0, max: 7, names: WEEKDAYS },
]
const ITEM = /^(\*|\w{1,3})(?:-(\w{1,3}))?(?:\/(\d{1,2}))?$/
const LONGEST_MONTH = [0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000
const MAX_DAY = Date.parse('9999-12-30') / DAY_MS
// The longest wait of all is from one 29 February to the next across a year such as 2100.
const MAX_WAIT_DAYS = 8 * 366 + 3

type Cron = {
  minutes: number[]
  hours: number[]
  monthDays: Set<number>
  months: Set<number>
  weekdays: Set<number>
}

const fault = (field: Field, text: string) => `${text.slice(0, 40)} is not a ${field.is}`

function numberOf({ min, max, names }: Field, text: string): number | undefined {
  const named = names?.indexOf(text.toUpperCase()) ?? -1
  if (named >= 0 && text !== '') return named
  const value = /^\d{1,2}$/.test(text) ? Number(text) : Number.NaN
  return value >= min && value <= max ? value : undefined
}

function parseField(field: Field, text: string): Set<number> | string {
  const found = new Set<number>()
  for (const item of text.split(',')) {
    const [, first = '', last, step] = ITEM.exec(item) ?? []
    const isAll = first === '*'
    if (isAll && last !== undefined) return fault(field, item)
    const from = isAll ? field.min : numberOf(field, first)
    let to = isAll ? field.max : numberOf(field, last ?? first)
    const by = Number(step ?? 1)
    if (from === undefined || to === undefined || by < 1 || by > field.max) return fault(field, item)
    if (step !== undefined && !isAll && last === undefined) return `${item}: a step needs a range`
    // Sunday ends a week as well as it begins one.
    if (field.names === WEEKDAYS && to === 0 && from > 0) to = 7
    if (from > to) return `${item} runs backwards`
    const end = isAll && field.names === WEEKDAYS ? 6 : to
    for (let value = from; value <= end; value += by) found.add(field.names === WEEKDAYS ? value % 7 : value)
  }
  return found
}

const ordered = (set: Set<number>) => [...set].sort((a, b) => a - b)

function parse(cron: string): Cron | string {
  const texts = cron.trim().split(/\s+/)
  if (texts.length !== FIELDS.length) return 'A cron has five fields: minute, hour, day, month, day of the week'
  const sets: Set<number>[] = []
  for (const [at, field] of FIELDS.entries()) {
    const parsed = parseField(field, texts[at] ?? '')
    if (typeof parsed === 'string') return parsed
    sets.push(parsed)
  }
  const none = new Set<number>()
  const [minutes = none, hours = none, monthDays = none, months = none, weekdays = none] = sets
  const isLong = (month: number) => (LONGEST_MONTH[month] ?? 0) >= Math.min(...monthDays)
  if (weekdays.size === 7 && ![...months].some(isLong)) return 'The cron falls on no day'
  return { minutes: ordered(minutes), hours: ordered(hours), monthDays, months, weekdays }
}

/** Why this is no cron of five fields; undefined when it is one. */
export function cronProblem(cron: string): string | undefined {
  const parsed = parse(cron)
  return typeof parsed === 'string' ? parsed : undefined
}

// As everywhere since Unix: where both days say something, either is enough. What takes every day says nothing.
function fallsOn({ monthDays, months, weekdays }: Cron, day: number): boolean {
  const date = new Date(day * DAY_MS)
  if (!months.has(date.getUTCMonth() + 1)) return false
  const [isMonthDay, isWeekday] = [monthDays.has(date.getUTCDate()), weekdays.has(date.getUTCDay())]
  return monthDays.size < 31 && weekdays.size < 7 ? isMonthDay || isWeekday : isMonthDay && isWeekday
}

/** Both instants that a wall clock may mean: one and the same on every day but those on which a zone changes. */
function bothMs(day: number, minute: number, timeZone: string): [earlier: number, later: number, exists: boolean] {
  const wall = Temporal.Instant.fromEpochMilliseconds(day * DAY_MS + minute * MINUTE_MS)
    .toZonedDateTimeISO('UTC')
    .toPlainDateTime()
  const earlier = wall.toZonedDateTime(timeZone, { disambiguation: 'earlier' })
  const later = wall.toZonedDateTime(timeZone, { disambiguation: 'later' })
  return [earlier.epochMilliseconds, later.epochMilliseconds, earlier.toPlainDateTime().equals(wall)]
}

// An hour that is named runs once a day: in a gap after the jump, of two the first. Where every hour is taken nothing is
// named, and each instant whose wall clock fits is meant: an hour that comes twice has twice as many of them.
function momentsOf(rule: Cron, day: number, timeZone: string): number[] {
  const minutes = rule.hours.flatMap((hour) => rule.minutes.map((minute) => hour * 60 + minute))
  const [[start, startLater], [end, endLater]] = [bothMs(day, 0, timeZone), bothMs(day + 1, 0, timeZone)]
  if (start === startLater && end === endLater && end - start === DAY_MS)
    return minutes.map((minute) => start + minute * MINUTE_MS)
  return minutes.flatMap((minute) => {
    const [earlier, later, exists] = bothMs(day, minute, timeZone)
    if (rule.hours.length < 24) return exists ? earlier : later
    return exists ? [earlier, later] : []
  })
}

/** Every instant from this day on, in order. What a change of the zone puts off past midnight waits for the next day's. */
function* instantsOf(rule: Cron, timeZone: string, first: number): Generator<number, undefined> {
  let late: number[] = []
  let told = Number.NEGATIVE_INFINITY
  for (let day = first, matched = first; day <= MAX_DAY && day - matched <= MAX_WAIT_DAYS; day++) {
    const falls = fallsOn(rule, day)
    if (!falls && late.length === 0) continue
    const found = [...late, ...(falls ? momentsOf(rule, day, timeZone) : [])].sort((a, b) => a - b)
    const [end] = bothMs(day + 1, 0, timeZone)
    for (const ms of found) {
      if (ms < end && ms > told) yield ms
      if (ms < end) told = ms
    }
    late = found.filter((ms) => ms >= end)
    if (falls) matched = day
  }
}

/**
 * The next `count` instants after `after` at which the wall clock of the zone fits the cron; fewer where it ends. The
 * days looked through are bounded, whatever the cron. See docs/decisions/0052 for the days on which a zone changes.
 */
export function cronTimes(cron: string, timeZone: string, after: Date, count: number): Date[] {
  const rule = parse(cron)
  if (typeof rule === 'string') return []
  const times: Date[] = []
  // A zone is never two days away, and may leave out one.
  for (const ms of instantsOf(rule, timeZone, Math.floor(after.getTime() / DAY_MS) - 2)) {
    if (times.length >= count) break
    if (ms > after.getTime()) times.push(new Date(ms))
  }
  return times
}
