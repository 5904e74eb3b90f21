import { eq } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { keepReminders, upcoming } from '#calendar'
import { memories } from '#memories/tables'
import { listNotifications, notify } from '#notifications'
import type { NewTimer } from '#scheduler'
import { listTasks } from '#tasks'
import { makePerson, revoke } from '#test/database'
import { importItems, mappedId } from './import.ts'
import { Import } from './schema.ts'

const AT = '2026-01-02T03:04:05.678+00:00'
const USER = `usr_${'0'.repeat(26)}`
const idOf = (prefix: string, n: number) => `${prefix}_01jd6w3k9q${String(n).padStart(16, 'a')}`
const kept = { userId: USER, version: 3, createdAt: AT, updatedAt: AT }
const memory = (n: number, more = {}) => ({
  id: idOf('mem', n),
  ...kept,
  kind: 'fact',
  text: `memory ${n}`,
  sourceMessageId: null,
  deletedAt: null,
  ...more,
})
const none = (...names: string[]) => Object.fromEntries(names.map((name) => [name, null]))
const task = (n: number, more = {}) => ({
  id: idOf('task', n),
  ...kept,
  title: `task ${n}`,
  notes: '',
  status: 'pending',
  priority: 'medium',
  labels: ['a'],
  position: n,
  ...none('projectId', 'parentId', 'startDate', 'startTime', 'startZone', 'startAt', 'dueDate', 'dueTime', 'dueZone'),
  ...none('dueAt', 'remindDate', 'remindTime', 'remindZone', 'remindAt', 'remindedAt', 'estimateMinutes'),
  ...none('actualMinutes', 'recurrence', 'followsId', 'externalProvider', 'externalId', 'aiReason', 'aiConfidence'),
  ...none('completedAt', 'deletedAt'),
  ...more,
})
const NOTHING = { left: [], refused: [], switchedOff: [] }
const read = (file: string, items: object[]) => Import.parse({ file, items })

test('ids are other ones for each person, always the same, in the order they were in', () => {
  const ids = [1, 2, 3].map((n) => idOf('msg', n))
  const [ada, ben] = ['usr_ada', 'usr_ben'].map((userId) => ids.map((id) => mappedId(userId, id)))
  expect(ada).toEqual(ids.map((id) => mappedId('usr_ada', id)))
  expect(new Set([...ids, ...(ada ?? []), ...(ben ?? [])]).size).toBe(9)
  expect([...(ada ?? [])].sort()).toEqual(ada)
  for (const id of ada ?? []) expect(id).toMatch(/^msg_01jd6w3k9q[0-9a-hjkmnp-tv-z]{16}$/)
})

test('what says it is of the years to come is of now: nothing outlasts what takes away all there was', async () => {
  const person = await makePerson()
  const ahead = '2099-01-01T00:00:00Z'
  await importItems(person, read('memories', [memory(1, { createdAt: ahead, updatedAt: ahead })]))
  const [row] = await person.db.select().from(memories).where(eq(memories.userId, person.actor.userId))
  expect([row?.createdAt, row?.updatedAt].map((at) => (at ?? new Date(ahead)) < new Date('2098-01-01'))).toEqual([
    true,
    true,
  ])
})

test('what comes twice is there once, and as it was', async () => {
  const person = await makePerson()
  const given = read('memories', [memory(1), memory(2)])
  expect(await importItems(person, given)).toEqual({ ...NOTHING, imported: 2, known: 0 })
  expect(person.meter.trips).toBe(1)
  expect(await importItems(person, given)).toEqual({ ...NOTHING, imported: 0, known: 2 })
  const rows = await person.db.select().from(memories).where(eq(memories.userId, person.actor.userId))
  expect(rows).toHaveLength(2)
  expect(rows[0]).toMatchObject({ text: 'memory 1', version: 3, createdAt: new Date(AT) })
})

test('two people may have the same archive, and neither touches what is the other’s', async () => {
  const [one, two] = [await makePerson(), await makePerson()]
  const given = read('tasks', [task(1)])
  for (const person of [one, two]) expect((await importItems(person, given)).imported).toBe(1)
  for (const person of [one, two]) expect((await listTasks(person, { limit: 10 })).items).toHaveLength(1)
})

test('a subtask waits for its task, and no subtask has one of its own', async () => {
  const person = await makePerson()
  const [parent, child, grandchild] = [
    task(1),
    task(2, { parentId: idOf('task', 1) }),
    task(3, { parentId: idOf('task', 2) }),
  ]
  expect(await importItems(person, read('tasks', [parent, child]))).toMatchObject({ imported: 1, left: [child.id] })
  expect(await importItems(person, read('tasks', [child]))).toMatchObject({ imported: 1, left: [] })
  expect(await importItems(person, read('tasks', [grandchild]))).toMatchObject({ imported: 0, left: [grandchild.id] })
})

test('what no verb would have made is refused', () => {
  for (const more of [
    { status: 'completed' },
    { recurrence: 'FREQ=SECONDLY' },
    { title: 'x'.repeat(301) },
    { position: 1e16 },
    { hash: 'x' },
  ])
    expect(Import.safeParse({ file: 'tasks', items: [task(1, more)] }).success).toBe(false)
  expect(Import.safeParse({ file: 'users', items: [{ id: USER }] }).success).toBe(false)
  expect(Import.safeParse({ file: 'tasks', items: [task(1)] }).success).toBe(true)
})

test('it takes a session that lives, and a fresh sign-in', async () => {
  const person = await makePerson()
  const stale = { ...person, actor: { ...person.actor, authAtMs: 1 } }
  const given = read('memories', [memory(1)])
  await expect(importItems(stale, given)).rejects.toMatchObject({ code: 'step_up_required' })
  await revoke(person)
  await expect(importItems(person, given)).rejects.toThrow()
  await expect(importItems(person, read('tasks', [task(2, { parentId: idOf('task', 9) })]))).rejects.toThrow()
})

const wall = (name: string, time: string, instant: string) => ({
  [`${name}Date`]: '2031-03-10',
  [`${name}Time`]: time,
  [`${name}Zone`]: 'Europe/Berlin',
  [`${name}At`]: instant,
})
const event = (n: number, more = {}) => ({
  id: idOf('cal', n),
  ...kept,
  title: 'Standup',
  notes: '',
  location: '',
  status: 'confirmed',
  transparency: 'busy',
  attendees: [],
  ...wall('start', '09:00:00', '2031-03-10T08:00:00+00:00'),
  ...wall('end', '10:00:00', '2031-03-10T09:00:00+00:00'),
  recurrence: 'FREQ=WEEKLY;COUNT=3',
  exceptions: { '2031-03-17': { isCancelled: true } },
  reminders: [10],
  ...none('externalProvider', 'externalId', 'deletedAt'),
  ...more,
})

test('an event comes back with what of it differs, and its next reminder is set by cron', async () => {
  const person = await makePerson({ timeZone: 'Europe/Berlin' })
  const one = event(1)
  const given = read('calendar_events', [one])
  expect(await importItems(person, given)).toEqual({ ...NOTHING, imported: 1, known: 0 })
  expect(await importItems(person, given)).toEqual({ ...NOTHING, imported: 0, known: 1 })
  const { items } = await upcoming({ ...person, now: () => new Date('2031-03-01') }, 10)
  expect(items.map(({ start }) => start.at)).toEqual(['2031-03-10T08:00:00.000Z', '2031-03-24T08:00:00.000Z'])
  const backwards = { ...one, endAt: '2031-03-10T07:00:00Z' }
  expect(Import.safeParse({ file: 'calendar_events', items: [backwards] }).success).toBe(false)
  const id = mappedId(person.actor.userId, one.id)
  const timers: NewTimer[] = []
  const steward = { arm: async (given: NewTimer[]) => ({ ok: true, armed: timers.push(...given) }) }
  const env = { EVENTS: person.env.EVENTS, STEWARD: { getByName: () => steward } } as unknown as Env
  await keepReminders({ ...person, env }, { userId: person.actor.userId, id })
  expect(timers).toMatchObject([{ name: `event:${id}`, dueMs: Date.parse('2031-03-10T07:50:00Z') }])
})

test('of events that repeat no more come back than a person may have', async () => {
  const person = await makePerson()
  const some = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => event(from + n))
  for (const [from, to] of [
    [0, 100],
    [100, 198],
  ] as const)
    expect(await importItems(person, read('calendar_events', some(from, to)))).toMatchObject({ left: [] })
  const beyond = [event(197), ...some(200, 204), event(300, { recurrence: null }), event(301, { deletedAt: AT })]
  const left = [idOf('cal', 202), idOf('cal', 203)]
  expect(await importItems(person, read('calendar_events', beyond))).toEqual({
    ...NOTHING,
    imported: 4,
    known: 1,
    left,
  })
  expect(await importItems(person, read('calendar_events', beyond))).toEqual({
    ...NOTHING,
    imported: 0,
    known: 5,
    left,
  })
  expect(await importItems(await makePerson(), read('calendar_events', beyond))).toMatchObject({ left: [] })
})

test('a notification of what was told here already is known, not left; of what a stranger was told, it is taken', async () => {
  const [person, stranger] = [await makePerson(), await makePerson()]
  const told = { kind: 'security' as const, title: 'Welcome', dedupeKey: 'welcome' }
  const { id } = await notify(person, told)
  const words = { ...told, body: '', priority: 'medium', link: null }
  const item = { id: idOf('ntf', 1), ...kept, ...words, ...none('scheduledAt', 'expiresAt', 'readAt') }
  for (const _ of [1, 2])
    expect(await importItems(person, read('notifications', [item]))).toEqual({ ...NOTHING, imported: 0, known: 1 })
  expect((await listNotifications(person, { limit: 10 })).items).toMatchObject([{ id }])
  expect(await importItems(stranger, read('notifications', [item]))).toEqual({ ...NOTHING, imported: 1, known: 0 })
})
