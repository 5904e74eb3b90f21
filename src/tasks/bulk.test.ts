import { expect, test } from 'vitest'
import { makePerson, type Person } from '#test/database'
import { bulk } from './bulk.ts'
import { createTask } from './create.ts'
import { listTasks } from './list.ts'
import { Bulk, type Task } from './schema.ts'
import { getTask } from './task.ts'

const NOBODYS = 'task_00000000000000000000000000'

async function some(person: Person, count: number): Promise<Task[]> {
  const items = Array.from({ length: count }, (_, i) => ({ title: `t${i}` }))
  return (await bulk(person, { action: 'create', items })).items.map(({ task }) => task)
}

test('a hundred tasks are made in one trip, in order, each with its event', async () => {
  const person = await makePerson()
  const made = await some(person, 100)
  expect(person.meter.trips).toBe(1)
  expect(made.map(({ title }) => title)).toEqual(Array.from({ length: 100 }, (_, i) => `t${i}`))
  expect(new Set(made.map(({ id }) => id)).size).toBe(100)
  expect(person.sent).toHaveLength(100)
  const { items } = await listTasks(person, { limit: 100, sort: 'position' })
  expect(items.map(({ id }) => id)).toEqual(made.map(({ id }) => id))
})

test('a hundred tasks are changed in one trip, each in its own way', async () => {
  const person = await makePerson()
  const made = await some(person, 100)
  person.meter.trips = 0
  const items = made.map(({ id, version }, i) => ({
    id,
    version,
    patch: i % 2 ? { title: `u${i}` } : { priority: 'low' as const },
  }))
  const changed = (await bulk(person, { action: 'update', items })).items
  expect(person.meter.trips).toBe(1)
  expect(changed[3]?.task).toMatchObject({ id: made[3]?.id, title: 'u3', priority: 'medium', version: 2 })
  expect(changed[4]?.task).toMatchObject({ id: made[4]?.id, title: 't4', priority: 'low', version: 2 })
})

test('a hundred tasks are completed in one trip, in two where one recurs', async () => {
  const person = await makePerson()
  const made = await some(person, 99)
  person.meter.trips = 0
  const ids = made.map(({ id }) => id)
  expect((await bulk(person, { action: 'complete', ids: ids.slice(0, 50) })).items).toHaveLength(50)
  expect(person.meter.trips).toBe(1)
  const recurring = await createTask(person, { title: 'r', due: { date: '2026-01-01' }, recurrence: 'FREQ=DAILY' })
  person.meter.trips = 0
  const { items } = await bulk(person, { action: 'complete', ids: [...ids, recurring.id] })
  expect(person.meter.trips).toBe(2)
  expect(items.every(({ task }) => task.status === 'completed')).toBe(true)
  expect(items.filter(({ next }) => next).map(({ task }) => task.id)).toEqual([recurring.id])
  expect(items[0]?.task.version).toBe(2)
})

test('when one cannot be done none is, and every such one is pointed at', async () => {
  const [person, stranger] = [await makePerson(), await makePerson()]
  const [a, b] = await some(person, 2)
  const [theirs] = await some(stranger, 1)
  if (!a || !b || !theirs) throw new Error('nothing made')
  await expect(bulk(person, { action: 'complete', ids: [a.id, theirs.id, NOBODYS] })).rejects.toMatchObject({
    code: 'not_found',
    errors: [{ pointer: '/ids/1' }, { pointer: '/ids/2' }],
  })
  const items = [
    { id: a.id, patch: { title: 'x' } },
    { id: b.id, version: 9, patch: { title: 'y' } },
    { id: theirs.id, patch: { title: 'z' } },
  ]
  await expect(bulk(person, { action: 'update', items })).rejects.toMatchObject({
    code: 'version_stale',
    errors: [{ pointer: '/items/1/version' }, { pointer: '/items/2/id' }],
  })
  const parented = [{ title: 'ok' }, { title: 'bad', parentId: theirs.id }, { title: 'odd', recurrence: 'FREQ=DAILY' }]
  await expect(bulk(person, { action: 'create', items: parented })).rejects.toMatchObject({
    code: 'invalid_request',
    errors: [{ pointer: '/items/2/recurrence' }],
  })
  await expect(bulk(person, { action: 'create', items: parented.slice(0, 2) })).rejects.toMatchObject({
    code: 'invalid_request',
    errors: [{ pointer: '/items/1/parentId' }],
  })
  expect(await getTask(person, a.id)).toEqual(a)
  expect((await listTasks(person, { limit: 10 })).items).toHaveLength(2)
})

test('a bulk puts no task under one that it puts under another, whichever way round', async () => {
  const person = await makePerson()
  const [a, b, c] = await some(person, 3)
  if (!a || !b || !c) throw new Error('nothing made')
  const under = (task: Task, parent: Task) => ({ id: task.id, patch: { parentId: parent.id } })
  const refused = async (items: { id: string; patch: { parentId: string } }[], ...pointers: number[]) =>
    await expect(bulk(person, { action: 'update', items })).rejects.toMatchObject({
      code: 'invalid_request',
      errors: pointers.map((n) => ({ pointer: `/items/${n}/patch/parentId` })),
    })
  await refused([under(a, b), under(b, a)], 0, 1)
  await refused([under(a, b), under(b, c)], 0)
  await refused([under(b, c), under(a, b)], 1)
  await bulk(person, { action: 'update', items: [under(a, c), under(b, c)] })
  expect(await getTask(person, b.id)).toMatchObject({ parentId: c.id })
  // What stays where it is may be said again, and what leaves makes way for the next time.
  await refused([under(a, c), under(c, b)], 1)
})

test('an empty patch in a bulk changes nothing and tells nobody, and its version is still looked at', async () => {
  const person = await makePerson()
  const [a, b] = await some(person, 2)
  if (!a || !b) throw new Error('nothing made')
  person.meter.trips = person.sent.length = 0
  const items = [
    { id: a.id, patch: {} },
    { id: b.id, patch: { title: 'x' } },
  ]
  const changed = (await bulk(person, { action: 'update', items })).items
  expect(person.meter.trips).toBe(1)
  expect(changed.map(({ task }) => task)).toEqual([a, { ...b, title: 'x', version: 2, updatedAt: expect.any(String) }])
  expect(person.sent).toHaveLength(1)
  const stale = [{ id: a.id, version: 9, patch: {} }]
  await expect(bulk(person, { action: 'update', items: stale })).rejects.toMatchObject({ code: 'version_stale' })
})

test('a request names each task once, and a hundred at most', () => {
  const id = NOBODYS
  const fits = (input: unknown) => Bulk.safeParse(input).success
  expect(fits({ action: 'complete', ids: [id] })).toBe(true)
  expect(fits({ action: 'complete', ids: [id, id] })).toBe(false)
  expect(
    fits({
      action: 'update',
      items: [
        { id, patch: {} },
        { id, patch: {} },
      ],
    }),
  ).toBe(false)
  expect(fits({ action: 'create', items: Array.from({ length: 101 }, () => ({ title: 'x' })) })).toBe(false)
  expect(fits({ action: 'create', items: [] })).toBe(false)
  expect(fits({ action: 'delete', ids: [id] })).toBe(false)
})
