import { expect, test } from 'vitest'
import { makePerson, type Person } from '#test/database'
import { deleteEvent, restoreEvent, updateEvent } from './change.ts'
import { createEvent } from './create.ts'
import { getEvent } from './event.ts'
import { listEvents } from './list.ts'
import type { EventPatch, NewEvent, Which } from './schema.ts'

const BERLIN = { timeZone: 'Europe/Berlin' }
const START = { date: '2026-03-02', time: '09:00' }
const make = (person: Person, over: Partial<NewEvent> = {}) =>
  createEvent(person, { title: 'Standup', start: START, recurrence: 'FREQ=WEEKLY', ...over })
const change = (person: Person, id: string, which: Which, patch: EventPatch) =>
  updateEvent(person, id, which, patch, '*')

async function march(person: Person) {
  const { items } = await listEvents(person, { from: '2026-03-01', to: '2026-04-01', limit: 100 })
  return items.map(({ title, start, end, occurrence, isChanged }) =>
    [title, `${start.date} ${start.time}-${end.time}`, occurrence, ...(isChanged ? ['changed'] : [])].join(' | '),
  )
}
const standup = (day: string, time = '09:00-10:00') => `Standup | ${day} ${time} | ${day}`

test('a series keeps to the clock on the wall when the clocks change', async () => {
  const person = await makePerson(BERLIN)
  await make(person)
  expect(await march(person)).toEqual(
    ['2026-03-02', '2026-03-09', '2026-03-16', '2026-03-23', '2026-03-30'].map((day) => standup(day)),
  )
  const { items } = await listEvents(person, { from: '2026-03-23', to: '2026-03-31', limit: 9 })
  expect(items.map(({ start }) => start.at)).toEqual(['2026-03-23T08:00:00.000Z', '2026-03-30T07:00:00.000Z'])
})

test('in the hour that never comes it is an hour later, in the one that comes twice the first', async () => {
  const person = await makePerson(BERLIN)
  const early = { recurrence: 'FREQ=DAILY', end: { date: '2026-03-02', time: '02:45' } }
  await make(person, { ...early, start: { date: '2026-03-02', time: '02:30' } })
  const spring = await listEvents(person, { from: '2026-03-29', to: '2026-03-30', limit: 9 })
  expect(spring.items.map(({ start, end }) => [start.time, start.at, end.at])).toEqual([
    ['02:30', '2026-03-29T01:30:00.000Z', '2026-03-29T01:45:00.000Z'],
  ])
  const autumn = await listEvents(person, { from: '2026-10-25', to: '2026-10-26', limit: 9 })
  expect(autumn.items.map(({ start, end }) => [start.at, end.at])).toEqual([
    ['2026-10-25T00:30:00.000Z', '2026-10-25T00:45:00.000Z'],
  ])
})

test('one occurrence is changed, moved and cancelled for itself', async () => {
  const person = await makePerson(BERLIN)
  const { id } = await make(person)
  await change(person, id, { occurrence: '2026-03-09' }, { title: 'Retro' })
  await change(person, id, { occurrence: '2026-03-16' }, { start: { date: '2026-03-18', time: '14:00' } })
  await deleteEvent(person, id, { occurrence: '2026-03-23' })
  expect(await march(person)).toEqual([
    standup('2026-03-02'),
    'Retro | 2026-03-09 09:00-10:00 | 2026-03-09 | changed',
    'Standup | 2026-03-18 14:00-15:00 | 2026-03-16 | changed',
    standup('2026-03-30'),
  ])
  await expect(deleteEvent(person, id, { occurrence: '2026-03-23' })).rejects.toMatchObject({ code: 'not_found' })
  await restoreEvent(person, id, { occurrence: '2026-03-23' })
  expect(await march(person)).toContain(standup('2026-03-23'))
  expect(await getEvent(person, id)).toMatchObject({ version: 5, title: 'Standup' })
})

test('what was moved out of a window is not in it, and what was moved into it is', async () => {
  const person = await makePerson(BERLIN)
  const { id } = await make(person)
  await change(person, id, { occurrence: '2026-03-30' }, { start: { date: '2026-04-01', time: '09:00' } })
  await change(person, id, { occurrence: '2027-03-01' }, { start: { date: '2026-03-03', time: '08:00' } })
  expect(await march(person)).toEqual([
    standup('2026-03-02'),
    'Standup | 2026-03-03 08:00-09:00 | 2027-03-01 | changed',
    ...['2026-03-09', '2026-03-16', '2026-03-23'].map((day) => standup(day)),
  ])
})

test('two that change different things of the same day are both heard', async () => {
  const person = await makePerson(BERLIN)
  const { id } = await make(person)
  const which = { occurrence: '2026-03-09' }
  await Promise.all([
    change(person, id, which, { title: 'Retro' }),
    change(person, id, which, { location: 'Room 4' }),
    change(person, id, which, { start: { date: '2026-03-10', time: '11:00' } }),
  ])
  expect((await getEvent(person, id)).exceptions).toMatchObject([
    { occurrence: '2026-03-09', title: 'Retro', location: 'Room 4', start: { date: '2026-03-10', time: '11:00' } },
  ])
})

test('what differs stays different when the series changes, and the rest follows it', async () => {
  const person = await makePerson(BERLIN)
  const { id } = await make(person)
  await change(person, id, { occurrence: '2026-03-09' }, { start: { date: '2026-03-10', time: '11:00' } })
  await change(person, id, {}, { title: 'Daily', start: { date: '2026-03-02', time: '10:00' } })
  expect(await march(person)).toEqual([
    'Daily | 2026-03-02 10:00-11:00 | 2026-03-02',
    'Daily | 2026-03-10 11:00-12:00 | 2026-03-09 | changed',
    ...['2026-03-16', '2026-03-23', '2026-03-30'].map((day) => `Daily | ${day} 10:00-11:00 | ${day}`),
  ])
})

test('changed from a day on, the old series ends and a new one begins, in one commit', async () => {
  const person = await makePerson(BERLIN)
  const { id, version } = await make(person)
  await change(person, id, { occurrence: '2026-03-30' }, { title: 'Party' })
  person.sent.length = 0
  const patch = { start: { date: '2026-03-16', time: '12:00' }, location: 'Room 4' }
  const which: Which = { occurrence: '2026-03-16', scope: 'following' }
  await expect(updateEvent(person, id, which, patch, version)).rejects.toMatchObject({ code: 'version_stale' })
  const { after, isSplit } = await updateEvent(person, id, which, patch, version + 1)
  expect(isSplit).toBe(true)
  expect(after).toMatchObject({ version: 1, location: 'Room 4', recurrence: 'FREQ=WEEKLY' })
  expect(after.id).not.toBe(id)
  expect((await getEvent(person, id)).recurrence).toBe('FREQ=WEEKLY;UNTIL=20260315')
  expect(await march(person)).toEqual([
    standup('2026-03-02'),
    standup('2026-03-09'),
    ...['2026-03-16', '2026-03-23'].map((day) => standup(day, '12:00-13:00')),
    'Party | 2026-03-30 12:00-13:00 | 2026-03-30 | changed',
  ])
  expect(person.sent.map((message) => JSON.stringify(message).match(/event\.\w+/)?.[0])).toEqual([
    'event.updated',
    'event.created',
  ])
})

test('of a number of times those that are left go on', async () => {
  const person = await makePerson(BERLIN)
  const { id } = await make(person, { recurrence: 'FREQ=WEEKLY;COUNT=4' })
  const { after } = await change(person, id, { occurrence: '2026-03-16', scope: 'following' }, { title: 'Retro' })
  expect(after.recurrence).toBe('FREQ=WEEKLY;COUNT=2')
  expect((await march(person)).map((line) => line.slice(0, 7))).toEqual(['Standup', 'Standup', 'Retro |', 'Retro |'])
})

test('a split that cannot be leaves the series whole', async () => {
  const person = await makePerson(BERLIN)
  const { id } = await make(person)
  const which: Which = { occurrence: '2026-03-16', scope: 'following' }
  const backwards = { end: { date: '2026-03-16', time: '08:00' } }
  await expect(change(person, id, which, backwards)).rejects.toMatchObject({ errors: [{ pointer: '/end' }] })
  expect(await march(person)).toHaveLength(5)
  expect(await getEvent(person, id)).toMatchObject({ version: 1 })
})

test('from the first day on is all of it', async () => {
  const person = await makePerson(BERLIN)
  const { id } = await make(person)
  const { after, isSplit } = await change(person, id, { occurrence: START.date, scope: 'following' }, { title: 'x' })
  expect([after.id, isSplit]).toEqual([id, false])
  await deleteEvent(person, id, { occurrence: START.date, scope: 'following' })
  expect(await march(person)).toEqual([])
})

test('deleted from a day on, a series ends before it', async () => {
  const person = await makePerson(BERLIN)
  const { id } = await make(person)
  await deleteEvent(person, id, { occurrence: '2026-03-16', scope: 'following' })
  expect(await march(person)).toEqual([standup('2026-03-02'), standup('2026-03-09')])
})

test.each<[string, EventPatch, string]>([
  ['a start', { start: { date: '2026-03-16', time: '16:00' } }, '16:00-17:00'],
  ['an end', { end: { date: '2026-03-16', time: '09:30' } }, '09:00-09:30'],
])('%s said of a day that was moved, and of all that follow, is said of that day too', async (_name, patch, time) => {
  const person = await makePerson(BERLIN)
  const { id } = await make(person)
  const moved = { start: { date: '2026-03-16', time: '14:00' }, title: 'Retro' }
  await change(person, id, { occurrence: '2026-03-16' }, moved)
  await change(person, id, { occurrence: '2026-03-16', scope: 'following' }, patch)
  expect((await march(person)).slice(2)).toEqual([
    `Retro | 2026-03-16 ${time} | 2026-03-16 | changed`,
    ...['2026-03-23', '2026-03-30'].map((day) => standup(day, time)),
  ])
})

test('what is said of the first day and all that follow is said of the first too, and taken back whole', async () => {
  const person = await makePerson(BERLIN)
  const { id } = await make(person)
  const first = { occurrence: START.date }
  const moved = { start: { date: START.date, time: '14:00' }, title: 'Retro', location: 'Garden' }
  await change(person, id, first, moved)
  const patch = { start: { date: START.date, time: '16:00' }, title: 'Daily' }
  await change(person, id, { ...first, scope: 'following' }, patch)
  const later = ['2026-03-09', '2026-03-16', '2026-03-23', '2026-03-30']
  expect(await march(person)).toEqual([
    'Daily | 2026-03-02 16:00-17:00 | 2026-03-02 | changed',
    ...later.map((day) => `Daily | ${day} 16:00-17:00 | ${day}`),
  ])
  expect((await getEvent(person, id)).exceptions).toEqual([
    { occurrence: START.date, isCancelled: false, location: 'Garden' },
  ])
})

// Mondays, on the 15th, in March: what each becomes when its first day, or all from a day on, moves.
test.each<[string, string, string, string]>([
  ['2026-03-02', 'FREQ=WEEKLY;BYDAY=MO', '2026-03-03', 'FREQ=WEEKLY;BYDAY=TU'],
  [
    '2026-03-02',
    'FREQ=WEEKLY;INTERVAL=2;WKST=SU;BYDAY=MO;COUNT=9',
    '2026-02-28',
    'FREQ=WEEKLY;INTERVAL=2;WKST=SU;BYDAY=SA;COUNT=9',
  ],
  ['2026-03-02', 'FREQ=WEEKLY;BYDAY=MO', '2026-03-09', 'FREQ=WEEKLY;BYDAY=MO'],
  ['2026-03-02', 'FREQ=WEEKLY;BYDAY=MO,WE', '2026-03-04', 'FREQ=WEEKLY;BYDAY=MO,WE'],
  ['2026-03-15', 'FREQ=MONTHLY;BYMONTHDAY=15', '2026-03-17', 'FREQ=MONTHLY;BYMONTHDAY=17'],
  ['2026-03-15', 'FREQ=YEARLY;BYMONTH=3;BYMONTHDAY=15', '2026-04-02', 'FREQ=YEARLY;BYMONTH=4;BYMONTHDAY=2'],
  ['2026-03-31', 'FREQ=MONTHLY;BYMONTHDAY=-1', '2026-04-30', 'FREQ=MONTHLY;BYMONTHDAY=-1'],
  ['2026-03-02', 'FREQ=WEEKLY', '2026-03-05', 'FREQ=WEEKLY'],
])('a series from %s, %s, moved to %s is %s', async (from, rule, to, becomes) => {
  const person = await makePerson(BERLIN)
  const { id } = await make(person, { start: { date: from, time: '09:00' }, recurrence: rule })
  const { after } = await change(person, id, {}, { start: { date: to, time: '10:00' } })
  expect(after).toMatchObject({ recurrence: becomes, start: { date: to, time: '10:00' }, version: 2 })
})

test('moved from a day on, a series goes on from there by the days it was moved', async () => {
  const person = await makePerson(BERLIN)
  const { id } = await make(person, { recurrence: 'FREQ=WEEKLY;BYDAY=MO;COUNT=5' })
  const which: Which = { occurrence: '2026-03-16', scope: 'following' }
  const { after } = await change(person, id, which, { start: { date: '2026-03-17', time: '09:00' } })
  expect(after.recurrence).toBe('FREQ=WEEKLY;BYDAY=TU;COUNT=3')
  expect(await march(person)).toEqual(
    ['2026-03-02', '2026-03-09', '2026-03-17', '2026-03-24', '2026-03-31'].map((day) => standup(day)),
  )
})

test.each([
  ['2026-03-02', 'FREQ=WEEKLY;BYDAY=MO,WE', '2026-03-03'],
  ['2026-03-02', 'FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR', '2026-03-07'],
  ['2026-03-10', 'FREQ=MONTHLY;BYDAY=2TU', '2026-03-11'],
  ['2026-03-31', 'FREQ=MONTHLY;BYMONTHDAY=-1', '2026-03-30'],
  ['2026-03-04', 'FREQ=WEEKLY;BYDAY=MO', '2026-03-05'],
])('where a series from %s, %s, falls when it is moved to %s is for its person to say', async (from, rule, to) => {
  const person = await makePerson(BERLIN)
  const { id } = await make(person, { start: { date: from, time: '09:00' }, recurrence: rule })
  const patch = { start: { date: to, time: '09:00' } }
  const refused = { code: 'invalid_request', errors: [{ pointer: '/recurrence' }] }
  await expect(change(person, id, {}, patch)).rejects.toMatchObject(refused)
  const which: Which = { occurrence: from, scope: 'following' }
  await expect(change(person, id, which, patch)).rejects.toMatchObject(refused)
  expect(await getEvent(person, id)).toMatchObject({ version: 1, recurrence: rule })
  expect((await change(person, id, {}, { ...patch, recurrence: rule })).after).toMatchObject({ start: { date: to } })
})

test('a series is ended, or changed from a day on, by whoever names no version, whatever changes meanwhile', async () => {
  const person = await makePerson(BERLIN)
  const { id } = await make(person)
  const from = (occurrence: string): Which => ({ occurrence, scope: 'following' })
  await Promise.all([
    change(person, id, from('2026-03-23'), { title: 'Retro' }),
    change(person, id, {}, { notes: 'a' }),
  ])
  await Promise.all([deleteEvent(person, id, from('2026-03-16')), change(person, id, {}, { notes: 'b' })])
  expect((await march(person)).map((line) => line.slice(0, 20))).toEqual([
    'Standup | 2026-03-02',
    'Standup | 2026-03-09',
    'Retro | 2026-03-23 0',
    'Retro | 2026-03-30 0',
  ])
})

test('a day the rule does not fall on is no occurrence', async () => {
  const person = await makePerson(BERLIN)
  const { id } = await make(person)
  const once = await createEvent(person, { title: 'once', start: START })
  for (const [of, occurrence] of [
    [id, '2026-03-10'],
    [id, '2026-02-23'],
    [once.id, START.date],
  ] as const)
    for (const scope of ['this', 'following'] as const) {
      await expect(change(person, of, { occurrence, scope }, { title: 'x' })).rejects.toMatchObject({
        code: 'not_found',
      })
      await expect(deleteEvent(person, of, { occurrence, scope })).rejects.toMatchObject({ code: 'not_found' })
    }
})

test('of one occurrence no rule, no reminders and no attendees can be changed', async () => {
  const person = await makePerson(BERLIN)
  const { id } = await make(person)
  const patch = { recurrence: null, reminders: [5], attendees: [], notes: 'x'.repeat(501) }
  await expect(change(person, id, { occurrence: START.date }, patch)).rejects.toMatchObject({
    errors: ['/recurrence', '/reminders', '/attendees', '/notes'].map((pointer) => ({ pointer })),
  })
})
