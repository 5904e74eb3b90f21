import { expect, test } from 'vitest'
import { encodeCursor } from '#core'
import { makePerson, type Person } from '#test/database'
import { deleteTask } from './bin.ts'
import { completeTask } from './complete.ts'
import { createTask, createTasks } from './create.ts'
import { listTasks } from './list.ts'
import { createProject, listProjects } from './projects.ts'
import { type NewTask, SORTS, type TaskListInput, TaskSort } from './schema.ts'
import { updateTask } from './update.ts'

const NO_PROJECT = 'prj_00000000000000000000000000'
const at = (instant: string) => ({ now: () => new Date(instant) })

async function titles(person: Person, filter: Partial<TaskListInput>): Promise<string[]> {
  const { items } = await listTasks(person, { limit: 100, sort: 'title', ...filter })
  return items.map(({ title }) => title)
}

const fill = (person: Person, ...inputs: NewTask[]) => createTasks(person, inputs, (_n, field) => field)

/** Ties and nulls in every sort. */
async function crowd(): Promise<Person> {
  const person = await makePerson(at('2026-06-01T00:00:00Z'))
  const made = await fill(
    person,
    ...Array.from({ length: 24 }, (_, i): NewTask => {
      const day = ['2026-06-02', '2026-06-02', '2026-06-03', null][i % 4]
      return {
        title: `Task ${'abc'[i % 3]}`,
        due: day ? { date: day, time: '09:00' } : null,
        priority: (['low', 'medium', 'high', 'urgent'] as const)[i % 4],
        position: i % 5,
      }
    }),
  )
  for (const [i, { id }] of made.entries()) {
    if (i % 3 === 0) await completeTask({ ...person, ...at(`2026-06-0${2 + (i % 2)}T00:00:00Z`) }, id)
  }
  return person
}

test('paging over ties and missing values meets each task once, in order, in every sort', async () => {
  const person = await crowd()
  for (const sort of TaskSort.options) {
    for (const order of ['asc', 'desc'] as const) {
      const all = (await listTasks(person, { limit: 100, sort, order })).items
      expect(all).toHaveLength(24)
      const paged: string[] = []
      let cursor: string | undefined
      do {
        const page = await listTasks(person, { limit: 5, sort, order, cursor })
        paged.push(...page.items.map(({ id }) => id))
        cursor = page.nextCursor ?? undefined
      } while (cursor)
      expect(paged, `${sort} ${order}`).toEqual(all.map(({ id }) => id))
    }
  }
})

test('what has no value comes last, whichever way it is sorted', async () => {
  const person = await crowd()
  for (const order of ['asc', 'desc'] as const) {
    const due = (await listTasks(person, { limit: 100, sort: 'due', order })).items.map((task) => task.due?.at ?? null)
    const known = due.filter((instant) => instant !== null)
    expect(due.slice(known.length)).toEqual(due.slice(known.length).map(() => null))
    expect(known).toEqual(order === 'asc' ? known.toSorted() : known.toSorted().toReversed())
  }
})

test('each sort has its usual order', async () => {
  const person = await crowd()
  for (const sort of TaskSort.options) {
    const [usual, said] = await Promise.all([
      listTasks(person, { limit: 30, sort }),
      listTasks(person, { limit: 30, sort, order: SORTS[sort] }),
    ])
    expect(usual).toEqual(said)
  }
  const { items } = await listTasks(person, { limit: 100, sort: 'priority' })
  expect(items[0]?.priority).toBe('urgent')
  expect(items.at(-1)?.priority).toBe('low')
})

test('a cursor of another sort, or one made up, is refused', async () => {
  const person = await crowd()
  const { items, nextCursor } = await listTasks(person, { limit: 5, sort: 'due' })
  const id = items[0]?.id ?? ''
  const soon = '2026-06-01T00:00:00.000000Z'
  const made: [TaskSort, (string | number | null)[]][] = [
    ['created', ['soon', id]],
    ['created', ['2026-02-30T00:00:00.000000Z', id]],
    ['created', ['2026-06-01', id]],
    ['created', [null, id]],
    ['created', [soon, 'foo']],
    ['created', [soon, `${id}\0`]],
    ['created', [soon]],
    ['created', [1e308, 1]],
    ['due', ['0000-01-01T00:00:00.000000Z', id]],
    ['due', ['99999-01-01T00:00:00.000000Z', id]],
    ['due', [null, null]],
    ['position', ['1e', id]],
    ['position', ['1e308', id]],
    ['position', [' ', id]],
    ['priority', ['NaN', id]],
    ['title', ['a\0', id]],
    ['title', ['\ud800', id]],
  ]
  const cursors = made.map(([sort, key]) => [sort, encodeCursor(`tasks.${sort}.${SORTS[sort]}`, key)] as const)
  for (const [sort, cursor] of [['created', nextCursor ?? ''], ['created', 'rubbish'], ...cursors] as const) {
    await expect(listTasks(person, { limit: 5, sort, cursor }), cursor).rejects.toMatchObject({
      code: 'invalid_cursor',
    })
  }
  for (const key of [
    ['x', 'y'],
    [1, 'prj_1'],
    [1e308, NO_PROJECT],
  ]) {
    const cursor = encodeCursor('projects', key)
    await expect(listProjects(person, { limit: 5, cursor })).rejects.toMatchObject({ code: 'invalid_cursor' })
  }
})

test('filters narrow, and together narrow further', async () => {
  const person = await makePerson()
  const project = await createProject(person, { name: 'p' })
  const top = await createTask(person, { title: 'top', labels: ['home', 'Garden'], priority: 'urgent' })
  await fill(
    person,
    { title: 'in', projectId: project.id, labels: ['home'] },
    { title: 'sub', parentId: top.id, status: 'in_progress' },
    { title: 'gone' },
    { title: 'off' },
    { title: 'done' },
  )
  const { items } = await listTasks(person, { limit: 10 })
  const idOf = (title: string) => items.find((task) => task.title === title)?.id ?? ''
  await deleteTask(person, idOf('gone'))
  await updateTask(person, idOf('off'), { status: 'cancelled' }, '*')
  await completeTask(person, idOf('done'))
  expect(await titles(person, {})).toEqual(['done', 'in', 'off', 'sub', 'top'])
  expect(await titles(person, { deleted: true })).toEqual(['gone'])
  expect(await titles(person, { open: true })).toEqual(['in', 'sub', 'top'])
  expect(await titles(person, { open: false })).toEqual(['done', 'off'])
  expect(await titles(person, { status: ['completed', 'in_progress'] })).toEqual(['done', 'sub'])
  expect(await titles(person, { projectId: project.id })).toEqual(['in'])
  expect(await titles(person, { projectId: 'none', open: true })).toEqual(['sub', 'top'])
  expect(await titles(person, { parentId: top.id })).toEqual(['sub'])
  expect(await titles(person, { parentId: 'none', open: true })).toEqual(['in', 'top'])
  expect(await titles(person, { label: 'home' })).toEqual(['in', 'top'])
  expect(await titles(person, { label: 'garden' })).toEqual([])
  expect(await titles(person, { priority: 'urgent' })).toEqual(['top'])
  expect(await titles(person, { label: 'home', priority: 'medium' })).toEqual(['in'])
})

test('all words of a text occur in title or notes, and signs mean themselves', async () => {
  const person = await makePerson()
  await fill(
    person,
    { title: 'Call Ada', notes: 'about the BOAT' },
    { title: 'Boat trip' },
    { title: 'Save 100%', notes: 'a_b \\ c' },
    { title: 'Save 100x', notes: 'aXb' },
  )
  expect(await titles(person, { text: 'boat' })).toEqual(['Boat trip', 'Call Ada'])
  expect(await titles(person, { text: '  ADA   boat ' })).toEqual(['Call Ada'])
  expect(await titles(person, { text: '100%' })).toEqual(['Save 100%'])
  expect(await titles(person, { text: 'a_b' })).toEqual(['Save 100%'])
  expect(await titles(person, { text: '\\' })).toEqual(['Save 100%'])
  expect(await titles(person, { text: ' ' })).toHaveLength(4)
})

test('a day means its start where the person is, and ranges are half-open', async () => {
  const person = await makePerson({ timeZone: 'Pacific/Auckland' })
  await fill(
    person,
    { title: 'a', due: { date: '2026-09-26', time: '23:59:59' } },
    { title: 'b', due: { date: '2026-09-27', time: '00:00' } },
    { title: 'c', due: { date: '2026-09-27' } },
    { title: 'd', due: { date: '2026-09-28', time: '00:00' } },
    { title: 'none' },
  )
  expect(await titles(person, { dueAfter: '2026-09-27', dueBefore: '2026-09-28' })).toEqual(['b', 'c'])
  expect(await titles(person, { dueAfter: '2026-09-26T12:00:00Z' })).toEqual(['b', 'c', 'd'])
  expect(await titles(person, { dueBefore: '2026-09-27T00:00:00+12:00' })).toEqual(['a'])
})

test('completions are found by when, and what is overdue by now', async () => {
  const person = await makePerson(at('2026-06-10T12:00:00Z'))
  const made = await fill(
    person,
    { title: 'late', due: { date: '2026-06-10', time: '11:59' } },
    { title: 'today', due: { date: '2026-06-10' } },
    { title: 'whenever' },
    { title: 'was late', due: { date: '2026-06-09' } },
  )
  await completeTask({ ...person, ...at('2026-06-10T08:00:00Z') }, made[3]?.id ?? '')
  expect(await titles(person, { overdue: true })).toEqual(['late'])
  expect(await titles(person, { overdue: false })).toEqual(['today', 'was late', 'whenever'])
  expect(await titles(person, { completedAfter: '2026-06-10', completedBefore: '2026-06-11' })).toEqual(['was late'])
  expect(await titles(person, { completedBefore: '2026-06-10T08:00:00Z' })).toEqual([])
})
