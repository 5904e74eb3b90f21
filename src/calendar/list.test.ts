import fc from 'fast-check'
import { expect, test } from 'vitest'
import { encodeCursor, newId } from '#core'
import { makePerson, type Person } from '#test/database'
import { deleteEvent, updateEvent } from './change.ts'
import { createEvent } from './create.ts'
import { findTime } from './find-time.ts'
import { listEvents, today, upcoming } from './list.ts'
import { BusyQuery, type NewEvent } from './schema.ts'

const BERLIN = { timeZone: 'Europe/Berlin' }
const at = (instant: string) => ({ now: () => new Date(instant) })
const fill = (person: Person, inputs: Partial<NewEvent>[]) =>
  Promise.all(inputs.map((input) => createEvent(person, { title: 'x', start: { date: '2026-03-02' }, ...input })))
const timed = (title: string, date: string, time: string, over: Partial<NewEvent> = {}) => ({
  title,
  start: { date, time },
  ...over,
})

test('paging over events, series and ties meets each occurrence once, in order', async () => {
  const person = await makePerson(BERLIN)
  await fill(person, [
    ...Array.from({ length: 12 }, (_, n) => timed(`once ${n}`, `2026-03-0${1 + (n % 4)}`, '09:00')),
    timed('daily', '2026-02-20', '09:00', { recurrence: 'FREQ=DAILY' }),
    timed('weekdays', '2026-03-02', '09:00', { recurrence: 'FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR' }),
    { title: 'whole', start: { date: '2026-03-02' }, recurrence: 'FREQ=DAILY;INTERVAL=2' },
  ])
  const window = { from: '2026-03-01', to: '2026-03-08' }
  const all = (await listEvents(person, { ...window, limit: 100 })).items.map(({ id, start }) => `${start.at} ${id}`)
  expect(all).toHaveLength(12 + 7 + 5 + 3)
  expect(all).toEqual(all.toSorted())
  for (const limit of [1, 4, 7]) {
    const paged: string[] = []
    let cursor: string | undefined
    do {
      const page = await listEvents(person, { ...window, limit, cursor })
      expect(page.items.length).toBeLessThanOrEqual(limit)
      paged.push(...page.items.map(({ id, start }) => `${start.at} ${id}`))
      cursor = page.nextCursor ?? undefined
    } while (cursor)
    expect(paged).toEqual(all)
  }
})

test("a cursor of another list's is refused", async () => {
  const person = await makePerson()
  const window = { from: '2026-03-01', to: '2026-03-08', limit: 9 }
  for (const cursor of [
    'x',
    encodeCursor('tasks', ['a']),
    encodeCursor('calendar', ['2026-03-02', newId('cal', new Date()), '']),
  ])
    await expect(listEvents(person, { ...window, cursor })).rejects.toMatchObject({ code: 'invalid_cursor' })
})

test('what overlaps a window is in it, what only touches it is not', async () => {
  const person = await makePerson(BERLIN)
  await fill(person, [
    timed('before', '2026-03-01', '23:00'),
    timed('into', '2026-03-01', '23:30'),
    timed('long ago', '2025-04-01', '09:00', { end: { date: '2026-03-02', time: '00:01' } }),
    timed('after', '2026-03-03', '00:00'),
    { title: 'day', start: { date: '2026-03-01' }, end: { date: '2026-03-02' } },
    timed('nights', '2026-02-01', '23:30', { recurrence: 'FREQ=DAILY' }),
    { title: 'week', start: { date: '2025-01-01' }, end: { date: '2025-01-07' }, recurrence: 'FREQ=WEEKLY;COUNT=70' },
  ])
  const { items } = await listEvents(person, { from: '2026-03-02', to: '2026-03-03', limit: 100 })
  expect(items.map(({ title, occurrence }) => `${title} ${occurrence ?? ''}`.trim()).sort()).toEqual([
    'day',
    'into',
    'long ago',
    'nights 2026-03-01',
    'nights 2026-03-02',
    'week 2026-02-25',
  ])
})

test('words are looked for in title, notes and place, and a % is a %', async () => {
  const person = await makePerson()
  await fill(person, [{ title: 'Lunch with Ada' }, { notes: 'bring 100% wool' }, { location: 'Ada Lovelace Hall' }])
  const find = async (text: string) =>
    (await listEvents(person, { from: '2026-03-01', to: '2026-03-08', limit: 9, text })).items.length
  expect(await Promise.all(['ada', 'lunch ada', '100%', '%', 'nobody'].map(find))).toEqual([2, 1, 1, 1, 0])
})

test('the day is that of the person, and what is on now comes first of what is next', async () => {
  const person = await makePerson({ timeZone: 'Pacific/Auckland', ...at('2026-03-02T11:30:00Z') })
  await fill(person, [
    timed('late', '2026-03-03', '00:15'),
    timed('tomorrow', '2026-03-04', '00:00'),
    timed('yesterday', '2026-03-02', '10:00'),
    timed('yearly', '2026-05-01', '10:00', { recurrence: 'FREQ=YEARLY' }),
  ])
  expect(await today(person)).toMatchObject({
    date: '2026-03-03',
    timeZone: 'Pacific/Auckland',
    isMore: false,
    items: [{ title: 'late' }],
  })
  const { items } = await upcoming(person, 3)
  expect(items.map(({ title }) => title)).toEqual(['late', 'tomorrow', 'yearly'])
})

test('what a person has is listed in one trip, deleted series and ended ones are not', async () => {
  const person = await makePerson(BERLIN)
  const [gone, ended] = await fill(person, [
    timed('gone', '2026-03-02', '09:00', { recurrence: 'FREQ=DAILY' }),
    timed('ended', '2026-02-02', '09:00', { recurrence: 'FREQ=DAILY;UNTIL=20260301' }),
  ])
  await deleteEvent(person, gone?.id ?? '', {})
  person.meter.trips = 0
  expect((await listEvents(person, { from: '2026-03-02', to: '2026-03-08', limit: 9 })).items).toEqual([])
  expect(person.meter.trips).toBe(1)
  // A series that has ended lives on where one of it was moved.
  await updateEvent(
    person,
    ended?.id ?? '',
    { occurrence: '2026-02-03' },
    { start: { date: '2026-03-05', time: '09:00' } },
    '*',
  )
  expect((await listEvents(person, { from: '2026-03-02', to: '2026-03-08', limit: 9 })).items).toHaveLength(1)
})

// Another way to the same answer: every day of two years is asked whether the rule falls on it, and Intl, not Temporal,
// says when that is.
const DAYS = ['SU', 'MO', 'TU', 'WE', 'TH', 'FR', 'SA']
const DAY_MS = 86_400_000
const dateOf = (ms: number) => new Date(ms).toISOString().slice(0, 10)

type Rule = {
  freq: 'DAILY' | 'WEEKLY' | 'MONTHLY'
  interval: number
  byday: string[]
  end: { count?: number; until?: string }
}
const textOf = ({ freq, interval, byday, end }: Rule) =>
  [
    `FREQ=${freq}`,
    `INTERVAL=${interval}`,
    ...(byday.length > 0 ? [`BYDAY=${byday}`] : []),
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
        (rule.byday.length > 0 ? rule.byday.includes(weekday) : day.getUTCDate() === start.getUTCDate()),
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

const ZONES = ['Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kolkata', 'America/Sao_Paulo', 'UTC']
const series = fc.record({
  rule: fc.record({
    freq: fc.constantFrom('DAILY' as const, 'WEEKLY' as const, 'MONTHLY' as const),
    interval: fc.integer({ min: 1, max: 4 }),
    byday: fc.subarray(DAYS, { maxLength: 3 }),
    end: fc.oneof(
      fc.constant({}),
      fc.record({ count: fc.integer({ min: 1, max: 40 }) }),
      fc.record({ until: fc.integer({ min: 0, max: 700 }).map((n) => dateOf(Date.parse('2026-01-01') + n * DAY_MS)) }),
    ),
  }),
  first: fc.integer({ min: 0, max: 400 }).map((n) => dateOf(Date.parse('2025-12-01') + n * DAY_MS)),
  time: fc.constantFrom('00:00', '01:30', '02:15', '02:30', '09:00', '23:59'),
  timeZone: fc.constantFrom(...ZONES),
  from: fc.integer({ min: 0, max: 500 }),
  length: fc.integer({ min: 1, max: 60 }),
  cancelled: fc.integer({ min: 0, max: 30 }),
  moved: fc.integer({ min: 0, max: 30 }),
})

test('whatever the rule, zone and window, a series is what walking every day of it finds', async () => {
  let listed = 0
  await fc.assert(
    fc.asyncProperty(series, async ({ rule, first, time, timeZone, cancelled, moved, ...window }) => {
      const person = await makePerson({ timeZone })
      const { id } = await createEvent(person, { title: 'x', start: { date: first, time }, recurrence: textOf(rule) })
      const days = walked(rule, first, 1100)
      const [lost, other] = [days[cancelled], days[moved]]
      if (lost !== undefined) await deleteEvent(person, id, { occurrence: lost })
      const isMoved = other !== undefined && other !== lost
      const to = { date: '2026-08-17', time: '12:00' }
      if (isMoved) await updateEvent(person, id, { occurrence: other }, { start: to }, '*')
      const fromMs = Date.parse('2026-01-01') + window.from * DAY_MS
      const [from, end] = [dateOf(fromMs), dateOf(fromMs + window.length * DAY_MS)]
      const [low, high] = [instantOf(from, '00:00', timeZone), instantOf(end, '00:00', timeZone)]
      const expected = days
        .filter((day) => day !== lost)
        .map((day) =>
          isMoved && day === other ? instantOf(to.date, to.time, timeZone) : instantOf(day, time, timeZone),
        )
        .filter((ms) => ms < high && ms + 3_600_000 > low)
        .sort((one, two) => one - two)
      const { items } = await listEvents(person, { from, to: end, limit: 100 })
      expect(items.map(({ start }) => Date.parse(start.at))).toEqual(expected.slice(0, 100))
      listed += items.length
    }),
    { numRuns: 150 },
  )
  expect(listed).toBeGreaterThan(100)
}, 120_000)

test('at either end of time a window is a window', async () => {
  const person = await makePerson({ timeZone: 'Pacific/Kiritimati' })
  await fill(person, [
    { title: 'last', start: { date: '9999-12-30' } },
    timed('first', '1900-01-02', '00:00', { recurrence: 'FREQ=DAILY' }),
    timed('late', '9999-12-28', '23:00', { recurrence: 'FREQ=DAILY' }),
  ])
  for (const [from, to] of [
    ['1900-01-04', '1900-01-05'],
    ['9999-12-27', '9999-12-28'],
  ] as const) {
    expect((await listEvents(person, { from, to, limit: 9 })).items).toHaveLength(1)
    expect((await findTime(person, { from, to, minutes: 60 })).slots.length > 0).toBe(from > '2')
  }
  const edges = ['1900-01-02', '9999-12-30', '9999-12-31T23:59:59Z', '9999-12-29']
  for (const edge of edges) expect(BusyQuery.safeParse({ from: edge, to: edge }).success).toBe(false)
})
