import fc from 'fast-check'
import { expect, test } from 'vitest'
import { makePerson } from '#test/database'
import { deleteEvent, updateEvent } from './change.ts'
import { createEvent } from './create.ts'
import { listEvents } from './list.ts'
import type { Which } from './schema.ts'

// Another way to the same answer: every day of two years is asked whether the rule falls on it, and Intl, not Temporal,
// says when that is.
const DAYS = ['SU', 'MO', 'TU', 'WE', 'TH', 'FR', 'SA']
const MINUTE_MS = 60_000
const DAY_MS = 86_400_000
const dateOf = (ms: number) => new Date(ms).toISOString().slice(0, 10)

type Rule = {
  freq: 'DAILY' | 'WEEKLY' | 'MONTHLY'
  interval: number
  byday: string[]
  monthday?: number | undefined
  end: { count?: number; until?: string }
}
const textOf = ({ freq, interval, byday, monthday, end }: Rule) =>
  [
    `FREQ=${freq}`,
    `INTERVAL=${interval}`,
    ...(byday.length > 0 ? [`BYDAY=${byday}`] : []),
    ...(monthday ? [`BYMONTHDAY=${monthday}`] : []),
    ...(end.count ? [`COUNT=${end.count}`] : []),
    ...(end.until ? [`UNTIL=${end.until.replaceAll('-', '')}`] : []),
  ].join(';')

function walked(rule: Rule, first: string, days: number): string[] {
  const startMs = Date.parse(first)
  const start = new Date(startMs)
  const monday = (ms: number) => Math.floor((ms / DAY_MS + 3) / 7)
  const found = [first]
  for (let n = 1; n < days; n++) {
    const day = new Date(startMs + n * DAY_MS)
    const weekday = DAYS[day.getUTCDay()] ?? ''
    const months = (day.getUTCFullYear() - start.getUTCFullYear()) * 12 + day.getUTCMonth() - start.getUTCMonth()
    const falls = {
      DAILY: n % rule.interval === 0 && (rule.byday.length === 0 || rule.byday.includes(weekday)),
      WEEKLY:
        (monday(day.getTime()) - monday(startMs)) % rule.interval === 0 &&
        (rule.byday.length > 0 ? rule.byday.includes(weekday) : day.getUTCDay() === start.getUTCDay()),
      MONTHLY:
        months % rule.interval === 0 &&
        (rule.byday.length > 0
          ? rule.byday.includes(weekday)
          : day.getUTCDate() === (rule.monthday ?? start.getUTCDate())),
    }[rule.freq]
    if (falls && (rule.end.until === undefined || dateOf(day.getTime()) <= rule.end.until))
      found.push(dateOf(day.getTime()))
  }
  return rule.end.count ? found.slice(0, rule.end.count) : found
}

const formats = new Map<string, Intl.DateTimeFormat>()
function wallOf(ms: number, timeZone: string): string {
  const format =
    formats.get(timeZone) ??
    new Intl.DateTimeFormat('sv', { timeZone, dateStyle: 'short', timeStyle: 'medium', hourCycle: 'h23' })
  formats.set(timeZone, format)
  return format.format(ms)
}
/** The first instant that shows this clock; in a gap the one as long after it as the clock says. */
function instantOf(date: string, time: string, timeZone: string): number {
  const wall = `${date} ${time}:00`
  const utc = Date.parse(`${date}T${time}:00Z`)
  const offsets = new Set<number>()
  for (let h = -30; h <= 30; h++) {
    const near = utc + h * 1_800_000
    offsets.add(Date.parse(`${wallOf(near, timeZone).replace(' ', 'T')}Z`) - near)
  }
  const fits = [...offsets].map((offset) => utc - offset).filter((ms) => wallOf(ms, timeZone) === wall)
  return fits.length > 0 ? Math.min(...fits) : utc - Math.min(...offsets)
}

const shifted = (day: string, days: number) => dateOf(Date.parse(day) + days * DAY_MS)
const weekdayOf = (day: string) => DAYS[new Date(day).getUTCDay()] ?? ''
const dayOfMonth = (day: string) => new Date(day).getUTCDate()

/** The rule of a series whose first day is moved; undefined where that is for its person to say. */
function movedBy(rule: Rule, from: string, to: string): Rule | undefined {
  const { byday, monthday } = rule
  if (from === to) return rule
  if (byday.length > 0) {
    if (byday.includes(weekdayOf(to))) return rule
    return byday.length === 1 && byday[0] === weekdayOf(from) ? { ...rule, byday: [weekdayOf(to)] } : undefined
  }
  if (monthday === undefined || monthday === dayOfMonth(to)) return rule
  return monthday === dayOfMonth(from) ? { ...rule, monthday: dayOfMonth(to) } : undefined
}

/** From this wall clock for so many minutes of it; where a gap would leave it nothing, for so many of ours. */
function spanAt(day: string, time: string, minutes: number, timeZone: string): [number, number] {
  const end = new Date(Date.parse(`${day}T${time}Z`) + minutes * MINUTE_MS).toISOString()
  const [startMs, endMs] = [instantOf(day, time, timeZone), instantOf(end.slice(0, 10), end.slice(11, 16), timeZone)]
  return [startMs, endMs > startMs ? endMs : startMs + minutes * MINUTE_MS]
}

const ZONES = ['Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kolkata', 'America/Sao_Paulo', 'UTC']
const TIMES = ['00:00', '01:30', '02:15', '02:30', '09:00', '23:59']
// Where it begins; some in the hour, or the half of one, that is left out.
const origins = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      first: fc.integer({ min: 0, max: 400 }).map((n) => shifted('2025-12-01', n)),
      time: fc.constantFrom(...TIMES),
      timeZone: fc.constantFrom(...ZONES),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      { first: '2026-03-29', time: '02:30', timeZone: 'Europe/Berlin' },
      { first: '2026-03-08', time: '02:15', timeZone: 'America/New_York' },
      { first: '2026-10-04', time: '02:15', timeZone: 'Australia/Lord_Howe' },
    ),
  },
)
const series = origins.chain(({ first, ...origin }) =>
  fc.record({
    first: fc.constant(first),
    time: fc.constant(origin.time),
    timeZone: fc.constant(origin.timeZone),
    rule: fc.record({
      freq: fc.constantFrom('DAILY' as const, 'WEEKLY' as const, 'MONTHLY' as const),
      interval: fc.integer({ min: 1, max: 4 }),
      byday: fc.oneof(
        fc.constant<string[]>([]),
        fc.constant<string[]>([weekdayOf(first)]),
        fc.subarray(DAYS, { maxLength: 3 }),
      ),
      monthday: fc.constantFrom(undefined, dayOfMonth(first), 17),
      end: fc.oneof(
        fc.constant({}),
        fc.record({ count: fc.integer({ min: 1, max: 40 }) }),
        fc.record({ until: fc.integer({ min: 0, max: 700 }).map((n) => shifted('2026-01-01', n)) }),
      ),
    }),
    minutes: fc.constantFrom(0, 15, 30, 60, 90),
    from: fc.integer({ min: -10, max: 30 }),
    length: fc.integer({ min: 1, max: 60 }),
    cancelled: fc.integer({ min: 0, max: 12 }),
    moved: fc.integer({ min: 0, max: 12 }),
    // What happens to the series then: nothing, or from which of its days on (-1: as a whole) it is moved, or called otherwise.
    change: fc.option(
      fc.record({
        at: fc.oneof(fc.constantFrom(-1, 0), fc.integer({ min: 1, max: 12 }), fc.constant('moved' as const)),
        days: fc.constantFrom(undefined, 0, 1, -2, 3, 7),
        time: fc.constantFrom(...TIMES),
      }),
    ),
  }),
)
/** What differs of a series: a day that is cancelled, and one that is elsewhere. */
type Different = { lost: string | undefined; other: string | undefined }
const ELSEWHERE = { date: '2026-08-17', time: '12:00' }

test('whatever the rule, zone, window and change, a series is what walking every day of it finds', async () => {
  const seen = { listed: 0, split: 0, healed: 0, gaps: 0 }
  await fc.assert(
    fc.asyncProperty(series, async ({ first, time, minutes, timeZone, cancelled, moved, change, ...given }) => {
      const { freq, byday, monthday } = given.rule
      const rule: Rule = { ...given.rule, monthday: freq === 'MONTHLY' && byday.length === 0 ? monthday : undefined }
      const [from, to] = [shifted(first, given.from), shifted(first, given.from + given.length)]
      const spansOf = (days: string[], at: string, { lost, other }: Different) =>
        days
          .filter((day) => day !== lost && (day === other || (day >= shifted(from, -3) && day <= shifted(to, 3))))
          .map((day) => (day === other ? ([ELSEWHERE.date, ELSEWHERE.time] as const) : ([day, at] as const)))
          .map(([day, clock]) => spanAt(day, clock, minutes, timeZone))

      const person = await makePerson({ timeZone })
      const end = new Date(Date.parse(`${first}T${time}Z`) + minutes * MINUTE_MS).toISOString()
      const { id, ...made } = await createEvent(person, {
        title: 'x',
        start: { date: first, time },
        end: { date: end.slice(0, 10), time: end.slice(11, 16) },
        recurrence: textOf(rule),
      })
      expect([made.start.at, made.end.at].map(Date.parse)).toEqual(spanAt(first, time, minutes, timeZone))
      seen.gaps += Number(!wallOf(Date.parse(made.start.at), timeZone).endsWith(`${time}:00`))

      const days = walked(rule, first, 1100)
      const lost = days[cancelled]
      if (lost !== undefined) await deleteEvent(person, id, { occurrence: lost })
      const other = days[moved] === lost ? undefined : days[moved]
      if (other !== undefined) await updateEvent(person, id, { occurrence: other }, { start: ELSEWHERE }, '*')
      let expected = spansOf(days, time, { lost, other })

      const index = change?.at === 'moved' ? moved : (change?.at ?? 0)
      const cut = index < 0 ? first : days[index]
      if (change && cut !== undefined && (index < 0 || cut !== lost)) {
        const start = change.days === undefined ? undefined : { date: shifted(cut, change.days), time: change.time }
        const which: Which = index < 0 ? {} : { occurrence: cut, scope: 'following' }
        const passed = days.filter((day) => day < cut)
        const rest = rule.end.count ? { ...rule, end: { count: rule.end.count - passed.length } } : rule
        const then = movedBy(rest, cut, start?.date ?? cut)
        const changing = updateEvent(person, id, which, { title: 'y', ...(start && { start }) }, '*')
        if (then) {
          await changing
          // What differs of the day itself is said anew, what differs of those before stays behind.
          const isHealed = index >= 0 && start !== undefined && other === cut
          const later = (day: string | undefined) => (index < 0 || (day !== undefined && day >= cut) ? day : undefined)
          const differs = { lost: later(lost), other: isHealed ? undefined : later(other) }
          const rests = walked(then, start?.date ?? cut, 1100)
          expected = [...spansOf(passed, time, { lost, other }), ...spansOf(rests, start?.time ?? time, differs)]
          seen.split += Number(passed.length > 0)
          seen.healed += Number(isHealed)
        } else {
          await expect(changing).rejects.toMatchObject({ errors: [{ pointer: '/recurrence' }] })
        }
      }

      const [low, high] = [instantOf(from, '00:00', timeZone), instantOf(to, '00:00', timeZone)]
      const { items } = await listEvents(person, { from, to, limit: 100 })
      const inOrder = (all: number[][]) => all.map((one) => one.join()).sort()
      expect(inOrder(items.map(({ start, end: { at } }) => [Date.parse(start.at), Date.parse(at)]))).toEqual(
        inOrder(expected.filter(([startMs, endMs]) => startMs < high && (endMs > low || startMs >= low))),
      )
      seen.listed += items.length
    }),
    { numRuns: 150 },
  )
  // Each kind of change was met.
  expect(Math.min(...Object.values(seen))).toBeGreaterThan(0)
  expect(seen.listed).toBeGreaterThan(100)
}, 120_000)
