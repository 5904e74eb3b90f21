import { and, asc, eq, sql } from 'drizzle-orm'
import { expect, test } from 'vitest'
import type { Ctx, DomainEvent } from '#core'
import { deleteNotification, listNotifications } from '#notifications'
import { notifications } from '#notifications/tables'
import { happenedSince } from '#queue'
import type { NewTimer } from '#scheduler'
import { makePerson, type Person, revoke } from '#test/database'
import { deleteEvent, restoreEvent, updateEvent } from './change.ts'
import { createEvent } from './create.ts'
import { EventSoon } from './events.ts'
import { eventReminderSubscriber, keepReminders, sweepEventReminders } from './reminders.ts'
import type { CalendarEvent, EventPatch, NewEvent } from './schema.ts'
import { calendarEvents } from './tables.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS
const BERLIN = { timeZone: 'Europe/Berlin' }
// The database says when an event was changed: what comes is in the years ahead of its clock.
const NINE = { date: '2031-03-10', time: '09:00' }
const AT_NINE = Date.parse('2031-03-10T08:00:00Z')

type Call = ['arm', string, string] | ['cancel', string]

/** A person, the system that acts for them at a time of its own, and a Steward that tells what it was asked. */
async function makeWorld(startMs = AT_NINE) {
  const clock = { at: new Date(startMs) }
  const person = await makePerson(BERLIN)
  const calls: Call[] = []
  const known = new Map<string, number>()
  const isNew = (name: string, version: number) => {
    if (version <= (known.get(name) ?? 0)) return false
    known.set(name, version)
    return true
  }
  const steward = {
    arm: async (timers: NewTimer[]) => {
      for (const { name, dueMs, version } of timers)
        if (isNew(name, version)) calls.push(['arm', name, new Date(dueMs).toISOString()])
      return { ok: true, armed: timers.length }
    },
    cancel: async (name: string, version: number) => {
      if (isNew(name, version)) calls.push(['cancel', name])
      return { ok: true, cancelled: true }
    },
  }
  const env = { EVENTS: person.env.EVENTS, STEWARD: { getByName: () => steward } } as unknown as Env
  const system: Ctx = { ...person, actor: { kind: 'system' }, env, now: () => clock.at }
  const { userId } = person.actor
  const hear = async (event: Pick<CalendarEvent, 'id'>) => {
    const told = { id: '', type: 'event.updated', userId, room: null, key: event.id, version: 1, data: null, at: '' }
    await eventReminderSubscriber.handle(system, [told satisfies DomainEvent])
  }
  const ring = async (event: Pick<CalendarEvent, 'id'>, ms = clock.at.getTime()) => {
    clock.at = new Date(ms)
    return await keepReminders(system, { userId, id: event.id })
  }
  const make = async (over: Partial<NewEvent> = {}) => {
    const event = await createEvent(person, { title: 'Standup', start: NINE, reminders: [10], ...over })
    await hear(event)
    return event
  }
  const change = async (id: string, patch: EventPatch) => {
    await updateEvent(person, id, {}, patch, '*')
    await hear({ id })
  }
  return { person, system, clock, calls, hear, ring, make, change }
}

const toldTo = (person: Person) =>
  person.db
    .select({ title: notifications.title, body: notifications.body, at: notifications.scheduledAt })
    .from(notifications)
    .where(and(eq(notifications.userId, person.actor.userId)))
    .orderBy(asc(notifications.scheduledAt))
const timesOf = async (person: Person) => (await toldTo(person)).map(({ at }) => at?.toISOString().slice(0, 16))

test('a reminder is given so many minutes before, once, and says when in the zone of the person', async () => {
  const { person, calls, ring, make } = await makeWorld(AT_NINE - HOUR_MS)
  const start = { date: '2031-03-10', time: '08:00', timeZone: 'Europe/London' }
  const event = await make({ start, location: 'Room 4' })
  expect(calls).toEqual([['arm', `event:${event.id}`, '2031-03-10T07:50:00.000Z']])
  expect(await ring(event)).toBe(0)
  expect(await ring(event, AT_NINE - 10 * MINUTE_MS)).toBe(1)
  expect(await ring(event)).toBe(0)
  const { items } = await listNotifications(person, { limit: 10 })
  expect(items).toMatchObject([
    {
      kind: 'event',
      title: 'Standup',
      body: '2031-03-10 09:00 \u00b7 Room 4',
      link: { kind: 'event', id: event.id },
      scheduledAt: '2031-03-10T07:50:00.000Z',
    },
  ])
  expect(calls.at(-1)).toEqual(['cancel', `event:${event.id}`])
})

test('rung by many at once it is given once, and the timer stands at the next', async () => {
  const { person, calls, ring, make } = await makeWorld(AT_NINE - 10 * MINUTE_MS)
  const event = await make({ reminders: [0, 10, 1440] })
  const counts = await Promise.all(Array.from({ length: 8 }, () => ring(event)))
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(0)
  expect(await timesOf(person)).toEqual(['2031-03-09T08:00', '2031-03-10T07:50'])
  expect(calls.at(-1)).toEqual(['arm', `event:${event.id}`, '2031-03-10T08:00:00.000Z'])
})

test('with each reminder it is told that the event is soon, once: which of a series, when, how long before, and whose words', async () => {
  const { person, system, ring, make } = await makeWorld(AT_NINE - 2 * DAY_MS)
  const event = await make({ recurrence: 'FREQ=DAILY;COUNT=2', reminders: [30, 1470] })
  await person.db.update(calendarEvents).set({ tainted: true }).where(eq(calendarEvents.id, event.id))
  // Half an hour before the first is a day and half an hour before the second.
  await Promise.all(Array.from({ length: 5 }, () => ring(event, AT_NINE - 30 * MINUTE_MS + 1000)))
  const told = () => happenedSince(person, 'event.soon', new Date(0), 9)
  const soon = (await told()).map(({ key, data }) => ({ key, ...EventSoon().parse(data) }))
  expect(soon).toMatchObject([
    { key: event.id, id: event.id, title: 'Standup', minutes: 30, occurrence: '2031-03-10', tainted: true },
    { key: event.id, minutes: 1470, occurrence: '2031-03-11', start: { at: '2031-03-11T08:00:00.000Z' } },
  ])
  expect(await timesOf(person)).toHaveLength(2)
  const kicked = person.sent.map((message) => JSON.stringify(message)).filter((text) => text.includes('event.soon'))
  expect(new Set(kicked).size).toBe(2)
  // Nobody is reminded of it anew because it was told.
  expect(eventReminderSubscriber.wants('event.soon')).toBe(false)
  await person.db
    .update(calendarEvents)
    .set({ reminders: [30] })
    .where(eq(calendarEvents.id, event.id))
  expect(
    await keepReminders(
      { ...system, now: () => new Date(AT_NINE + 3 * HOUR_MS) },
      { userId: person.actor.userId, id: event.id },
    ),
  ).toBe(0)
  expect(await told()).toHaveLength(2)
})

test('a series reminds of each of its own, by the clock on the wall, and of none that was cancelled', async () => {
  const { person, ring, make, hear, calls } = await makeWorld(Date.parse('2031-03-28T00:00:00Z'))
  const event = await make({ start: { date: '2031-03-28', time: '09:00' }, recurrence: 'FREQ=DAILY;COUNT=5' })
  await deleteEvent(person, event.id, { occurrence: '2031-03-29' })
  await updateEvent(
    person,
    event.id,
    { occurrence: '2031-03-31' },
    { start: { date: '2031-03-31', time: '18:00' } },
    '*',
  )
  await hear(event)
  while (calls.at(-1)?.[0] === 'arm') await ring(event, Date.parse(calls.at(-1)?.[2] ?? ''))
  // The clocks change on the 30th.
  expect(await timesOf(person)).toEqual([
    '2031-03-28T07:50',
    '2031-03-30T06:50',
    '2031-03-31T15:50',
    '2031-04-01T06:50',
  ])
})

test('a reminder waits for its time, give or take a second', async () => {
  const { ring, make } = await makeWorld(AT_NINE - HOUR_MS)
  const event = await make()
  expect(await ring(event, AT_NINE - 10 * MINUTE_MS - 1001)).toBe(0)
  expect(await ring(event, AT_NINE - 10 * MINUTE_MS - 999)).toBe(1)
})

test.each<[string, (person: Person, id: string) => Promise<unknown>]>([
  ['deleted', (person, id) => deleteEvent(person, id, {})],
  ['cancelled', (person, id) => updateEvent(person, id, {}, { status: 'cancelled' }, '*')],
  ['without reminders', (person, id) => updateEvent(person, id, {}, { reminders: [] }, '*')],
])('an event that is %s reminds of nothing, and has no timer', async (_name, act) => {
  const { person, calls, hear, ring, make } = await makeWorld(AT_NINE - HOUR_MS)
  const event = await make()
  await act(person, event.id)
  expect(await ring(event, AT_NINE)).toBe(0)
  await hear(event)
  expect(calls.at(-1)).toEqual(['cancel', `event:${event.id}`])
  expect(await toldTo(person)).toEqual([])
})

test('a moved event reminds once, at the new time; one that is restored reminds again', async () => {
  const { person, calls, ring, make, change, hear } = await makeWorld(AT_NINE - HOUR_MS)
  const event = await make()
  await change(event.id, { start: { date: '2031-03-10', time: '10:00' } })
  expect(await ring(event, AT_NINE)).toBe(0)
  await deleteEvent(person, event.id, {})
  await hear(event)
  await restoreEvent(person, event.id, {})
  await hear(event)
  expect(calls.map(([verb]) => verb)).toEqual(['arm', 'arm', 'arm', 'cancel', 'arm'])
  expect(await ring(event, AT_NINE + 50 * MINUTE_MS)).toBe(1)
  expect(await timesOf(person)).toEqual(['2031-03-10T08:50'])
})

test('what is changed after it was reminded of does not remind again, unless it moves', async () => {
  const { person, ring, make, change } = await makeWorld(AT_NINE - 10 * MINUTE_MS)
  const event = await make()
  await change(event.id, { title: 'Retro' })
  expect(await ring(event, AT_NINE)).toBe(0)
  await change(event.id, { start: { date: '2031-03-10', time: '11:00' } })
  expect(await ring(event, AT_NINE + 110 * MINUTE_MS)).toBe(1)
  expect(await timesOf(person)).toEqual(['2031-03-10T07:50', '2031-03-10T09:50'])
})

test('a reminder that was thrown away does not come back', async () => {
  const { person, ring, make } = await makeWorld(AT_NINE - 10 * MINUTE_MS)
  const event = await make()
  const { items } = await listNotifications(person, { limit: 9 })
  await deleteNotification(person, items[0]?.id ?? '')
  await person.db
    .update(calendarEvents)
    .set({ remindedTo: null, nextReminderAt: new Date(AT_NINE) })
    .where(eq(calendarEvents.id, event.id))
  expect(await ring(event)).toBe(0)
  expect((await listNotifications(person, { limit: 9 })).items).toEqual([])
})

test('the reminder of what has been over for an hour is not said, one of what is yet to come is, however late', async () => {
  const { person, ring, make } = await makeWorld(AT_NINE - 2 * DAY_MS)
  const [over, ahead] = [await make(), await make({ title: 'Journey', reminders: [1440] })]
  expect(await ring(over, AT_NINE + 2 * HOUR_MS)).toBe(0)
  expect(await ring(ahead, AT_NINE - 6 * HOUR_MS)).toBe(1)
  expect(await toldTo(person)).toMatchObject([{ title: 'Journey' }])
})

test('nothing reminds of what was past when it was written', async () => {
  const { person, calls, ring, make } = await makeWorld(Date.now() + 1000)
  const event = await make({ start: { date: '2020-01-01', time: '09:00' }, recurrence: 'FREQ=DAILY;COUNT=9' })
  expect(await ring(event)).toBe(0)
  expect(calls.map(([verb]) => verb)).not.toContain('arm')
  expect(await toldTo(person)).toEqual([])
})

test("another person's event reminds nobody, and sessions that have ended keep no reminder back", async () => {
  const [owner, stranger] = [await makeWorld(AT_NINE - HOUR_MS), await makeWorld(AT_NINE)]
  const event = await owner.make()
  expect(await stranger.ring(event)).toBe(0)
  await revoke(owner.person)
  expect(await owner.ring(event, AT_NINE - 10 * MINUTE_MS)).toBe(1)
  expect(await toldTo(stranger.person)).toEqual([])
})

test('an event without reminders is not worth a call', async () => {
  const { calls, make } = await makeWorld()
  await make({ reminders: [] })
  expect(calls).toEqual([])
})

test('the sweep gives what was lost, once, and sets its timer', async () => {
  const now = Date.now()
  const { person, system, calls, make } = await makeWorld(now - 2 * HOUR_MS)
  const [date = '', time = ''] = new Date(now + HOUR_MS).toISOString().split('T')
  const event = await make({ start: { date, time: time.slice(0, 5), timeZone: 'UTC' }, reminders: [15] })
  // As if it had been waiting for a minute when the alarm was lost.
  const lost = sql`now() - interval '1 minute'`
  await person.db
    .update(calendarEvents)
    .set({ nextReminderAt: lost, reminders: sql`array[floor(extract(epoch from start_at - (${lost})) / 60)::int, 5]` })
    .where(eq(calendarEvents.id, event.id))
  calls.length = 0
  const awake = { ...system, now: () => new Date() }
  await Promise.all([sweepEventReminders(awake), sweepEventReminders(awake)])
  await sweepEventReminders(awake)
  expect(await toldTo(person)).toHaveLength(1)
  expect(calls.map(([verb]) => verb)).toContain('arm')
})

test('a Steward that cannot be reached keeps nobody else from being swept', async () => {
  const { person, system, make } = await makeWorld(AT_NINE - DAY_MS)
  const events = [await make(), await make()]
  const late = { nextReminderAt: sql`now() - interval '1 minute'`, startAt: sql`now()`, endAt: sql`now()` }
  for (const { id } of events) await person.db.update(calendarEvents).set(late).where(eq(calendarEvents.id, id))
  const away = { getByName: () => ({ cancel: () => Promise.reject(new Error('overloaded')) }) }
  const env = { EVENTS: system.env.EVENTS, STEWARD: away } as unknown as Env
  await sweepEventReminders({ ...system, env, now: () => new Date() })
  const rows = await person.db
    .select({ nextReminderAt: calendarEvents.nextReminderAt })
    .from(calendarEvents)
    .where(eq(calendarEvents.userId, person.actor.userId))
  expect(rows).toHaveLength(2)
  expect(rows.every(({ nextReminderAt }) => nextReminderAt === null || nextReminderAt.getTime() > Date.now())).toBe(
    true,
  )
})
