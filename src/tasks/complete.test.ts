import { and, eq } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { outbox } from '#queue/tables'
import { makePerson, type Person } from '#test/database'
import { deleteTask, restoreTask } from './bin.ts'
import { completeTask } from './complete.ts'
import { createTask } from './create.ts'
import { listTasks } from './list.ts'
import { reopenTask } from './reopen.ts'
import type { NewTask, Task } from './schema.ts'
import { getTask } from './task.ts'
import { updateTask } from './update.ts'

const at = (instant: string) => ({ now: () => new Date(instant) })
const NINE = { date: '2026-03-27', time: '09:00' }

const daily = (person: Person, over: Partial<NewTask> = {}) =>
  createTask(person, { title: 'Water the plants', due: NINE, recurrence: 'FREQ=DAILY', ...over })

const all = async (person: Person) => (await listTasks(person, { limit: 100, sort: 'due' })).items

async function typesOf(person: Person, task: Task | null): Promise<string[]> {
  const events = await person.db
    .select({ type: outbox.type })
    .from(outbox)
    .where(and(eq(outbox.userId, person.actor.userId), eq(outbox.key, task?.id ?? '')))
    .orderBy(outbox.version)
  return events.map(({ type }) => type)
}

test('completing is done once, however often it is asked', async () => {
  const person = await makePerson(at('2026-03-27T10:00:00Z'))
  const task = await createTask(person, { title: 'a' })
  const first = await completeTask(person, task.id)
  expect(first).toMatchObject({
    task: { status: 'completed', completedAt: '2026-03-27T10:00:00.000Z', version: 2 },
    next: null,
  })
  const second = await completeTask({ ...person, ...at('2026-03-28T10:00:00Z') }, task.id)
  expect(second).toMatchObject({ task: first.task, next: null })
  expect(await typesOf(person, task)).toEqual(['task.created', 'task.completed'])
})

test('a recurring task is followed by its next occurrence, in two trips and with both events', async () => {
  const person = await makePerson({ timeZone: 'Europe/Berlin', ...at('2026-03-27T07:00:00Z') })
  const task = await daily(person, {
    notes: 'all of them',
    priority: 'high',
    labels: ['home'],
    start: { date: '2026-03-26' },
    remindAt: { date: '2026-03-27', time: '08:45' },
    estimateMinutes: 10,
  })
  await updateTask(person, task.id, { actualMinutes: 12, status: 'in_progress' }, '*')
  person.meter.trips = 0
  const { next } = await completeTask(person, task.id)
  expect(person.meter.trips).toBe(2)
  expect(next).toMatchObject({
    title: task.title,
    notes: 'all of them',
    priority: 'high',
    labels: ['home'],
    status: 'pending',
    start: { date: '2026-03-27', time: null },
    due: { date: '2026-03-28', time: '09:00', timeZone: 'Europe/Berlin', at: '2026-03-28T08:00:00.000Z' },
    remindAt: { date: '2026-03-28', time: '08:45' },
    estimateMinutes: 10,
    actualMinutes: null,
    recurrence: 'FREQ=DAILY',
    position: task.position,
    completedAt: null,
    version: 1,
  })
  expect(await typesOf(person, task)).toEqual(['task.created', 'task.updated', 'task.completed'])
  expect(await typesOf(person, next)).toEqual(['task.created'])
})

test('completed twice, and by many at once, there is one next occurrence and everybody is told which', async () => {
  const person = await makePerson(at('2026-03-27T10:00:00Z'))
  const task = await daily(person)
  const answers = await Promise.all(Array.from({ length: 6 }, () => completeTask(person, task.id)))
  answers.push(await completeTask(person, task.id))
  expect(new Set(answers.map(({ next }) => next?.id)).size).toBe(1)
  expect(await all(person)).toHaveLength(2)
  expect(await typesOf(person, task)).toEqual(['task.created', 'task.completed'])
})

test('occurrences keep the wall clock across both changes of clocks', async () => {
  const person = await makePerson({ timeZone: 'Europe/Berlin', ...at('2026-03-01T00:00:00Z') })
  for (const date of ['2026-03-28', '2026-10-24']) {
    let task = await daily(person, { due: { date, time: '02:30' } })
    const instants: string[] = []
    for (let i = 0; i < 3; i++) {
      const { next } = await completeTask(person, task.id)
      if (!next) throw new Error('no next')
      expect(next.due).toMatchObject({ time: '02:30' })
      instants.push(next.due?.at.slice(5, 16) ?? '')
      task = next
    }
    expect(instants).toEqual(
      date === '2026-03-28'
        ? ['03-29T01:30', '03-30T00:30', '03-31T00:30']
        : ['10-25T00:30', '10-26T01:30', '10-27T01:30'],
    )
  }
})

test('a late completion skips what has passed, and the last of a COUNT has no next', async () => {
  const person = await makePerson(at('2026-03-29T12:00:00Z'))
  const task = await daily(person, { recurrence: 'FREQ=DAILY;COUNT=4' })
  const { next } = await completeTask(person, task.id)
  expect(next).toMatchObject({ due: { date: '2026-03-30' }, recurrence: 'FREQ=DAILY;COUNT=1' })
  person.meter.trips = 0
  expect(await completeTask(person, next?.id ?? '')).toMatchObject({ task: { status: 'completed' }, next: null })
  expect(await all(person)).toHaveLength(2)
})

test('the subtasks come again with the next occurrence, open', async () => {
  const person = await makePerson(at('2026-03-27T10:00:00Z'))
  const task = await daily(person)
  const sub = await createTask(person, { title: 'the fern', parentId: task.id, due: { date: '2026-03-26' } })
  const gone = await createTask(person, { title: 'the cactus', parentId: task.id })
  await completeTask(person, sub.id)
  await deleteTask(person, gone.id)
  const { next } = await completeTask(person, task.id)
  const { items } = await listTasks(person, { limit: 10, parentId: next?.id })
  expect(items).toMatchObject([{ title: 'the fern', status: 'pending', due: { date: '2026-03-27' }, version: 1 }])
  expect(items[0]?.id).not.toBe(sub.id)
})

test('reopening takes an untouched next occurrence back, and completing again makes one again', async () => {
  const person = await makePerson(at('2026-03-27T10:00:00Z'))
  const task = await daily(person)
  await createTask(person, { title: 'the fern', parentId: task.id })
  const { next } = await completeTask(person, task.id)
  person.meter.trips = 0
  const { task: open, before } = await reopenTask(person, task.id)
  expect(person.meter.trips).toBe(1)
  expect(open).toMatchObject({ status: 'pending', completedAt: null, version: 3 })
  expect(before).toMatchObject({ status: 'completed', version: 2 })
  await expect(getTask(person, next?.id ?? '')).rejects.toMatchObject({ code: 'not_found' })
  expect(await all(person)).toHaveLength(2)
  expect(await typesOf(person, next)).toEqual(['task.created', 'task.deleted'])
  const again = await completeTask(person, task.id)
  expect(again.next).toMatchObject({ due: { date: '2026-03-28' } })
  expect(again.next?.id).not.toBe(next?.id)
  expect(await all(person)).toHaveLength(4)
})

test('a next occurrence that was touched stays with its subtasks, and is not made a second time', async () => {
  const person = await makePerson(at('2026-03-27T10:00:00Z'))
  const task = await daily(person)
  await createTask(person, { title: 'the fern', parentId: task.id })
  const { next } = await completeTask(person, task.id)
  await updateTask(person, next?.id ?? '', { notes: 'not the fern' }, 1)
  await reopenTask(person, task.id)
  expect(await getTask(person, next?.id ?? '')).toMatchObject({ notes: 'not the fern', status: 'pending' })
  expect((await listTasks(person, { limit: 10, parentId: next?.id })).items).toHaveLength(1)
  expect((await completeTask(person, task.id)).next?.id).toBe(next?.id)
  expect(await all(person)).toHaveLength(4)
})

test('reopening an open task changes nothing', async () => {
  const person = await makePerson()
  const task = await createTask(person, { title: 'a' })
  expect(await reopenTask(person, task.id)).toEqual({ task, before: task })
  expect(await typesOf(person, task)).toEqual(['task.created'])
})

test('a cancelled task is reopened before it is completed, a completed one before its status changes', async () => {
  const person = await makePerson()
  const { id } = await createTask(person, { title: 'a' })
  await updateTask(person, id, { status: 'cancelled' }, '*')
  await expect(completeTask(person, id)).rejects.toMatchObject({ code: 'conflict' })
  expect((await reopenTask(person, id, 'in_progress')).task).toMatchObject({ status: 'in_progress' })
  await completeTask(person, id)
  await expect(updateTask(person, id, { status: 'pending' }, '*')).rejects.toMatchObject({ code: 'conflict' })
  expect(await updateTask(person, id, { notes: 'done well' }, '*')).toMatchObject({
    status: 'completed',
    notes: 'done well',
  })
})

test('what was done earlier is completed then', async () => {
  const person = await makePerson(at('2026-03-27T10:00:00Z'))
  const { id } = await createTask(person, { title: 'a' })
  const { task } = await completeTask(person, id, new Date('2026-03-26T08:00:00Z'))
  expect(task.completedAt).toBe('2026-03-26T08:00:00.000Z')
})

test('completed again after an answer was lost, the ids drawn again make nothing new', async () => {
  const ids = ['task_00000000000000000000000001', 'task_00000000000000000000000002']
  const person = await makePerson(at('2026-03-27T10:00:00Z'))
  const task = await daily(person)
  const drawing = () => {
    let drawn = 0
    const unique = task.id.slice(5, 25)
    return { ...person, newId: () => `task_${unique}${ids[drawn++]?.slice(-6)}` }
  }
  const first = await completeTask(drawing(), task.id)
  expect((await completeTask(drawing(), task.id)).next).toEqual(first.next)
  await deleteTask(person, first.next?.id ?? '')
  expect((await completeTask(drawing(), task.id)).next).toBeNull()
  expect(await restoreTask(person, first.next?.id ?? '')).toMatchObject({ deletedAt: null })
})
