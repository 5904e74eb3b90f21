import { and, eq, like } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { newId } from '#core'
import { outbox } from '#queue/tables'
import { makePerson, type Person } from '#test/database'
import { deleteTask, restoreTask } from './bin.ts'
import { completeTask } from './complete.ts'
import { createTask } from './create.ts'
import { getInsights } from './insights.ts'
import { listTasks } from './list.ts'
import { createProject } from './projects.ts'
import { reopenTask } from './reopen.ts'
import type { TaskPatch } from './schema.ts'
import { Task as TaskSchema } from './schema.ts'
import { getTask } from './task.ts'
import { updateTask, updateTaskWithBefore } from './update.ts'

const NOBODYS = 'task_00000000000000000000000000'
const NO_PROJECT = 'prj_00000000000000000000000000'

async function trips<T>(person: Person, work: () => Promise<T>): Promise<number> {
  person.meter.trips = 0
  await work()
  return person.meter.trips
}

const eventsOf = (person: Person, key: string) =>
  person.db
    .select({ id: outbox.id, room: outbox.room, version: outbox.version, data: outbox.data })
    .from(outbox)
    .where(and(eq(outbox.userId, person.actor.userId), like(outbox.key, key)))
    .orderBy(outbox.version)

test('a task is made with what was given, and one event tells it whole', async () => {
  const person = await makePerson({ timeZone: 'America/New_York' })
  const project = await createProject(person, { name: 'Boat' })
  const given = {
    title: 'Paint the hull',
    notes: 'Two coats',
    priority: 'high',
    labels: ['boat', 'summer'],
    projectId: project.id,
    start: { date: '2026-03-07' },
    due: { date: '2026-03-08', time: '02:30' },
    remindAt: { date: '2026-11-01', time: '01:30:15', timeZone: 'Europe/Berlin' },
    estimateMinutes: 90,
    recurrence: 'FREQ=WEEKLY',
  } as const
  person.sent.length = 0
  const task = await createTask(person, {
    ...given,
    labels: [...given.labels],
    aiReason: 'You asked',
    aiConfidence: 0.5,
  })
  expect(TaskSchema().parse(task)).toMatchObject({
    ...given,
    status: 'pending',
    start: { date: '2026-03-07', time: null, timeZone: 'America/New_York', at: '2026-03-08T04:59:59.999Z' },
    due: { date: '2026-03-08', time: '02:30', timeZone: 'America/New_York', at: '2026-03-08T07:30:00.000Z' },
    remindAt: { date: '2026-11-01', time: '01:30:15', timeZone: 'Europe/Berlin', at: '2026-11-01T00:30:15.000Z' },
    parentId: null,
    aiReason: 'You asked',
    aiConfidence: 0.5,
    completedAt: null,
    version: 1,
  })
  expect(await getTask(person, task.id)).toEqual(task)
  const outboxId = `${task.id}.1.task.created`
  expect(await eventsOf(person, task.id)).toEqual([{ id: outboxId, room: 'tasks', version: 1, data: task }])
  expect(person.sent).toEqual([{ v: 1, kind: 'event', outboxId }])
})

test('reading, listing, making, changing and completing cost one trip each', async () => {
  const person = await makePerson()
  expect(await trips(person, () => createTask(person, { title: 'a' }))).toBe(1)
  const { id } = await createTask(person, { title: 'b', due: { date: '2026-01-01' } })
  expect(await trips(person, () => getTask(person, id))).toBe(1)
  expect(
    await trips(person, () => listTasks(person, { limit: 10, dueBefore: '2026-01-02', text: 'b', sort: 'due' })),
  ).toBe(1)
  expect(await trips(person, () => updateTask(person, id, { title: 'c', due: { date: '2026-01-02' } }, 1))).toBe(1)
  expect(await trips(person, () => completeTask(person, id))).toBe(1)
  expect(await trips(person, () => reopenTask(person, id))).toBe(1)
  expect(await trips(person, () => deleteTask(person, id))).toBe(1)
  expect(await trips(person, () => restoreTask(person, id))).toBe(1)
  expect(await trips(person, () => getInsights(person))).toBe(1)
})

test('made again under the same id, the task that is there is answered and told once', async () => {
  const id = newId('task', new Date())
  const person = await makePerson({ newId: () => id })
  const first = await createTask(person, { title: 'once' })
  const changed = await updateTask(person, id, { title: 'changed since' }, 1)
  expect(await createTask(person, { title: 'once' })).toEqual(changed)
  expect((await eventsOf(person, id)).map((event) => event.id)).toEqual([
    `${id}.1.task.created`,
    `${id}.2.task.updated`,
  ])
  expect((await listTasks(person, { limit: 10 })).items).toHaveLength(1)
  const other: Person = { ...(await makePerson()), newId: () => id }
  await expect(createTask(other, { title: 'theirs' })).rejects.toThrow()
  expect(await getTask(person, first.id)).toEqual(changed)
})

test('a change touches what it names, null empties, and tells what was there before', async () => {
  const person = await makePerson({ timeZone: 'Europe/Berlin' })
  const made = await createTask(person, {
    title: 'a',
    notes: 'n',
    labels: ['x'],
    due: { date: '2026-05-01', time: '09:00' },
    estimateMinutes: 5,
  })
  const { before, after } = await updateTaskWithBefore(
    person,
    made.id,
    {
      status: 'in_progress',
      labels: ['y', 'z'],
      due: { date: '2026-05-02', timeZone: 'UTC' },
      estimateMinutes: null,
      actualMinutes: 7,
      position: 2.5,
    },
    1,
  )
  expect(before).toEqual(made)
  expect(after).toEqual({
    ...made,
    status: 'in_progress',
    labels: ['y', 'z'],
    due: { date: '2026-05-02', time: null, timeZone: 'UTC', at: '2026-05-02T23:59:59.999Z' },
    estimateMinutes: null,
    actualMinutes: 7,
    position: 2.5,
    version: 2,
    updatedAt: expect.any(String),
  })
  const emptied = await updateTask(person, made.id, { due: null, labels: [], notes: '' }, '*')
  expect(emptied).toMatchObject({ due: null, labels: [], notes: '', title: 'a', version: 3 })
  expect((await eventsOf(person, made.id)).map(({ version, data }) => [version, data])).toEqual([
    [1, made],
    [2, after],
    [3, emptied],
  ])
})

test('a stale version changes nothing, and a missing task is another matter', async () => {
  const person = await makePerson()
  const { id } = await createTask(person, { title: 'a' })
  await updateTask(person, id, { title: 'b' }, 1)
  await expect(updateTask(person, id, { title: 'c' }, 1)).rejects.toMatchObject({ code: 'version_stale' })
  await expect(updateTask(person, id, { title: 'c' }, 7)).rejects.toMatchObject({ code: 'version_stale' })
  await expect(updateTask(person, NOBODYS, { title: 'c' }, 1)).rejects.toMatchObject({ code: 'not_found' })
  await expect(updateTask(person, NOBODYS, { title: 'c' }, '*')).rejects.toMatchObject({ code: 'not_found' })
  expect(await getTask(person, id)).toMatchObject({ title: 'b', version: 2 })
})

test('changed by many at once, no change is lost and the versions are one each', async () => {
  const person = await makePerson()
  const { id } = await createTask(person, { title: 'a' })
  const all = await Promise.all(
    ['b', 'c', 'd', 'e'].map((label) => updateTaskWithBefore(person, id, { labels: [label] }, '*')),
  )
  expect(new Set(all.map(({ after }) => after.version)).size).toBe(4)
  for (const { before, after } of all) expect(after.version).toBe(before.version + 1)
})

test.each<[string, TaskPatch, string]>([
  ["another person's project", {}, '/projectId'],
  ['a project that is not there', { projectId: NO_PROJECT }, '/projectId'],
  ["another person's task above it", {}, '/parentId'],
  ['a task above it that is not there', { parentId: NOBODYS }, '/parentId'],
  ['a recurrence without a due', { recurrence: 'FREQ=DAILY' }, '/recurrence'],
])('%s is refused with a pointer, and nothing is made or changed', async (name, given, pointer) => {
  const [person, stranger] = [await makePerson(), await makePerson()]
  const patch = { ...given }
  if (name.includes('person') && pointer === '/projectId')
    patch.projectId = (await createProject(stranger, { name: 'x' })).id
  if (name.includes('person') && pointer === '/parentId')
    patch.parentId = (await createTask(stranger, { title: 'x' })).id
  const refused = { code: 'invalid_request', errors: [{ pointer }] }
  const { id } = await createTask(person, { title: 'a' })
  await expect(updateTask(person, id, patch, '*')).rejects.toMatchObject(refused)
  await expect(
    createTask(person, { title: 'b', ...patch } as TaskPatch & { title: string; status?: 'pending' }),
  ).rejects.toMatchObject(refused)
  expect((await listTasks(person, { limit: 10 })).items).toMatchObject([{ title: 'a', version: 1 }])
})

test('a recurring task keeps its due', async () => {
  const person = await makePerson()
  const { id } = await createTask(person, { title: 'a', due: { date: '2026-01-01' }, recurrence: 'FREQ=DAILY' })
  await expect(updateTask(person, id, { due: null }, '*')).rejects.toMatchObject({
    errors: [{ pointer: '/recurrence' }],
  })
  expect(await updateTask(person, id, { due: null, recurrence: null }, '*')).toMatchObject({
    due: null,
    recurrence: null,
  })
})

test('subtasks are one level deep and never go round', async () => {
  const person = await makePerson()
  const refused = { code: 'invalid_request', errors: [{ pointer: '/parentId' }] }
  const top = await createTask(person, { title: 'top' })
  const sub = await createTask(person, { title: 'sub', parentId: top.id })
  const alone = await createTask(person, { title: 'alone' })
  await expect(createTask(person, { title: 'deep', parentId: sub.id })).rejects.toMatchObject(refused)
  await expect(updateTask(person, top.id, { parentId: top.id }, '*')).rejects.toMatchObject(refused)
  await expect(updateTask(person, top.id, { parentId: sub.id }, '*')).rejects.toMatchObject(refused)
  await expect(updateTask(person, top.id, { parentId: alone.id }, '*')).rejects.toMatchObject(refused)
  expect(await updateTask(person, alone.id, { parentId: top.id }, '*')).toMatchObject({ parentId: top.id })
  expect(await updateTask(person, sub.id, { parentId: null }, '*')).toMatchObject({ parentId: null })
})
