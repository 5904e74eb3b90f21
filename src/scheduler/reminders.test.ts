import { and, eq, like } from 'drizzle-orm'
import { expect, test } from 'vitest'
import type { Ctx, DomainEvent } from '#core'
import { deleteNotification, listNotifications } from '#notifications'
import { outbox } from '#queue/tables'
import { completeTask, createTask, deleteTask, getTask, reopenTask, restoreTask, type Task, updateTask } from '#tasks'
import { makePerson, type Person, revoke } from '#test/database'
import { reminderSubscriber, ringReminder, sweepReminders } from './index.ts'

const MINUTE_MS = 60_000
const DAY_MS = 24 * 60 * MINUTE_MS
const NINE = { date: '2031-03-10', time: '09:00' }
const AT_NINE = '2031-03-10T09:00:00.000Z'
const TEN = { date: '2031-03-10', time: '10:00' }
const AT_TEN = '2031-03-10T10:00:00.000Z'

/** A person whose clock the test sets, and whose Steward writes down what it is told. */
async function makeWorld(at = AT_NINE) {
  const calls: unknown[][] = []
  const clock = { at: new Date(at) }
  const steward = {
    arm: async (timers: unknown[]) => ({ ok: calls.push(['arm', ...timers]) > 0, armed: timers.length }),
    cancel: async (...given: unknown[]) => ({ ok: calls.push(['cancel', ...given]) > 0 }),
    erase: async () => ({ ok: calls.push(['erase']) > 0 }),
    wake: async () => ({ ok: calls.push(['wake']) > 0 }),
  }
  const made = await makePerson({ now: () => clock.at })
  // The sweep is everybody's: it may meet a reminder of another test.
  const another = { wake: async () => ({ ok: true }) }
  const STEWARD = { getByName: (name: string) => (name === made.actor.userId ? steward : another) }
  const env = { EVENTS: made.env.EVENTS, STEWARD } as unknown as Env
  const person: Person = { ...made, env }
  const system: Ctx = { ...person, actor: { kind: 'system' } }
  const ring = (task: Task) => ringReminder(system, { userId: made.actor.userId, taskId: task.id })
  const hear = (type: string, data: unknown) =>
    reminderSubscriber.handle(system, [eventOf(type, data, made.actor.userId)])
  return { person, system, calls, clock, ring, hear }
}

function eventOf(type: string, data: unknown, userId: string): DomainEvent {
  return { id: `x.1.${type}`, type, userId, room: null, key: 'x', version: 1, data, at: AT_NINE }
}

const remind = (person: Person, remindAt: typeof NINE | null = NINE) =>
  createTask(person, { title: 'Call Ada', notes: 'About the boat', priority: 'high', remindAt })

const toldTo = async (person: Person) => (await listNotifications(person, { limit: 100 })).items

const wall = (at: number) => {
  const text = new Date(at).toISOString()
  return { date: text.slice(0, 10), time: text.slice(11, 19) }
}

test('a reminder whose time has come is one notification and one event on the sockets', async () => {
  const { person, ring } = await makeWorld()
  const task = await remind(person)
  person.meter.trips = 0
  person.sent.length = 0
  expect(await ring(task)).toBe('rung')
  expect(person.meter.trips).toBe(2)
  const items = await toldTo(person)
  expect(items).toMatchObject([
    {
      kind: 'reminder',
      title: 'Call Ada',
      body: 'About the boat',
      priority: 'high',
      link: { kind: 'task', id: task.id },
      scheduledAt: AT_NINE,
    },
  ])
  const mine = and(eq(outbox.userId, person.actor.userId), like(outbox.type, 'notification.%'))
  const events = await person.db.select({ room: outbox.room, data: outbox.data }).from(outbox).where(mine)
  expect(events).toEqual([{ room: 'notifications', data: items[0] }])
  expect(person.sent).toEqual([{ v: 1, kind: 'event', outboxId: `${items[0]?.id}.1.notification.created` }])
})

test('rung again, or by many at once, it is given once', async () => {
  const { person, ring } = await makeWorld()
  const task = await remind(person)
  const rings = await Promise.all(Array.from({ length: 8 }, () => ring(task)))
  expect(rings.filter((result) => result === 'rung')).toHaveLength(1)
  expect(await ring(task)).toBe('nothing')
  expect(await toldTo(person)).toHaveLength(1)
})

test('a reminder that was read and thrown away does not come back', async () => {
  const { person, ring, clock } = await makeWorld()
  const task = await remind(person)
  await ring(task)
  const [item] = await toldTo(person)
  await deleteNotification(person, item?.id ?? '')
  expect(await ring(task)).toBe('nothing')
  clock.at = new Date(AT_TEN)
  await updateTask(person, task.id, { remindAt: TEN }, '*')
  await updateTask(person, task.id, { remindAt: NINE }, '*')
  expect(await ring(task)).toBe('nothing')
  expect(await toldTo(person)).toEqual([])
})

test('a reminder waits for its time, give or take a second', async () => {
  const { person, ring, clock } = await makeWorld('2031-03-10T08:59:58.900Z')
  const task = await remind(person)
  expect(await ring(task)).toBe('nothing')
  clock.at = new Date('2031-03-10T08:59:59.100Z')
  expect(await ring(task)).toBe('rung')
})

test.each<[string, (person: Person, task: Task) => Promise<unknown>]>([
  ['completed', (person, task) => completeTask(person, task.id)],
  ['cancelled', (person, task) => updateTask(person, task.id, { status: 'cancelled' }, '*')],
  ['deleted', (person, task) => deleteTask(person, task.id)],
  ['no longer to be reminded of', (person, task) => updateTask(person, task.id, { remindAt: null }, '*')],
])('a task that is %s does not ring', async (_name, change) => {
  const { person, ring } = await makeWorld()
  const task = await remind(person)
  await change(person, task)
  expect(await ring(task)).toBe('nothing')
  expect(await toldTo(person)).toEqual([])
})

test('a moved reminder rings once, at the new time', async () => {
  const { person, ring, clock } = await makeWorld()
  const task = await remind(person)
  await updateTask(person, task.id, { remindAt: TEN }, '*')
  expect(await ring(task)).toBe('nothing')
  clock.at = new Date(AT_TEN)
  expect(await ring(task)).toBe('rung')
  expect(await ring(task)).toBe('nothing')
  expect(await toldTo(person)).toMatchObject([{ scheduledAt: AT_TEN }])
})

test('a reminder moved after it rang rings again, and takes the place of the one that nobody saw', async () => {
  const { person, ring, clock } = await makeWorld()
  const task = await remind(person)
  expect(await ring(task)).toBe('rung')
  await updateTask(person, task.id, { title: 'Call Ada back' }, '*')
  expect(await ring(task)).toBe('nothing')
  await updateTask(person, task.id, { remindAt: TEN }, '*')
  clock.at = new Date(AT_TEN)
  expect(await ring(task)).toBe('rung')
  expect(await toldTo(person)).toMatchObject([{ title: 'Call Ada back', scheduledAt: AT_TEN }])
})

test('what was done between the look and the word is not said', async () => {
  const { person, ring } = await makeWorld()
  const task = await remind(person)
  const batch = person.db.batch.bind(person.db)
  person.db.batch = async (statements) => {
    person.db.batch = batch
    await completeTask(person, task.id)
    return await batch(statements)
  }
  expect(await ring(task)).toBe('nothing')
  expect(await toldTo(person)).toEqual([])
})

test('what is a day late is not said, and not asked for again', async () => {
  const { person, ring, clock } = await makeWorld()
  const task = await remind(person)
  clock.at = new Date(Date.parse(AT_NINE) + DAY_MS)
  expect(await ring(task)).toBe('too_late')
  expect(await ring(task)).toBe('nothing')
  expect(await toldTo(person)).toEqual([])
})

test("another person's task does not ring", async () => {
  const [owner, stranger] = [await makeWorld(), await makeWorld()]
  const task = await remind(owner.person)
  expect(await stranger.ring(task)).toBe('nothing')
  expect(await toldTo(stranger.person)).toEqual([])
  expect(await owner.ring(task)).toBe('rung')
})

test('a reminder rings for a person whose sessions have all ended', async () => {
  const { person, ring } = await makeWorld()
  const task = await remind(person)
  await revoke(person)
  expect(await ring(task)).toBe('rung')
})

test('the sweep rings what was lost, once, wakes the Steward that lost it, and arms what is soon again', async () => {
  const { person, system, calls } = await makeWorld(new Date().toISOString())
  const lost = await remind(person, wall(Date.now() - MINUTE_MS))
  const now = await remind(person, wall(Date.now() - 5000))
  const soon = await remind(person, wall(Date.now() + MINUTE_MS))
  await remind(person, wall(Date.now() + 2 * MINUTE_MS))
  await Promise.all([sweepReminders(system), sweepReminders(system)])
  await sweepReminders(system)
  expect(await toldTo(person)).toMatchObject([{ link: { id: lost.id } }])
  expect(calls.filter(([verb]) => verb === 'wake')).toHaveLength(1)
  const timers = [now, soon].map(({ id, remindAt, version }) => {
    const payload = { kind: 'reminder', userId: person.actor.userId, taskId: id }
    return { name: `reminder:${id}`, dueMs: Date.parse(remindAt?.at ?? ''), version, payload }
  })
  const armed = calls.filter(([verb]) => verb === 'arm')
  expect(armed).toEqual(Array.from({ length: 3 }, () => ['arm', ...timers]))
})

test('what is late is rung before a Steward is asked to arm what is soon', async () => {
  const { person, system, calls } = await makeWorld(new Date().toISOString())
  await remind(person, wall(Date.now() - MINUTE_MS))
  await remind(person, wall(Date.now() + MINUTE_MS))
  await sweepReminders(system)
  expect(calls.map(([verb]) => verb)).toEqual(['wake', 'arm'])
})

test('a Steward that cannot be reached keeps no other reminder from being swept', async () => {
  const { person, system } = await makeWorld(new Date().toISOString())
  const away = { getByName: () => ({ wake: () => Promise.reject(new Error('overloaded')) }) }
  const env = { EVENTS: system.env.EVENTS, STEWARD: away } as unknown as Env
  for (const minutes of [3, 2, 1]) await remind(person, wall(Date.now() - minutes * MINUTE_MS))
  await sweepReminders({ ...system, env })
  expect(await toldTo(person)).toHaveLength(3)
})

test('each change of a task keeps its timer as the task says', async () => {
  const { person, calls, hear } = await makeWorld('2031-03-01T00:00:00.000Z')
  const task = await remind(person)
  const timer = (version: number, at: string) => ({
    name: `reminder:${task.id}`,
    dueMs: Date.parse(at),
    version,
    payload: { kind: 'reminder', userId: person.actor.userId, taskId: task.id },
  })
  await hear('task.created', task)
  await hear('task.updated', await updateTask(person, task.id, { remindAt: TEN }, '*'))
  await hear('task.completed', (await completeTask(person, task.id)).task)
  await reopenTask(person, task.id)
  await hear('task.reopened', await getTask(person, task.id))
  await hear('task.updated', await updateTask(person, task.id, { remindAt: null }, '*'))
  expect(calls).toEqual([
    ['arm', timer(1, AT_NINE)],
    ['arm', timer(2, AT_TEN)],
    ['cancel', `reminder:${task.id}`, 3],
    ['arm', timer(4, AT_TEN)],
    ['cancel', `reminder:${task.id}`, 5],
  ])
})

test('a task in the bin has no timer, and has it again when it is restored', async () => {
  const { person, calls, hear } = await makeWorld('2031-03-01T00:00:00.000Z')
  const task = await remind(person)
  await hear('task.deleted', { ...task, deletedAt: AT_NINE, version: 2 })
  await deleteTask(person, task.id)
  await hear('task.restored', await restoreTask(person, task.id))
  expect(calls.map(([verb]) => verb)).toEqual(['cancel', 'arm'])
})

test('a task without a reminder is not worth a call', async () => {
  const { person, calls, hear } = await makeWorld()
  await hear('task.created', await remind(person, null))
  expect(calls).toEqual([])
})

test('a time just past rings at once; one of another day does not', async () => {
  const { person, calls, hear, clock } = await makeWorld(AT_TEN)
  const task = await remind(person)
  await hear('task.created', task)
  clock.at = new Date(Date.parse(AT_NINE) + DAY_MS)
  await hear('task.updated', { ...task, version: 2 })
  expect(calls.map(([verb]) => verb)).toEqual(['arm', 'cancel'])
})

test('a timer that the Steward refuses is a message to be tried again', async () => {
  const { person, system } = await makeWorld('2031-03-01T00:00:00.000Z')
  const refusing = { getByName: () => ({ arm: async () => ({ ok: false, reason: 'invalid' }) }) }
  const ctx = { ...system, env: { STEWARD: refusing } as unknown as Env }
  const event = eventOf('task.created', await remind(person), person.actor.userId)
  await expect(reminderSubscriber.handle(ctx, [event])).rejects.toThrow('invalid')
})

test('who else does anything is not listened to', () => {
  const heard = ['task.created', 'me.updated', 'project.created', 'notification.created']
  expect(heard.filter(reminderSubscriber.wants)).toEqual(['task.created'])
})
