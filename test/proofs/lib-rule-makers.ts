import type * as core from '#core'
import type * as scheduler from '#scheduler'
import type { Chance } from './chance.ts'
import { daysByHand, instantByHand, LAST_DAY, type Parts, textOf, timesByHand, type WeekDay } from './lib-rules.ts'
import { offsetMinutes } from './lib-zones.ts'

const DAY_MS = 86_400_000
const MINUTE_MS = 60_000
const MOST_TIMES = 40
const YEARS = 8
// Before it some clocks were not of whole minutes.
const FIRST_MS = Date.parse('1979-12-01')
const LOOKED_AT_MS = 9 * 365 * DAY_MS
const LAST_MS = Date.parse(LAST_DAY)

const some = (values: readonly number[], most: number, chance: Chance) =>
  chance
    .shuffle(values)
    .slice(0, 1 + chance.int(most))
    .sort((a, b) => a - b)
const both = (most: number) => Array.from({ length: most }, (_, n) => [n + 1, -n - 1]).flat()
const upTo = (most: number) => Array.from({ length: most }, (_, n) => n + 1)
const weekdays = (chance: Chance, most: number, nths: readonly number[] = []): WeekDay[] =>
  some(upTo(7), most, chance).map((weekday) => ({
    nth: nths.length > 0 && chance.int(4) > 0 ? chance.pick(nths) : null,
    weekday,
  }))

/** A rule as people and their calendars write them, and as nobody does. */
export function makeParts(chance: Chance): Parts {
  const is = (of: number) => chance.int(of) === 0
  const freq = chance.pick(['DAILY', 'WEEKLY', 'MONTHLY', 'MONTHLY', 'MONTHLY', 'YEARLY', 'YEARLY', 'YEARLY'] as const)
  const parts: Parts = { freq, interval: is(2) ? 1 : 1 + chance.int(4), weekStart: is(3) ? 1 + chance.int(7) : 1 }
  if (is(3)) parts.months = some(upTo(12), 4, chance)
  if (freq === 'WEEKLY' && !is(4)) parts.days = weekdays(chance, 4)
  if (freq === 'DAILY' && is(3)) parts.days = weekdays(chance, 4)
  if (freq === 'DAILY' && is(3)) parts.monthDays = some(both(31), 8, chance)
  if (freq === 'MONTHLY') {
    if (is(2)) parts.days = weekdays(chance, 3, both(5))
    if (is(2)) parts.monthDays = some(both(31), parts.days ? 12 : 3, chance)
  }
  if (freq === 'YEARLY') {
    const kind = chance.int(5)
    if (kind === 0) parts.days = weekdays(chance, 2, parts.months ? both(5) : both(53))
    if (kind === 1) parts.monthDays = some(both(31), 3, chance)
    if (kind === 2) parts.yearDays = some(both(366), 4, chance)
    if (kind === 3) {
      // Of which year a week is nobody asks where each year counts.
      parts.interval = 1
      delete parts.months
      parts.weeks = some(both(53), 3, chance)
      if (is(2)) parts.days = weekdays(chance, 3)
    }
  }
  const isWide = parts.days ?? parts.monthDays ?? parts.yearDays ?? parts.months
  if (isWide && !parts.weeks && is(3)) parts.positions = some(both(6), 2, chance)
  if (is(4)) parts.count = 1 + chance.int(60)
  return parts
}

type Start = { date: string; time: string; zone: string }
/** An end at, just before or just after one of its times, in each of the ways it may be written. */
function makeUntil(chance: Chance, { date, time, zone }: Start): NonNullable<Parts['until']> {
  const offMs = (chance.int(3) - 1) * MINUTE_MS
  const written = (ms: number) => iso(ms).slice(0, 19).replaceAll(/[-:]/g, '')
  const wallMs = Date.parse(`${date}T${time}Z`)
  const way = chance.int(3)
  if (way === 0) return { text: date.replaceAll('-', ''), isPast: (wall) => wall.slice(0, 10) > date }
  if (way === 1) {
    const last = iso(wallMs + offMs).slice(0, 19)
    return { text: written(wallMs + offMs), isPast: (wall) => wall > last }
  }
  const lastMs = instantByHand(zone, wallMs) + offMs
  return { text: `${written(lastMs)}Z`, isPast: (_, ms) => ms > lastMs }
}

type Asked = {
  nextTimes: typeof scheduler.nextTimes
  whenProblem: typeof scheduler.whenProblem
  occurrencesBetween: typeof core.occurrencesBetween
}
const iso = (ms: number) => new Date(ms).toISOString()

/**
 * A generated rule whose time of day is near a change of the clocks: its times of years, from its beginning or from
 * shortly before the change, and its days between two. Answers how many there were, and what was wrong.
 */
export function tryRule(
  asked: Asked,
  zone: string,
  changeMs: number,
  chance: Chance,
): { times: number; problem: string | null } {
  const wallMs = changeMs + offsetMinutes(zone, changeMs - MINUTE_MS) * MINUTE_MS + (chance.int(240) - 120) * MINUTE_MS
  const beforeDays =
    chance.int(4) === 0 ? 0 : chance.int(Math.min(YEARS * 365, Math.floor((wallMs - FIRST_MS) / DAY_MS)))
  const [date = '', clock = ''] = iso(wallMs - beforeDays * DAY_MS).split('T')
  const start = { date, time: clock.slice(0, 5) }
  const afterMs = chance.int(2) === 0 ? changeMs - 30 * 3_600_000 : Date.parse(date) - 2 * DAY_MS
  const lastDay = iso(Math.min(LAST_MS, afterMs + LOOKED_AT_MS)).slice(0, 10)
  const parts = makeParts(chance)
  const days = daysByHand(parts, date, lastDay)
  if (parts.count === undefined && days.length > 1 && chance.int(3) === 0)
    parts.until = makeUntil(chance, { date: chance.pick(days.slice(1)), time: start.time, zone })
  const rule = textOf(parts)
  const when = { kind: 'rrule', start, rrule: rule, timeZone: zone } as const
  const said = `${rule} of ${date} ${start.time} in ${zone}`
  const problem = asked.whenProblem(when)
  if (problem !== null) {
    const { count: _, until: __, ...always } = parts
    const isNever =
      problem.includes('falls on no day') && daysByHand({ ...always, interval: 1 }, '2000-01-01').length === 1
    return { times: 0, problem: isNever ? null : `${said}: ${problem}` }
  }
  const isSeen = (ms: number) => ms < Date.parse(lastDay) - DAY_MS
  const given = { time: start.time, zone, afterMs, most: MOST_TIMES }
  const expected = timesByHand(parts, days, given).filter(isSeen)
  const found = asked
    .nextTimes(when, new Date(afterMs), MOST_TIMES)
    .map((at) => at.getTime())
    .filter(isSeen)
  if (found.join() !== expected.join()) {
    const at = expected.findIndex((ms, n) => ms !== found[n])
    const [wanted, got] = [expected, found].map((all) => all[at === -1 ? expected.length : at])
    const shown = [wanted, got].map((ms) => (ms === undefined ? 'nothing' : iso(ms)))
    return { times: 0, problem: `${said}, after ${iso(afterMs)}: ${shown[1]} in place of ${shown[0]}` }
  }
  const listed = parts.until ? null : daysProblem(asked, parts, days, { ...start, timeZone: zone }, chance)
  return { times: found.length, problem: listed }
}

// As a calendar lists them: where nothing but the days counts.
function daysProblem(
  { occurrencesBetween }: Asked,
  parts: Parts,
  days: string[],
  first: core.Wall,
  chance: Chance,
): string | null {
  const from = iso(Date.parse(first.date) + (chance.int(2000) - 100) * DAY_MS).slice(0, 10)
  const to = iso(Date.parse(from) + chance.int(900) * DAY_MS).slice(0, 10)
  if (to >= LAST_DAY) return null
  const counted = days.slice(0, parts.count ?? days.length)
  const expected = counted.filter((date) => date >= from && date <= to).slice(0, MOST_TIMES)
  const found = occurrencesBetween(textOf(parts), first, from, to, MOST_TIMES)
  if (found.join() === expected.join()) return null
  return `${textOf(parts)} of ${first.date} from ${from} to ${to}: ${found} in place of ${expected}`
}
