import { expect, test } from 'vitest'
import { databaseFailure } from '#database'
import { makePerson, type Person, revoke } from '#test/database'
import { deleteEvent, restoreEvent, updateEvent } from './change.ts'
import { createEvent } from './create.ts'
import { getEvent } from './event.ts'
import { listEvents } from './list.ts'
import type { EventPatch, NewEvent } from './schema.ts'

const BERLIN = { timeZone: 'Europe/Berlin' }
const NINE = { date: '2026-03-27', time: '09:00' }
const make = (person: Person, over: Partial<NewEvent> = {}) =>
  createEvent(person, { title: 'Standup', start: NINE, ...over })
const change = async (person: Person, id: string, patch: EventPatch) =>
  (await updateEvent(person, id, {}, patch, '*')).after

test('an event lasts an hour, or its day, where no end is said, in the zone of its person', async () => {
  const person = await makePerson(BERLIN)
  const timed = await make(person)
  expect(timed).toMatchObject({
    start: { date: '2026-03-27', time: '09:00', timeZone: 'Europe/Berlin', at: '2026-03-27T08:00:00.000Z' },
    end: { date: '2026-03-27', time: '10:00', timeZone: 'Europe/Berlin', at: '2026-03-27T09:00:00.000Z' },
    transparency: 'busy',
    version: 1,
  })
  const whole = await make(person, { start: { date: '2026-03-29' } })
  expect(whole).toMatchObject({
    start: { time: null, at: '2026-03-28T23:00:00.000Z' },
    end: { date: '2026-03-29', time: null, at: '2026-03-29T22:00:00.000Z' },
    transparency: 'free',
  })
  const long = await make(person, { start: { date: '2026-12-31', time: '23:30' } })
  expect(long.end).toMatchObject({ date: '2027-01-01', time: '00:30' })
})

test('start and end may be in zones of their own', async () => {
  const person = await makePerson(BERLIN)
  const flight = await make(person, {
    start: { ...NINE, timeZone: 'Europe/London' },
    end: { date: '2026-03-27', time: '12:00', timeZone: 'America/New_York' },
  })
  expect([flight.start.at, flight.end.at]).toEqual(['2026-03-27T09:00:00.000Z', '2026-03-27T16:00:00.000Z'])
})

const zoned = (time: string, timeZone = 'Europe/Berlin') => ({ date: '2027-03-28', time, timeZone })

// From two to three does not come on that day.
test.each([
  ['02:30', '03:00', '01:30-02:00'],
  ['02:30', '03:30', '01:30-02:30'],
  ['02:30', '02:30', '01:30-01:30'],
  ['02:30', '03:45', '01:30-01:45'],
  ['01:45', '02:15', '00:45-01:15'],
])(
  'where the gap would put the end of %s to %s before its start it lasts what its clocks say',
  async (from, to, utc) => {
    const person = await makePerson(BERLIN)
    const { id, start, end } = await make(person, { start: zoned(from), end: zoned(to) })
    expect(`${start.at.slice(11, 16)}-${end.at.slice(11, 16)}`).toBe(utc)
    const moved = await make(person)
    expect(await change(person, moved.id, { start: zoned(from), end: zoned(to) })).toMatchObject({ start, end })
    const { items } = await listEvents(person, { from: '2027-03-28', to: '2027-03-29', limit: 9 })
    expect(items.find((one) => one.id === id)).toMatchObject({ start, end })
    const series = await make(person, { recurrence: 'FREQ=DAILY' })
    const which = { occurrence: '2027-03-27' }
    await updateEvent(person, series.id, which, { start: zoned(from), end: zoned(to) }, '*')
    const all = (await listEvents(person, { from: '2027-03-28', to: '2027-03-29', limit: 9 })).items
    expect(all.find(({ occurrence }) => occurrence === which.occurrence)).toMatchObject({ start, end })
  },
)

test.each<[string, Partial<NewEvent>]>([
  ['by the clocks of its zone', { start: zoned('03:00'), end: zoned('02:30') }],
  ['in another zone', { start: zoned('09:00', 'America/New_York'), end: zoned('10:00') }],
])('what ends before it begins %s is refused, whole or one of a series', async (_name, over) => {
  const person = await makePerson(BERLIN)
  const refused = { code: 'invalid_request', errors: [{ pointer: '/end' }] }
  await expect(make(person, over)).rejects.toMatchObject(refused)
  const { id } = await make(person, { recurrence: 'FREQ=DAILY' })
  const which = { occurrence: '2027-03-27' }
  await expect(updateEvent(person, id, which, over, '*')).rejects.toMatchObject(refused)
})

test.each<[string, Partial<NewEvent>, string]>([
  ['ends before it begins', { end: { date: '2026-03-27', time: '08:59' } }, '/end'],
  ['begins with a time and ends with a day', { end: { date: '2026-03-28' } }, '/end'],
  ['lasts longer than a year', { end: { date: '2027-04-02', time: '09:00' } }, '/end'],
  ['lasts beyond the last day', { start: { date: '9999-12-30', time: '23:30' } }, '/end'],
])('what %s is refused, and nothing is told', async (_name, over, pointer) => {
  const person = await makePerson(BERLIN)
  await expect(make(person, over)).rejects.toMatchObject({ code: 'invalid_request', errors: [{ pointer }] })
  expect(person.sent).toEqual([])
})

test('the same id again answers the event that is there, told once', async () => {
  const made = await makePerson()
  const person = Object.assign(made, { newId: () => `cal_${made.actor.userId.slice(4)}` })
  const first = await make(person)
  expect(await make(person, { title: 'another' })).toEqual(first)
  expect(person.sent).toEqual([{ v: 1, kind: 'event', outboxId: `${first.id}.1.event.created` }])
})

test('a later start takes the end along, across a change of the clocks by the clock on the wall', async () => {
  const person = await makePerson(BERLIN)
  const { id } = await make(person, {
    start: { date: '2026-03-28', time: '23:00' },
    end: { date: '2026-03-28', time: '23:30' },
  })
  const moved = await change(person, id, { start: { date: '2026-03-29', time: '01:45' } })
  expect(moved).toMatchObject({ version: 2, end: { date: '2026-03-29', time: '02:15' } })
  // Half past two does not come on that day: it is half past three.
  expect([moved.start.at, moved.end.at]).toEqual(['2026-03-29T00:45:00.000Z', '2026-03-29T01:15:00.000Z'])
})

test('a time becomes a day and a day a time', async () => {
  const person = await makePerson(BERLIN)
  const { id } = await make(person)
  expect(await change(person, id, { start: { date: '2026-04-01' } })).toMatchObject({
    start: { time: null },
    end: { date: '2026-04-01', time: null },
  })
  expect(await change(person, id, { start: { date: '2026-04-01', time: '18:00' } })).toMatchObject({
    end: { date: '2026-04-01', time: '19:00' },
  })
})

test('a patch changes what it names, tells it once, and nothing where it names nothing', async () => {
  const person = await makePerson()
  const { id, version: _, updatedAt: __, ...before } = await make(person, { reminders: [10], location: 'Room 4' })
  const after = await change(person, id, { title: 'Retro', reminders: [5, 60] })
  expect(after).toMatchObject({ ...before, title: 'Retro', reminders: [5, 60], version: 2 })
  expect(await change(person, id, {})).toEqual(after)
  expect(person.sent).toHaveLength(2)
})

test('whoever read an older version is told so', async () => {
  const person = await makePerson()
  const { id } = await make(person)
  await change(person, id, { title: 'b' })
  await expect(updateEvent(person, id, {}, { title: 'c' }, 1)).rejects.toMatchObject({ code: 'version_stale' })
  expect((await updateEvent(person, id, {}, { title: 'c' }, 2)).before.title).toBe('b')
})

test('what is deleted is in the bin, in no list, and comes back as it was', async () => {
  const person = await makePerson()
  const { id, version: _, updatedAt: __, ...event } = await make(person)
  const window = { from: '2026-03-01', to: '2026-04-01', limit: 10 }
  await deleteEvent(person, id, {})
  await expect(getEvent(person, id)).rejects.toMatchObject({ code: 'not_found' })
  await expect(deleteEvent(person, id, {})).rejects.toMatchObject({ code: 'not_found' })
  expect((await listEvents(person, window)).items).toEqual([])
  expect(await restoreEvent(person, id, {})).toMatchObject(event)
  expect((await restoreEvent(person, id, {})).version).toBe(3)
  expect((await listEvents(person, window)).items).toHaveLength(1)
  expect(person.sent.map((message) => JSON.stringify(message).match(/event\.\w+/)?.[0])).toEqual([
    'event.created',
    'event.deleted',
    'event.restored',
  ])
})

test("another person's event does not exist, and an ended session sees none of its own", async () => {
  const [person, stranger] = [await makePerson(), await makePerson()]
  const { id } = await make(person, { recurrence: 'FREQ=DAILY' })
  const occurrence = { occurrence: '2026-03-28' }
  const attempts: ((whose: Person) => Promise<unknown>)[] = [
    (whose) => getEvent(whose, id),
    (whose) => updateEvent(whose, id, {}, { title: 'x' }, '*'),
    (whose) => updateEvent(whose, id, occurrence, { title: 'x' }, '*'),
    (whose) => updateEvent(whose, id, { ...occurrence, scope: 'following' }, { title: 'x' }, '*'),
    (whose) => deleteEvent(whose, id, {}),
    (whose) => deleteEvent(whose, id, occurrence),
    (whose) => deleteEvent(whose, id, { ...occurrence, scope: 'following' }),
    (whose) => restoreEvent(whose, id, {}),
  ]
  for (const attempt of attempts) await expect(attempt(stranger)).rejects.toMatchObject({ code: 'not_found' })
  await revoke(person)
  attempts.push(make, (whose) => listEvents(whose, { from: '2026-03-01', to: '2026-04-01', limit: 9 }))
  for (const attempt of attempts)
    expect(databaseFailure(await attempt(person).catch((error: unknown) => error))).toMatchObject({
      code: 'session_ended',
    })
})
