import { Temporal } from 'temporal-polyfill'
import { type Wall, wallMs } from './wall.ts'

const DAY = '(MO|TU|WE|TH|FR|SA|SU)'
const WEEK = '([1-9]|[1-4]\\d|5[0-3])'
const listOf = (item: string, more: number) => new RegExp(`^${item}(,${item}){0,${more}}$`)

// Rules repeat by days: the time of day is that of the first occurrence, so no part below a day is taken.
const PARTS: Record<string, RegExp> = {
  FREQ: /^(DAILY|WEEKLY|MONTHLY|YEARLY)$/,
  INTERVAL: /^[1-9]\d{0,2}$/,
  COUNT: /^[1-9]\d{0,2}$/,
  UNTIL: /^\d{8}(T\d{6}Z?)?$/,
  BYDAY: listOf(`([+-]?${WEEK})?${DAY}`, 19),
  BYMONTHDAY: listOf('[+-]?([1-9]|[12]\\d|3[01])', 61),
  BYYEARDAY: listOf('[+-]?([1-9]\\d?|[12]\\d\\d|3[0-5]\\d|36[0-6])', 19),
  BYWEEKNO: listOf(`[+-]?${WEEK}`, 52),
  BYMONTH: listOf('([1-9]|1[0-2])', 11),
  BYSETPOS: listOf('[+-]?([1-9]\\d?|[12]\\d\\d|3[0-5]\\d|36[0-6])', 19),
  WKST: new RegExp(`^${DAY}$`),
}
const DAYS = ['MO', 'TU', 'WE', 'TH', 'FR', 'SA', 'SU']
const MAX_DATE = '9999-12-30'
const DAY_MS = 86_400_000
// How many periods are looked through for the next day: with INTERVAL=1 the 40 years that the longest wait takes, from
// one 29 February on a Monday to the next across 2100, and one more.
const MAX_PERIODS = { DAILY: 41 * 366, WEEKLY: 41 * 53, MONTHLY: 41 * 12, YEARLY: 41 }

type Parts = Map<string, string>
type Freq = keyof typeof MAX_PERIODS
const FREQS = ['DAILY', 'WEEKLY', 'MONTHLY', 'YEARLY'] as const

function parse(rule: string): Parts | string {
  const parts: Parts = new Map()
  for (const part of rule.split(';')) {
    const [name = '', value = ''] = part.split('=', 2)
    if (!PARTS[name]?.test(value)) return `${part.slice(0, 40)} is not a part this API repeats by`
    if (parts.has(name)) return `${name} is given twice`
    parts.set(name, value)
  }
  return mismatch(parts) ?? parts
}

// What RFC 5545 (3.3.10) forbids together, and a set of weeks of which nobody can say what year it is of.
function mismatch(parts: Parts): string | undefined {
  const freq = parts.get('FREQ')
  const has = (name: string) => parts.has(name)
  if (!freq) return 'FREQ is missing'
  if (has('COUNT') && has('UNTIL')) return 'COUNT and UNTIL exclude each other'
  if (has('BYWEEKNO') && freq !== 'YEARLY') return 'BYWEEKNO needs FREQ=YEARLY'
  if (has('BYWEEKNO') && (has('BYSETPOS') || has('BYMONTH'))) return 'BYWEEKNO excludes BYSETPOS and BYMONTH'
  if (has('BYYEARDAY') && freq !== 'YEARLY') return 'BYYEARDAY needs FREQ=YEARLY'
  if (has('BYMONTHDAY') && freq === 'WEEKLY') return 'BYMONTHDAY excludes FREQ=WEEKLY'
  if (/\d/.test(parts.get('BYDAY') ?? '') && (freq === 'DAILY' || freq === 'WEEKLY' || has('BYWEEKNO')))
    return 'BYDAY with a number needs FREQ=MONTHLY or YEARLY, without BYWEEKNO'
  if (has('BYSETPOS') && ![...parts.keys()].some((name) => /^BY(?!SETPOS)/.test(name)))
    return 'BYSETPOS needs another BY part'
  return undefined
}

/** Why this is no rule to repeat by (RFC 5545, FREQ of a day or longer); undefined when it is one. */
export function recurrenceProblem(rule: string): string | undefined {
  const parts = parse(rule)
  if (typeof parts === 'string') return parts
  try {
    readUntil(parts.get('UNTIL'))
  } catch {
    return 'UNTIL is not a day or a time of one'
  }
  const always = { ...compile(parts, LEAP_NEW_YEAR), interval: 1 }
  const { done } = daysOf(always, LEAP_NEW_YEAR, 0, periodOf(always, LEAP_NEW_YEAR)).next()
  return done ? 'The rule falls on no day' : undefined
}

type Until = { instantMs: number } | { wall: string } | undefined

function readUntil(value: string | undefined): Until {
  if (value === undefined) return undefined
  const [, y, m, d, , hh, mm, ss, zulu] = /^(\d{4})(\d\d)(\d\d)(T(\d\d)(\d\d)(\d\d)(Z?))?$/.exec(value) ?? []
  const date = Temporal.PlainDate.from(`${y}-${m}-${d}`).toString()
  if (hh === undefined) return { wall: `${date}T23:59:59` }
  const wall = Temporal.PlainDateTime.from(`${date}T${hh}:${mm}:${ss}`).toString({ smallestUnit: 'second' })
  return zulu === 'Z' ? { instantMs: Temporal.Instant.from(`${wall}Z`).epochMilliseconds } : { wall }
}

// Days are counted from 1970-01-01, weekdays from Monday, 0.
const dayOf = (date: string) => Date.parse(date) / DAY_MS
const dateOf = (day: number) => new Date(day * DAY_MS).toISOString().slice(0, 10)
const firstOf = (year: number, month = 1) => Date.UTC(year, month - 1) / DAY_MS
const weekdayOf = (day: number) => (((day + 3) % 7) + 7) % 7
const yearOf = (day: number) => new Date(day * DAY_MS).getUTCFullYear()
const monthOf = (day: number) => new Date(day * DAY_MS).getUTCMonth() + 1
const MAX_DAY = dayOf(MAX_DATE)
const LEAP_NEW_YEAR = dayOf('2000-01-01')

/** A rule made ready: the numbers of each part, where it is given. A day `2TU` is 2 * 7 + 1, a day `TU` is 1. */
type Rule = {
  freq: Freq
  interval: number
  weekStart: number
  start: number
  months: Set<number> | undefined
  monthDays: Set<number> | undefined
  yearDays: Set<number> | undefined
  weeks: Set<number> | undefined
  days: Set<number> | undefined
  positions: number[] | undefined
}

// What the rule leaves open is as on its first day.
function compile(parts: Parts, start: number): Rule {
  const numbers = (name: string) => parts.get(name)?.split(',').map(Number)
  const setOf = (name: string) => (parts.has(name) ? new Set(numbers(name)) : undefined)
  const days = parts.get('BYDAY')?.split(',')
  const rule: Rule = {
    freq: FREQS.find((name) => name === parts.get('FREQ')) ?? 'DAILY',
    interval: Number(parts.get('INTERVAL') ?? 1),
    weekStart: DAYS.indexOf(parts.get('WKST') ?? 'MO'),
    start,
    months: setOf('BYMONTH'),
    monthDays: setOf('BYMONTHDAY'),
    yearDays: setOf('BYYEARDAY'),
    weeks: setOf('BYWEEKNO'),
    days: days && new Set(days.map((day) => Number(day.slice(0, -2)) * 7 + DAYS.indexOf(day.slice(-2)))),
    positions: numbers('BYSETPOS'),
  }
  if (rule.days || rule.monthDays || rule.yearDays || rule.freq === 'DAILY') return rule
  if (rule.weeks || rule.freq === 'WEEKLY') return { ...rule, days: new Set([weekdayOf(start)]) }
  const monthDays = new Set([new Date(start * DAY_MS).getUTCDate()])
  const months = rule.freq === 'YEARLY' ? (rule.months ?? new Set([monthOf(start)])) : rule.months
  return { ...rule, monthDays, months }
}

const weekOf = ({ weekStart }: Rule, day: number) => day - ((weekdayOf(day) - weekStart + 7) % 7)

// Of the periods DTSTART is in the first of, the nth that INTERVAL leaves: its first day and the one after its last.
function period(rule: Rule, n: number): [from: number, to: number] {
  const { freq, start } = rule
  const at = n * rule.interval
  const year = yearOf(start)
  if (freq === 'DAILY') return [start + at, start + at + 1]
  if (freq === 'WEEKLY') return [weekOf(rule, start) + 7 * at, weekOf(rule, start) + 7 * (at + 1)]
  if (freq === 'MONTHLY') return [firstOf(year, monthOf(start) + at), firstOf(year, monthOf(start) + at + 1)]
  if (!rule.weeks) return [firstOf(year + at), firstOf(year + at + 1)]
  const own = weekYear(rule, start)
  return [weekOne(rule, own + at), weekOne(rule, own + at + 1)]
}

// Week 1 is the first with four days in its year.
const weekOne = (rule: Rule, year: number) => weekOf(rule, firstOf(year) + 3)

function weekYear(rule: Rule, day: number): number {
  const year = yearOf(day)
  return day >= weekOne(rule, year + 1) ? year + 1 : day < weekOne(rule, year) ? year - 1 : year
}

// The number of the last period that begins by this day, or a little less.
function periodOf(rule: Rule, day: number): number {
  const { freq, start, interval } = rule
  const years = yearOf(day) - yearOf(start)
  const passed = {
    DAILY: day - start,
    WEEKLY: (day - weekOf(rule, start)) / 7,
    MONTHLY: years * 12 + monthOf(day) - monthOf(start),
    YEARLY: years - 2,
  }[freq]
  return Math.max(0, Math.floor(passed / interval))
}

const either = (set: Set<number> | undefined, at: number, of: number) => !set || set.has(at) || set.has(at - of - 1)

type Month = { month: number; start: number; end: number; newYear: number; yearLength: number }

// Remembers the last one: a calendar is slow to ask for every day.
function calendar(): (day: number) => Month {
  let known: Month | undefined
  return (day) => {
    if (known && day >= known.start && day < known.end) return known
    const [year, month] = [yearOf(day), monthOf(day)]
    const newYear = firstOf(year)
    const yearLength = firstOf(year + 1) - newYear
    known = { month, start: firstOf(year, month), end: firstOf(year, month + 1), newYear, yearLength }
    return known
  }
}

/** The days of a period the rule falls on. */
function fallsIn(rule: Rule, [from, to]: [number, number], monthAt: (day: number) => Month): number[] {
  const { months, monthDays, yearDays, weeks, days, positions } = rule
  const found: number[] = []
  const isOfYear = rule.freq === 'YEARLY' && !months
  for (let first = from; first < to; ) {
    const { month, start, end, newYear, yearLength } = monthAt(first)
    const [base, length] = isOfYear ? [newYear, yearLength] : [start, end - start]
    for (let day = first; day < end && day < to && (!months || months.has(month)); day++) {
      if (!either(monthDays, day - start + 1, end - start)) continue
      if (!either(yearDays, day - newYear + 1, yearLength)) continue
      if (weeks && !either(weeks, Math.floor((day - from) / 7) + 1, (to - from) / 7)) continue
      if (days && !isAmong(days, weekdayOf(day), day - base, length)) continue
      found.push(day)
    }
    first = end
  }
  if (!positions) return found
  const picked = new Set(positions.flatMap((n) => found.at(n > 0 ? n - 1 : n) ?? []))
  return found.filter((day) => picked.has(day))
}

function isAmong(days: Set<number>, weekday: number, passed: number, length: number): boolean {
  const [nth, fromLast] = [Math.floor(passed / 7) + 1, Math.floor((length - 1 - passed) / 7) + 1]
  return days.has(weekday) || days.has(nth * 7 + weekday) || days.has(weekday - fromLast * 7)
}

/** The days the rule falls on after its first, from the nth period on; it ends where nobody waits any longer. */
function* daysOf(rule: Rule, after: number, nth: number, least: number, last = MAX_DAY): Generator<number, undefined> {
  const monthAt = calendar()
  for (let n = nth; n <= least + MAX_PERIODS[rule.freq]; n++) {
    const range = period(rule, n)
    if (range[0] > last) return
    for (const day of fallsIn(rule, range, monthAt)) if (day > after && day <= last) yield day
  }
}

/**
 * The first day after `due` on which the rule falls at an instant after both `due` and `now`, and the rule as it
 * stands from that day on (COUNT tells what is left, `due` being one of it). Null when the rule has ended.
 */
export function nextOccurrence(rule: string, due: Wall, now: Date): { date: string; rule: string } | null {
  const parts = parse(rule)
  if (typeof parts === 'string') return null
  const until = readUntil(parts.get('UNTIL'))
  const count = parts.get('COUNT')
  const start = dayOf(due.date)
  const ready = compile(parts, start)
  const leastMs = Math.max(wallMs(due), now.getTime())
  const isPastLeast = isAfter(due, leastMs)
  const isPastUntil = until && isAfterUntil({ ...due, time: due.time ?? '00:00:00' }, until)
  const least = periodOf(ready, Math.max(start, Math.floor(leastMs / DAY_MS) - 2))
  let left = count === undefined ? Number.POSITIVE_INFINITY : Number(count)
  // COUNT must see every occurrence; without it those of long ago are jumped over.
  for (const day of daysOf(ready, start, count === undefined ? least : 0, least)) {
    left -= 1
    if (left < 1 || isPastUntil?.(day)) return null
    if (isPastLeast(day)) return { date: dateOf(day), rule: count === undefined ? rule : withCount(parts, left) }
  }
  return null
}

/** The days from `from` to `to` on which a series that begins at `first` falls, its first among them; at most so many. */
export function occurrencesBetween(rule: string, first: Wall, from: string, to: string, most: number): string[] {
  const [start, low, high] = [dayOf(first.date), dayOf(from), Math.min(dayOf(to), MAX_DAY)]
  const found = start >= low && start <= high ? [first.date] : []
  const parts = parse(rule)
  if (typeof parts === 'string') return found
  const until = readUntil(parts.get('UNTIL'))
  const isPastUntil = until && isAfterUntil({ ...first, time: first.time ?? '00:00:00' }, until)
  const ready = compile(parts, start)
  const least = periodOf(ready, Math.max(start, low))
  const count = parts.get('COUNT')
  let left = count === undefined ? Number.POSITIVE_INFINITY : Number(count)
  for (const day of daysOf(ready, start, count === undefined ? least : 0, least, high)) {
    left -= 1
    if (left < 1 || found.length >= most || isPastUntil?.(day)) break
    if (day >= low) found.push(dateOf(day))
  }
  return found
}

/** Whether a rule falls on a day by itself, whatever its INTERVAL is counted from and when it ends. */
export function fitsRule(rule: string, day: string): boolean {
  const parts = parse(rule)
  const ready = typeof parts !== 'string' && compile(parts, dayOf(day))
  return ready && fallsIn(ready, period(ready, 0), calendar()).includes(dayOf(day))
}

// A zone is never two days away: only near the instant is its clock asked.
function isAfter(due: Wall, ms: number): (day: number) => boolean {
  const near = Math.floor(ms / DAY_MS)
  return (day) => day > near + 2 || (day >= near - 2 && wallMs({ ...due, date: dateOf(day) }) > ms)
}

// A whole day still counts when it begins by then.
function isAfterUntil(begin: Wall, until: NonNullable<Until>): (day: number) => boolean {
  if ('instantMs' in until) return isAfter(begin, until.instantMs)
  return (day) => `${dateOf(day)}T${begin.time}` > until.wall
}

function withCount(parts: Parts, left: number): string {
  return [...parts].map(([name, value]) => `${name}=${name === 'COUNT' ? left : value}`).join(';')
}
