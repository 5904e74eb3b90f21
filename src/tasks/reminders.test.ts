import { expect, test } from 'vitest'
import { makePerson, type Person } from '#test/database'
import { deleteTask } from './bin.ts'
import { completeTask } from './complete.ts'
import { createTask } from './create.ts'
import { getReminder, markReminded, waitingReminders } from './reminders.ts'
import { updateTask } from './update.ts'

const LIMIT = 100_000
const wall = (agoS: number) => {
  const text = new Date(Date.now() - agoS * 1000).toISOString()
  return { date: text.slice(0, 10), time: text.slice(11, 19), timeZone: 'UTC' }
}

const remind = (person: Person, agoS: number) => createTask(person, { title: 'Call', remindAt: wall(agoS) })

async function overdueOf(person: Person, olderThanS: number): Promise<string[]> {
  const rows = await waitingReminders(person.db, new Date(Date.now() - olderThanS * 1000), LIMIT)
  return rows.filter(({ userId }) => userId === person.actor.userId).map(({ id }) => id)
}

test('a reminder waits until it is noted as given, and then no more', async () => {
  const person = await makePerson()
  const task = await remind(person, 60)
  expect(await getReminder(person, task.id)).toEqual(task)
  const at = task.remindAt?.at ?? ''
  const mark = () => markReminded(person.db, person.actor.userId, task.id, at)
  expect(await mark()).toEqual([{ id: task.id }])
  expect(await mark()).toEqual([])
  expect(await getReminder(person, task.id)).toBeNull()
})

test('a reminder that moved is not noted as given, and one that was given and moved waits again', async () => {
  const person = await makePerson()
  const task = await remind(person, 60)
  const at = task.remindAt?.at ?? ''
  const moved = await updateTask(person, task.id, { remindAt: wall(30) }, '*')
  expect(await markReminded(person.db, person.actor.userId, task.id, at)).toEqual([])
  await markReminded(person.db, person.actor.userId, task.id, moved.remindAt?.at ?? '')
  await updateTask(person, task.id, { title: 'Call now', remindAt: wall(30) }, '*')
  const same = await updateTask(
    person,
    task.id,
    { remindAt: moved.remindAt && { ...wall(0), ...pick(moved.remindAt) } },
    '*',
  )
  expect(same.remindAt).toEqual(moved.remindAt)
  expect(await getReminder(person, task.id)).toBeNull()
  await updateTask(person, task.id, { remindAt: wall(-60) }, '*')
  expect(await getReminder(person, task.id)).not.toBeNull()
})

const pick = ({ date, time }: { date: string; time: string | null }) => ({ date, time: time ?? '00:00' })

test('what is done, cancelled, in the bin or without a reminder has none', async () => {
  const person = await makePerson()
  const [done, off, gone, none] = await Promise.all([
    remind(person, 9),
    remind(person, 9),
    remind(person, 9),
    remind(person, 9),
  ])
  await completeTask(person, done.id)
  await updateTask(person, off.id, { status: 'cancelled' }, '*')
  await deleteTask(person, gone.id)
  await updateTask(person, none.id, { remindAt: null }, '*')
  for (const { id } of [done, off, gone, none]) expect(await getReminder(person, id)).toBeNull()
  expect(await overdueOf(person, 0)).toEqual([])
})

test("another person's reminder is none, and not theirs to note", async () => {
  const [owner, stranger] = [await makePerson(), await makePerson()]
  const task = await remind(owner, 60)
  expect(await getReminder(stranger, task.id)).toBeNull()
  expect(await markReminded(stranger.db, stranger.actor.userId, task.id, task.remindAt?.at ?? '')).toEqual([])
})

test('the sweep finds what should have been given, for a week, oldest first', async () => {
  const person = await makePerson()
  const DAY_S = 86_400
  const old = await remind(person, 6 * DAY_S)
  const recent = await remind(person, 60)
  await remind(person, 8 * DAY_S)
  await remind(person, -60)
  expect(await overdueOf(person, 15)).toEqual([old.id, recent.id])
  expect(await overdueOf(person, 120)).toEqual([old.id])
  await markReminded(person.db, person.actor.userId, old.id, old.remindAt?.at ?? '')
  expect(await overdueOf(person, 15)).toEqual([recent.id])
})
