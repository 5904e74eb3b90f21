import { and, eq } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { outbox } from '#queue/tables'
import { makePerson, type Person } from '#test/database'
import { deleteTask, restoreTask } from './bin.ts'
import { completeTask } from './complete.ts'
import { createTask } from './create.ts'
import { reopenTask } from './reopen.ts'
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
