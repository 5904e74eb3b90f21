import { expect, test } from 'vitest'
import { z } from 'zod'
import type { Tool } from '#core'
import { makePerson, type Person } from '#test/database'
import { getProject } from './projects.ts'
import type { Project, Task } from './schema.ts'
import { getTask } from './task.ts'
import { taskTools } from './tools.ts'

function tool(name: string): Tool {
  const found = taskTools.find((one) => one.name === name)
  if (!found) throw new Error(`no tool ${name}`)
  return found
}

async function use<T>(person: Person, name: string, input: unknown) {
  const { output, undo } = await tool(name).run(person, input)
  const back = async () => {
    if (!undo) throw new Error('nothing to undo')
    // What calls an undo reads its input by the tool's schema first, as it reads a model's.
    return await tool(undo.tool).run(person, tool(undo.tool).input.parse(JSON.parse(JSON.stringify(undo.input))))
  }
  return { output: output as T, undo, back }
}

const make = async (person: Person, over = {}) =>
  (await use<Task>(person, 'create_task', { title: 'Call Ada', due: { date: '2026-03-27', time: '09:00' }, ...over }))
    .output

// What taking an act back cannot give back.
const essence = ({ version: _, updatedAt: __, ...task }: Task) => task

test('a model can read the schema of every tool, and only deleting asks first', () => {
  for (const { input } of taskTools) {
    expect(z.toJSONSchema(input, { io: 'input', unrepresentable: 'any' })).toMatchObject({ type: 'object' })
  }
  expect(taskTools.filter(({ destructive }) => destructive).map(({ name }) => name)).toEqual([
    'delete_task',
    'delete_project',
  ])
  const reading = taskTools.filter(({ readOnly }) => readOnly).map(({ name }) => name)
  expect(reading).toEqual(['find_tasks', 'task_insights', 'list_projects'])
})

test('what a tool may undo with is a tool', async () => {
  const person = await makePerson()
  const { undo, back, output } = await use<Task>(person, 'create_task', { title: 'a' })
  expect(undo).toEqual({ tool: 'delete_task', input: { id: output.id }, says: 'Deleted “a”' })
  await back()
  await expect(getTask(person, output.id)).rejects.toMatchObject({ code: 'not_found' })
})

test('input that does not fit is refused by its field', async () => {
  const person = await makePerson()
  const refused = { code: 'invalid_request', errors: [{ pointer: '/remindAt/time' }] }
  await expect(use(person, 'create_task', { title: 'a', remindAt: { date: '2026-01-01' } })).rejects.toMatchObject(
    refused,
  )
  await expect(use(person, 'update_task', { id: 'task_1' })).rejects.toMatchObject({ code: 'invalid_request' })
})

test('a change is taken back to the last field, moments and all', async () => {
  const person = await makePerson({ timeZone: 'Europe/Berlin' })
  const task = await make(person, {
    labels: ['x'],
    remindAt: { date: '2026-03-27', time: '08:00' },
    start: { date: '2026-03-20' },
  })
  const { output, back } = await use<Task>(person, 'update_task', {
    id: task.id,
    title: 'b',
    notes: 'n',
    labels: [],
    priority: 'urgent',
    due: null,
    start: { date: '2026-03-21', time: '10:00' },
    remindAt: null,
    status: 'in_progress',
    estimateMinutes: 5,
    actualMinutes: 6,
    recurrence: null,
    position: 1,
  })
  expect(output).toMatchObject({ title: 'b', due: null, status: 'in_progress' })
  await back()
  expect(essence(await getTask(person, task.id))).toEqual(essence(task))
})

test('several changes are taken back together', async () => {
  const person = await makePerson()
  const [a, b] = [await make(person), await make(person)]
  const items = [
    { id: a.id, title: 'x' },
    { id: b.id, priority: 'low', due: { date: '2026-04-01' } },
  ]
  const { output, back } = await use<{ items: Task[] }>(person, 'bulk_update', { items })
  expect(output.items).toMatchObject([{ title: 'x' }, { priority: 'low' }])
  await back()
  expect(essence(await getTask(person, a.id))).toEqual(essence(a))
  expect(essence(await getTask(person, b.id))).toEqual(essence(b))
})

test('a completion is taken back with its next occurrence, to the status it had', async () => {
  const person = await makePerson()
  const { id } = await make(person, { recurrence: 'RRULE:freq=daily' })
  await use(person, 'update_task', { id, status: 'in_progress' })
  const before = await getTask(person, id)
  const { output, back } = await use<{ task: Task; next: Task }>(person, 'complete_task', { id })
  expect(output).toMatchObject({ task: { status: 'completed' }, next: { recurrence: 'FREQ=DAILY' } })
  expect((await use(person, 'complete_task', { id })).undo).toBeUndefined()
  await back()
  expect(essence(await getTask(person, id))).toEqual(essence(before))
  await expect(getTask(person, output.next.id)).rejects.toMatchObject({ code: 'not_found' })
})

test('a reopening is taken back to when it was completed, or to cancelled', async () => {
  const person = await makePerson()
  const { id } = await make(person)
  await use(person, 'complete_task', { id, completedAt: '2026-01-01T10:00:00Z' })
  const before = await getTask(person, id)
  await (await use(person, 'reopen_task', { id })).back()
  expect(essence(await getTask(person, id))).toEqual(essence(before))
  const other = await make(person)
  await use(person, 'update_task', { id: other.id, status: 'cancelled' })
  await (await use(person, 'reopen_task', { id: other.id })).back()
  expect(await getTask(person, other.id)).toMatchObject({ status: 'cancelled' })
  expect((await use(person, 'reopen_task', { id: (await make(person)).id })).undo).toBeUndefined()
})

test('nothing is completed in the future', async () => {
  const person = await makePerson({ now: () => new Date('2026-01-01T00:00:00Z') })
  const { id } = await make(person)
  const { output } = await use<{ task: Task }>(person, 'complete_task', { id, completedAt: '2030-01-01T00:00:00Z' })
  expect(output.task.completedAt).toBe('2026-01-01T00:00:00.000Z')
})

test('the bin works both ways', async () => {
  const person = await makePerson()
  const task = await make(person)
  const { output, back } = await use(person, 'delete_task', { id: task.id })
  expect(output).toEqual({ id: task.id, title: task.title, deletedAt: expect.any(String) })
  await back()
  expect(essence(await getTask(person, task.id))).toEqual(essence(task))
})

test('tasks are found by what a model says of them', async () => {
  const person = await makePerson()
  const task = await make(person)
  await make(person, { title: 'other' })
  const input = { text: 'ada', open: true, status: ['pending'], dueBefore: '2026-03-28', sort: 'due' }
  expect((await use(person, 'find_tasks', input)).output).toEqual({ items: [task], nextCursor: null })
  expect((await use<{ open: number }>(person, 'task_insights', {})).output.open).toBe(2)
})

test('projects are made, put away and listed, and each is taken back', async () => {
  const person = await makePerson()
  const made = await use<Project>(person, 'create_project', { name: 'Boat' })
  const { id } = made.output
  const archived = await use<Project>(person, 'archive_project', { id })
  expect((await use(person, 'list_projects', {})).output).toEqual({ items: [] })
  expect((await use(person, 'list_projects', { archived: true })).output).toEqual({ items: [archived.output] })
  await archived.back()
  expect(await getProject(person, id)).toMatchObject({ archivedAt: null })
  await made.back()
  expect(await getProject(person, id)).toMatchObject({ archivedAt: expect.any(String) })
})
