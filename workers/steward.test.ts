import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { asc, eq } from 'drizzle-orm'
import { afterEach, expect, test, vi } from 'vitest'
import { armTimer } from '#core'
import { notifications } from '#notifications/tables'
import type { NewTimer } from '#scheduler'
import { completeTask, createTask } from '#tasks'
import { makePerson, type Person } from '#test/database'

const MINUTE_MS = 60_000
// Far enough for the platform's own clock never to ring an alarm of a test.
const START_MS = Date.parse('2031-03-10T09:00:00.000Z')

afterEach(() => vi.useRealTimers())

function at(minutes: number): number {
  return START_MS + minutes * MINUTE_MS
}

function clockAt(minutes: number): void {
  vi.useFakeTimers({ toFake: ['Date'], now: at(minutes) })
}

async function makeWorld() {
  clockAt(0)
  const person = await makePerson()
  const { userId } = person.actor
  const steward = env.STEWARD.getByName(userId)
  const timer = (taskId: string, minutes: number, version = 1): NewTimer => ({
    name: `reminder:${taskId}`,
    dueMs: at(minutes),
    version,
    payload: { kind: 'reminder', userId, taskId },
  })
  const remind = async (title: string, minutes: number) => {
    const [date = '', time = ''] = new Date(at(minutes)).toISOString().split(/[T.]/)
    const { id } = await createTask(person, { title, remindAt: { date, time, timeZone: 'UTC' } })
    return { id, timer: timer(id, minutes) }
  }
  const ring = (minutes: number) => {
    clockAt(minutes)
    return runDurableObjectAlarm(steward)
  }
  const alarmMs = () => runInDurableObject(steward, (_, { storage }) => storage.getAlarm())
  return { person, steward, timer, remind, ring, alarmMs }
}

async function toldTo({ db, actor }: Person): Promise<string[]> {
  const rows = await db
    .select({ title: notifications.title })
    .from(notifications)
    .where(eq(notifications.userId, actor.userId))
    .orderBy(asc(notifications.createdAt))
  return rows.map(({ title }) => title)
}

test('timers outlive an eviction, and their alarm with them', async () => {
  const { person, steward, remind, ring, alarmMs } = await makeWorld()
  const { timer } = await remind('Call Ada', 5)
  expect(await steward.arm([timer])).toEqual({ ok: true, armed: 1 })
  await evictDurableObject(steward)
  expect(await steward.list()).toEqual([{ name: timer.name, dueMs: at(5), version: 1, attempts: 0 }])
  expect(await alarmMs()).toBe(at(5))
  expect(await ring(5)).toBe(true)
  expect(await toldTo(person)).toEqual(['Call Ada'])
  expect(await steward.list()).toEqual([])
  expect(await alarmMs()).toBeNull()
})

test('a timer armed twice fires once', async () => {
  const { person, steward, remind, ring } = await makeWorld()
  const { timer } = await remind('Call Ada', 5)
  await steward.arm([timer, timer])
  expect(await steward.arm([timer])).toEqual({ ok: true, armed: 0 })
  await ring(5)
  expect(await steward.arm([timer])).toEqual({ ok: true, armed: 0 })
  expect(await ring(6)).toBe(false)
  expect(await toldTo(person)).toEqual(['Call Ada'])
})

test('many due together all fire, soonest first, and those to come are left waiting', async () => {
  const { person, steward, remind, ring, alarmMs } = await makeWorld()
  const timers: NewTimer[] = []
  for (const minutes of [4, 2, 9, 3, 1]) timers.push((await remind(`At ${minutes}`, minutes)).timer)
  await steward.arm(timers)
  expect(await alarmMs()).toBe(at(1))
  await ring(5)
  expect(await toldTo(person)).toEqual(['At 1', 'At 2', 'At 3', 'At 4'])
  expect(await alarmMs()).toBe(at(9))
})

test('one that fails is tried again and holds up no other', async () => {
  const { person, steward, remind, ring, alarmMs } = await makeWorld()
  const { timer } = await remind('Call Ada', 2)
  await steward.arm([timer])
  await runInDurableObject(steward, (_, { storage }) => {
    armTimer(storage.sql, { name: 'bad', dueMs: at(1), version: 1, payload: { kind: 'unheard_of' } })
  })
  await ring(3)
  expect(await toldTo(person)).toEqual(['Call Ada'])
  expect(await steward.list()).toEqual([{ name: 'bad', dueMs: at(3) + 2000, version: 1, attempts: 1 }])
  expect(await alarmMs()).toBe(at(3) + 2000)
  await ring(4)
  expect(await steward.list()).toMatchObject([{ name: 'bad', attempts: 2 }])
})

test('an older version that comes late changes nothing', async () => {
  const { steward, timer } = await makeWorld()
  const id = 'task_00000000000000000000000000'
  await steward.arm([timer(id, 9, 3)])
  expect(await steward.arm([timer(id, 5, 2)])).toEqual({ ok: true, armed: 0 })
  expect(await steward.cancel(`reminder:${id}`, 2)).toEqual({ ok: true, cancelled: false })
  expect(await steward.list()).toMatchObject([{ dueMs: at(9), version: 3 }])
  expect(await steward.cancel(`reminder:${id}`, 4)).toEqual({ ok: true, cancelled: true })
  expect(await steward.arm([timer(id, 5, 3)])).toEqual({ ok: true, armed: 0 })
  expect(await steward.list()).toEqual([])
})

test('a timer moved to another time fires at that time only', async () => {
  const { person, steward, remind, ring, timer } = await makeWorld()
  const task = await remind('Call Ada', 8)
  await steward.arm([timer(task.id, 2)])
  await steward.arm([timer(task.id, 8, 2)])
  expect(await ring(2)).toBe(true)
  expect(await toldTo(person)).toEqual([])
  await ring(8)
  expect(await toldTo(person)).toEqual(['Call Ada'])
})

test('a timer whose task was completed meanwhile fires and says nothing', async () => {
  const { person, steward, remind, ring } = await makeWorld()
  const task = await remind('Call Ada', 5)
  await steward.arm([task.timer])
  await completeTask(person, task.id)
  expect(await ring(5)).toBe(true)
  expect(await toldTo(person)).toEqual([])
})

test('an alarm that the platform gave up is set again', async () => {
  const { steward, remind, alarmMs } = await makeWorld()
  await steward.arm([(await remind('Call Ada', 5)).timer])
  await runInDurableObject(steward, (_, { storage }) => storage.deleteAlarm())
  await steward.wake()
  expect(await alarmMs()).toBe(at(5))
})

test('what is not a timer is refused whole', async () => {
  const { steward, timer } = await makeWorld()
  const good = timer('task_00000000000000000000000000', 5)
  expect(await steward.arm([good, { ...good, version: 0 }])).toEqual({ ok: false, reason: 'invalid' })
  expect(await steward.list()).toEqual([])
})

test('an erased person has no timers, and the object serves on', async () => {
  const { steward, timer, alarmMs } = await makeWorld()
  const id = 'task_00000000000000000000000000'
  await steward.arm([timer(id, 5, 7)])
  expect(await steward.erase()).toEqual({ ok: true })
  expect(await steward.list()).toEqual([])
  expect(await alarmMs()).toBeNull()
  expect(await steward.arm([timer(id, 5)])).toEqual({ ok: true, armed: 1 })
})

test('a reminder rings by itself, at its time', async () => {
  const { person, steward, timer } = await makeWorld()
  vi.useRealTimers()
  const due = new Date()
  const [date = '', time = ''] = due.toISOString().split(/[T.]/)
  const { id } = await createTask(person, { title: 'Now', remindAt: { date, time } })
  await steward.arm([{ ...timer(id, 0), dueMs: due.getTime() }])
  await vi.waitFor(async () => expect(await toldTo(person)).toEqual(['Now']), { timeout: 5000, interval: 20 })
})

test('what was granted of a window outlives an eviction, and ends with the window', async () => {
  const { steward } = await makeWorld()
  const ask = { name: 'ai', quota: 2, windowS: 60, spent: 0, isExact: true }
  const once = async (minutes: number) => {
    clockAt(minutes)
    return (await steward.grantCalls({ ...ask, sinceMs: at(minutes) })).granted
  }
  expect([await once(0), await once(0)]).toEqual([1, 1])
  await evictDurableObject(steward)
  expect(await once(0.9)).toBe(0)
  expect(await once(1)).toBe(1)
})

test('what is learned of a person outlives an eviction, and is gone with them', async () => {
  const { steward } = await makeWorld()
  const heard = { id: 'sug_1.2.suggestion.decided', kind: 'triage', cell: 'morning/weekday', act: 'dismissed' as const }
  await steward.learning({ do: 'learn', heard: [heard, heard] })
  await steward.learning({ do: 'edit', edits: [{ kind: 'finance', week: 'weekend', set: 'mute' }] })
  await evictDurableObject(steward)
  const weigh = async (kind: string, cell: string) =>
    (await steward.learning({ do: 'weigh', kind, cell, later: [] })).weighed
  expect(await weigh('finance', 'morning/weekend')).toEqual({ speak: false, expected: 0.5, better: null })
  const { lines } = await steward.learning({ do: 'edit', edits: [{ kind: 'finance', set: 'forget' }] })
  expect(lines).toMatchObject([{ kind: 'triage', yes: 0, no: 1, says: 'too little is known of triage ideas yet' }])
  await steward.erase()
  expect(await steward.learning({ do: 'show' })).toEqual({ weighed: null, lines: [] })
  expect(await steward.held()).toBe(0)
})
