import { and, eq } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { outbox } from '#queue/tables'
import { makePerson, type Person } from '#test/database'
import { deleteTask, emptyBin, restoreTask } from './bin.ts'
import { completeTask } from './complete.ts'
import { createTask } from './create.ts'
import { reopenTask } from './reopen.ts'
import { tasks } from './tables.ts'
import { getTask } from './task.ts'
import { updateTask } from './update.ts'

const eventsOf = (person: Person, key: string) =>
  person.db
    .select({ id: outbox.id })
    .from(outbox)
    .where(and(eq(outbox.userId, person.actor.userId), eq(outbox.key, key)))
    .orderBy(outbox.version)

test('the bin takes a task with its subtasks and gives them back', async () => {
  const person = await makePerson()
  const top = await createTask(person, { title: 'top' })
  const sub = await createTask(person, { title: 'sub', parentId: top.id })
  expect(await deleteTask(person, top.id)).toEqual({ id: top.id, title: 'top', deletedAt: expect.any(String) })
  for (const id of [top.id, sub.id]) {
    await expect(getTask(person, id)).rejects.toMatchObject({ code: 'not_found' })
    await expect(updateTask(person, id, { title: 'x' }, '*')).rejects.toMatchObject({ code: 'not_found' })
    await expect(completeTask(person, id)).rejects.toMatchObject({ code: 'not_found' })
    await expect(reopenTask(person, id)).rejects.toMatchObject({ code: 'not_found' })
    await expect(deleteTask(person, id)).rejects.toMatchObject({ code: 'not_found' })
  }
  const back = await restoreTask(person, top.id)
  expect(back).toMatchObject({ deletedAt: null, version: 3 })
  expect(await restoreTask(person, top.id)).toEqual(back)
  expect(await getTask(person, sub.id)).toMatchObject({ parentId: top.id, version: 3 })
  const told = (await eventsOf(person, sub.id)).map(({ id }) => id.split('.').slice(1).join('.'))
  expect(told).toEqual(['1.task.created', '2.task.deleted', '3.task.restored'])
})

test('what went into the bin before its parent stays there', async () => {
  const person = await makePerson()
  const top = await createTask(person, { title: 'top' })
  const sub = await createTask(person, { title: 'sub', parentId: top.id })
  await deleteTask({ ...person, now: () => new Date('2026-01-01T00:00:00Z') }, sub.id)
  await deleteTask(person, top.id)
  await restoreTask(person, top.id)
  await expect(getTask(person, sub.id)).rejects.toMatchObject({ code: 'not_found' })
})

test('a subtask that comes back without its parent stands alone', async () => {
  const person = await makePerson()
  const top = await createTask(person, { title: 'top' })
  const sub = await createTask(person, { title: 'sub', parentId: top.id })
  await deleteTask(person, top.id)
  expect(await restoreTask(person, sub.id)).toMatchObject({ parentId: null, deletedAt: null })
  await expect(getTask(person, top.id)).rejects.toMatchObject({ code: 'not_found' })
})

test('what lay in the bin for thirty days is deleted for good, and nothing else', async () => {
  const person = await makePerson()
  const on = (instant: string) => ({ ...person, now: () => new Date(instant) })
  const make = (title: string, parentId?: string) => createTask(person, { title, ...(parentId && { parentId }) })
  const old = await make('old')
  const below = await make('below', old.id)
  const late = await make('late')
  const live = await make('live')
  const torn = await make('torn')
  const held = await make('held', torn.id)
  await deleteTask(on('2001-01-01T00:00:00Z'), old.id)
  await deleteTask(on('2001-01-02T00:00:01Z'), late.id)
  await deleteTask(on('2001-01-01T00:00:00Z'), torn.id)
  // As a subtask that was made while its parent went.
  await person.db.update(tasks).set({ deletedAt: null }).where(eq(tasks.id, held.id))
  await emptyBin(on('2001-02-01T00:00:00Z'))
  await emptyBin(on('2001-02-01T00:00:00Z'))
  const left = await person.db.select({ id: tasks.id }).from(tasks).where(eq(tasks.userId, person.actor.userId))
  expect(left.map(({ id }) => id).sort()).toEqual([late.id, live.id, torn.id, held.id].sort())
  expect(await eventsOf(person, below.id)).toHaveLength(2)
})
