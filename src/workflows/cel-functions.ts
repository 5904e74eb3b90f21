// What expressions may call beside the language itself: days, words and money as people say them.

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000
const WEEKDAYS = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday']

const pad = (value: number) => String(value).padStart(2, '0')

/** The wall clock of an instant in a zone. */
function wallOf(at: Date, timeZone: string) {
  const parts = new Intl.DateTimeFormat('en-CA', {
    timeZone,
    calendar: 'iso8601',
    numberingSystem: 'latn',
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
  }).formatToParts(at)
  const of = (type: string) => Number(parts.find((part) => part.type === type)?.value)
  return { year: of('year'), month: of('month'), day: of('day'), hour: of('hour'), minute: of('minute') }
}

/** What expressions see as `now`: the parts of the date where the person is. */
export function nowIn(at: Date, timeZone: string) {
  const { year, month, day, hour, minute } = wallOf(at, timeZone)
  const date = `${String(year).padStart(4, '0')}-${pad(month)}-${pad(day)}`
  const weekday = weekdayOf(date)
  return {
    at: at.toISOString(),
    date,
    time: `${pad(hour)}:${pad(minute)}`,
    timeZone,
    weekday,
    isWeekend: weekday === 'saturday' || weekday === 'sunday',
    ...{ year, month, day, hour, minute },
  }
}

function instantOf(value: string): number {
  const at = /^\d{4}-\d\d-\d\d/.test(value) ? Date.parse(value) : Number.NaN
  if (Number.isNaN(at)) throw new Error(`${value.slice(0, 40)} is not a date`)
  return at
}
const dayOf = (value: string) => Math.floor(instantOf(value.slice(0, 10)) / DAY_MS)
const weekdayOf = (value: string) => WEEKDAYS[(((dayOf(value) + 4) % 7) + 7) % 7] ?? 'sunday'

function wallIn(value: string, timeZone: string) {
  const now = nowIn(new Date(instantOf(value)), timeZone)
  return { date: now.date, time: now.time }
}

function said(value: unknown): string {
  if (value === null || value === undefined) return ''
  if (Array.isArray(value)) return value.map(said).join(', ')
  if (typeof value === 'object') return value instanceof Date ? value.toISOString() : '...'
  return String(value)
}

function cronAt(time: string, days: string): string {
  const [, hour, minute] = /^(\d\d):(\d\d)$/.exec(time) ?? []
  if (hour === undefined || minute === undefined) throw new Error(`${time.slice(0, 20)} is not a time of day`)
  const at = WEEKDAYS.indexOf(days)
  return `${Number(minute)} ${Number(hour)} * * ${at < 0 ? days : at}`
}

function money(minor: bigint | number, currency: string): string {
  const format = new Intl.NumberFormat('en', { style: 'currency', currency })
  const digits = format.resolvedOptions().maximumFractionDigits ?? 2
  return format.format(Number(minor) / 10 ** digits)
}

/** By signature of CEL. */
export const HELPERS: Record<string, (...given: never[]) => unknown> = {
  /** Whole days from one date to another; below zero when the second came first. */
  'daysBetween(string, string): int': (from: string, to: string) => BigInt(dayOf(to) - dayOf(from)),
  /** The date so many days later. */
  'addDays(string, int): string': (from: string, days: bigint) => {
    const at = new Date((dayOf(from) + Number(days)) * DAY_MS)
    if (Number.isNaN(at.getTime())) throw new Error('is no date')
    return at.toISOString().slice(0, 10)
  },
  /** The instant so many minutes later: addMinutes(now.at, 60). */
  'addMinutes(string, int): string': (from: string, minutes: bigint) => {
    const at = new Date(instantOf(from) + Number(minutes) * MINUTE_MS)
    if (Number.isNaN(at.getTime())) throw new Error('is no time')
    return at.toISOString()
  },
  'minutesBetween(string, string): int': (from: string, to: string) =>
    BigInt(Math.floor((instantOf(to) - instantOf(from)) / MINUTE_MS)),
  'weekday(string): string': weekdayOf,
  /** The time of day, and the date, of an instant in a zone: clock(event.start, now.timeZone). */
  'clock(string, string): string': (at: string, zone: string) => wallIn(at, zone).time,
  'day(string, string): string': (at: string, zone: string) => wallIn(at, zone).date,
  'plural(int, string, string): string': (n: bigint, one: string, many: string) => `${n} ${n === 1n ? one : many}`,
  'join(list, string): string': (list: unknown[], by: string) => list.map(said).join(by),
  'join(list): string': (list: unknown[]) => {
    const all = list.map(said)
    const last = all.pop() ?? ''
    return all.length === 0 ? last : `${all.join(', ')} and ${last}`
  },
  'money(int, string): string': money,
  'money(double, string): string': money,
  'first(list, int): list': (list: unknown[], n: bigint) => list.slice(0, Math.max(0, Number(n))),
  'orElse(dyn, dyn): dyn': (value: unknown, other: unknown) => value ?? other,
  /** A time of day and days of the week (1-5, monday, *) as a line of cron, for triggers with parameters. */
  'cronAt(string, string): string': cronAt,
}
