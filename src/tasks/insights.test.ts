import { expect, test } from 'vitest'
import { makePerson, type Person } from '#test/database'
import { deleteTask } from './bin.ts'
import { completeTask } from './complete.ts'
import { createTask } from './create.ts'
import { getInsights } from './insights.ts'
import { TaskInsights } from './schema.ts'

async function doneAt(person: Person, ...instants: string[]): Promise<void> {
  for (const instant of instants) {
    const { id } = await createTask(person, { title: instant })
    await completeTask(person, id, new Date(instant))
  }
}

test('nothing done is nothing counted', async () => {
  const person = await makePerson({ timeZone: 'Asia/Tokyo', now: () => new Date('2026-11-22T20:00:00Z') })
  const insights = TaskInsights().parse(await getInsights(person))
  expect(insights).toMatchObject({ timeZone: 'Asia/Tokyo', open: 0, overdue: 0, dueToday: 0, streakDays: 0 })
  expect(insights.completedPerHour).toEqual(Array(24).fill(0))
  expect(insights.completedPerWeek.map(({ weekStart }) => weekStart)).toEqual([
    '2026-10-05',
    '2026-10-12',
    '2026-10-19',
    '2026-10-26',
    '2026-11-02',
    '2026-11-09',
    '2026-11-16',
    '2026-11-23',
  ])
})

test('days, weeks and hours are those of the person, also where the clocks change', async () => {
  // Monday 2 November 2026, 00:30 in New York; the clocks went back the day before.
  const person = await makePerson({ timeZone: 'America/New_York', now: () => new Date('2026-11-02T05:30:00Z') })
  await doneAt(
    person,
    '2026-11-02T05:15:00Z', // Monday 00:15
    '2026-11-02T04:59:59Z', // Sunday 23:59, winter time
    '2026-11-01T04:30:00Z', // Sunday 00:30, summer time
    '2026-11-01T03:59:59Z', // Saturday 23:59
    '2026-10-30T13:00:00Z', // Friday 09:00
    '2026-09-13T12:00:00Z', // the Sunday before the eight weeks
    '2026-09-14T12:00:00Z', // the first Monday of them, 08:00
  )
  const { completedPerWeek, completedPerHour, streakDays } = await getInsights(person)
  expect(completedPerWeek.map(({ count }) => count)).toEqual([1, 0, 0, 0, 0, 0, 4, 1])
  expect(completedPerWeek[0]?.weekStart).toBe('2026-09-14')
  expect(completedPerHour).toEqual([2, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2])
  expect(streakDays).toBe(4)
})

test('a streak lives through the day after, and no longer', async () => {
  let now = new Date('2026-06-03T12:00:00Z')
  const person = await makePerson({ now: () => now })
  await doneAt(person, '2026-06-01T10:00:00Z', '2026-06-02T10:00:00Z', '2026-06-02T23:00:00Z', '2026-05-29T10:00:00Z')
  expect((await getInsights(person)).streakDays).toBe(2)
  now = new Date('2026-06-04T00:00:00Z')
  expect((await getInsights(person)).streakDays).toBe(0)
})

test('open, overdue and due today are counted by now and by the day of the person', async () => {
  const person = await makePerson({ timeZone: 'Europe/Berlin', now: () => new Date('2026-06-03T10:00:00Z') })
  const due = (date: string, time?: string) => createTask(person, { title: 'x', due: { date, ...(time && { time }) } })
  await due('2026-06-02')
  await due('2026-06-03', '11:59')
  await due('2026-06-03', '12:01')
  await due('2026-06-03')
  await due('2026-06-04', '00:00')
  await createTask(person, { title: 'whenever' })
  const { id: binned } = await due('2026-06-01')
  await deleteTask(person, binned)
  await completeTask(person, (await due('2026-06-01')).id)
  expect(await getInsights(person)).toMatchObject({ open: 6, overdue: 2, dueToday: 3 })
})

test('what was done counts even from the bin, and never for anybody else', async () => {
  const now = () => new Date('2026-06-03T10:00:00Z')
  const [person, other] = [await makePerson({ now }), await makePerson({ now })]
  const { id } = await createTask(person, { title: 'a' })
  await completeTask(person, id)
  await deleteTask(person, id)
  expect((await getInsights(person)).streakDays).toBe(1)
  expect((await getInsights(other)).streakDays).toBe(0)
})
