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

test('a window that begins today is no longer than another', async () => {
  const person = await makePerson({ ...BERLIN, ...at('2026-03-02T23:30:00Z') })
  await fill(person, [{ title: 'far', start: { date: '2027-03-07' } }])
  expect((await listEvents(person, { to: '2027-03-08', limit: 9 })).items).toHaveLength(1)
  expect((await listEvents(person, { to: '2026-01-01', limit: 9 })).items).toEqual([])
  for (const to of ['2027-03-12', '9998-01-01'])
    await expect(listEvents(person, { to, limit: 9 })).rejects.toMatchObject({
      code: 'invalid_request',
      errors: [{ pointer: 'query/to' }],
    })
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
