import { Temporal } from 'temporal-polyfill'
import { offsetMinutes } from './lib-zones.ts'

const DAY_MS = 86_400_000
const MINUTE_MS = 60_000
const NAMES = ['MO', 'TU', 'WE', 'TH', 'FR', 'SA', 'SU']
const FIRST_YEAR = 1975
const LAST_YEAR = 2037
/** What is compared lies before it: weeks of the last year are not all there. */
export const LAST_DAY = `${LAST_YEAR}-12-20`

type Day = {
  date: string
  /** Counted from 1970. */
  n: number
  year: number
  month: number
  day: number
  /** From Monday, 1. */
  weekday: number
  ofYear: number
  inMonth: number
  inYear: number
}

// A calendar on the wall: every day of it, as Temporal tells.
let calendar: Day[] | undefined
function daysOfAll(): Day[] {
  if (calendar) return calendar
  const all: Day[] = []
  const end = Temporal.PlainDate.from({ year: LAST_YEAR + 1, month: 1, day: 8 })
  for (
    let at = Temporal.PlainDate.from({ year: FIRST_YEAR, month: 1, day: 1 });
    !at.equals(end);
    at = at.add({ days: 1 })
  )
    all.push({
      ...{ date: at.toString(), n: Date.parse(at.toString()) / DAY_MS, year: at.year, month: at.month, day: at.day },
      ...{ weekday: at.dayOfWeek, ofYear: at.dayOfYear, inMonth: at.daysInMonth, inYear: at.daysInYear },
    })
  calendar = all
  return all
}

export type WeekDay = { nth: number | null; weekday: number }
/** A rule as its parts; what is not there was not said. */
export type Parts = {
  freq: 'DAILY' | 'WEEKLY' | 'MONTHLY' | 'YEARLY'
  interval: number
  weekStart: number
  months?: number[]
  monthDays?: number[]
  yearDays?: number[]
  weeks?: number[]
  days?: WeekDay[]
  positions?: number[]
  count?: number
  until?: { text: string; isPast(wall: string, ms: number): boolean }
}

export function textOf(parts: Parts): string {
  const list = (name: string, values: readonly (number | string)[] | undefined) =>
    values ? [`${name}=${values.join()}`] : []
  const days = parts.days?.map(({ nth, weekday }) => `${nth ?? ''}${NAMES[weekday - 1]}`)
  return [
    `FREQ=${parts.freq}`,
    ...(parts.interval > 1 ? [`INTERVAL=${parts.interval}`] : []),
    ...(parts.weekStart > 1 ? [`WKST=${NAMES[parts.weekStart - 1]}`] : []),
    ...list('BYMONTH', parts.months),
    ...list('BYMONTHDAY', parts.monthDays),
    ...list('BYYEARDAY', parts.yearDays),
    ...list('BYWEEKNO', parts.weeks),
    ...list('BYDAY', days),
    ...list('BYSETPOS', parts.positions),
    ...(parts.count === undefined ? [] : [`COUNT=${parts.count}`]),
    ...(parts.until ? [`UNTIL=${parts.until.text}`] : []),
  ].join(';')
}

const isNth = (wanted: readonly number[], nth: number, of: number) =>
  wanted.some((one) => (one > 0 ? one === nth : of + one + 1 === nth))

/** The week a day is in, numbered by the day of it that decides: its fourth. */
function weekOf(
  all: readonly Day[],
  at: number,
  weekStart: number,
): { first: number; year: number; nth: number } | null {
  if (!all[at]) return null
  let first = at
  while (first >= 0 && all[first]?.weekday !== weekStart) first--
  const fourth = all[first + 3]
  return fourth ? { first, year: fourth.year, nth: Math.ceil(fourth.ofYear / 7) } : null
}

const known = new Map<string, number>()
/** How many weeks the year of the week has. */
function weeksIn(all: readonly Day[], at: number, weekStart: number): number {
  const own = weekOf(all, at, weekStart)
  const key = `${weekStart} ${own?.year}`
  const counted = known.get(key)
  if (!own || counted !== undefined) return counted ?? 0
  let nth = own.nth
  for (let next = at + 7; weekOf(all, next, weekStart)?.year === own.year; next += 7) nth++
  known.set(key, nth)
  return nth
}

/** Whether a day has all that the parts ask of one (RFC 5545, 3.3.10, the table). */
function fits(parts: Parts, all: readonly Day[], at: number): boolean {
  const day = all[at]
  if (!day) return false
  const { months, monthDays, yearDays, weeks, days, freq } = parts
  if (months && !months.includes(day.month)) return false
  if (monthDays && !isNth(monthDays, day.day, day.inMonth)) return false
  if (yearDays && !isNth(yearDays, day.ofYear, day.inYear)) return false
  if (weeks && !isNth(weeks, weekOf(all, at, parts.weekStart)?.nth ?? 0, weeksIn(all, at, parts.weekStart)))
    return false
  if (!days) return true
  const isOfMonth = freq === 'MONTHLY' || months !== undefined
  const [passed, length] = isOfMonth ? [day.day, day.inMonth] : [day.ofYear, day.inYear]
  return days.some(({ nth, weekday }) => {
    if (weekday !== day.weekday) return false
    return nth === null || nth === Math.ceil(passed / 7) || -nth === Math.ceil((length - passed + 1) / 7)
  })
}

/** What the first day says where the parts do not. */
function whole(parts: Parts, first: Day): Parts {
  if (parts.days || parts.monthDays || parts.yearDays || parts.freq === 'DAILY') return parts
  if (parts.weeks || parts.freq === 'WEEKLY') return { ...parts, days: [{ nth: null, weekday: first.weekday }] }
  const months = parts.freq === 'YEARLY' && !parts.months ? [first.month] : parts.months
  return { ...parts, monthDays: [first.day], ...(months && { months }) }
}

/** The number of the period a day is in, counted from anywhere. */
function periodOf(parts: Parts, all: readonly Day[], at: number): number {
  const day = all[at]
  if (!day) return Number.NaN
  switch (parts.freq) {
    case 'DAILY':
      return day.n
    case 'WEEKLY': {
      const week = weekOf(all, at, parts.weekStart)
      return week ? Math.round(week.first / 7) : Number.NaN
    }
    case 'MONTHLY':
      return day.year * 12 + day.month
    case 'YEARLY':
      return parts.weeks ? (weekOf(all, at, parts.weekStart)?.year ?? Number.NaN) : day.year
  }
}

/** The days of a series until another, by looking at each day: its first, and those that are as the parts say. */
export function daysByHand(given: Parts, start: string, until = LAST_DAY): string[] {
  const all = daysOfAll()
  const begin = all.findIndex(({ date }) => date === start)
  const first = all[begin]
  if (!first) throw new Error(`${start} is not on the calendar`)
  const parts = whole(given, first)
  const base = periodOf(parts, all, begin)
  const periods = new Map<number, Day[]>()
  // The first period is a whole one: positions are counted from its beginning.
  for (let at = Math.max(0, begin - 372); at < all.length; at++) {
    if (!fits(parts, all, at)) continue
    const period = periodOf(parts, all, at)
    if (!(period >= base) || (period - base) % parts.interval !== 0) continue
    const day = all[at]
    const set = periods.get(period)
    if (set && day) set.push(day)
    else if (day && day.date > until) break
    else if (day) periods.set(period, [day])
  }
  const found = [...periods.values()].flatMap((set) =>
    parts.positions ? set.filter((_, n) => isNth(parts.positions ?? [], n + 1, set.length)) : set,
  )
  return [first, ...found.filter(({ n }) => n > first.n)].map(({ date }) => date).filter((date) => date <= until)
}

/** The instant of a wall clock as ICU tells: the first of two; what is left out as the clock before would show it. */
export function instantByHand(zone: string, wallMs: number): number {
  const [before, after] = [offsetMinutes(zone, wallMs - DAY_MS), offsetMinutes(zone, wallMs + DAY_MS)]
  const meant = [before, after].map((offset) => ({ offset, ms: wallMs - offset * MINUTE_MS }))
  const shown = meant.filter(({ offset, ms }) => offsetMinutes(zone, ms) === offset).map(({ ms }) => ms)
  return shown.length > 0 ? Math.min(...shown) : wallMs - before * MINUTE_MS
}

/** When a series of these days falls after an instant, in order: as often as its count says, no later than it may. */
export function timesByHand(
  { count, until }: Parts,
  days: string[],
  { time, zone, afterMs, most }: { time: string; zone: string; afterMs: number; most: number },
): number[] {
  const times = new Set<number>()
  for (const [n, date] of days.entries()) {
    if (times.size >= most || (count !== undefined && n >= count)) break
    const wallMs = Date.parse(`${date}T${time}Z`)
    // No zone is two days away.
    if (wallMs < afterMs - 2 * DAY_MS) continue
    const ms = instantByHand(zone, wallMs)
    if (n > 0 && until?.isPast(`${date}T${time}:00`, ms)) break
    if (ms > afterMs) times.add(ms)
  }
  return [...times]
}
