import { expect, test } from 'vitest'
import type { Ctx } from '#core'
import { databaseFailure } from '#database'
import { makePerson, type Person, revoke } from '#test/database'
import { deleteTask, restoreTask } from './bin.ts'
import { bulk } from './bulk.ts'
import { completeTask } from './complete.ts'
import { createTask } from './create.ts'
import { getInsights } from './insights.ts'
import { listTasks } from './list.ts'
import { createProject, deleteProject, getProject, listProjects, updateProject } from './projects.ts'
import { getReminder } from './reminders.ts'
import { reopenTask } from './reopen.ts'
import type { Task } from './schema.ts'
import { getTask } from './task.ts'
import { updateTask } from './update.ts'

const NOBODYS = 'task_00000000000000000000000000'
const NO_PROJECT = 'prj_00000000000000000000000000'

const verbs: [string, (ctx: Person, task: string, project: string) => Promise<unknown>][] = [
  ['reads a task', (ctx, id) => getTask(ctx, id)],
  ['changes a task', (ctx, id) => updateTask(ctx, id, { title: 'mine now' }, '*')],
  ['completes a task', (ctx, id) => completeTask(ctx, id)],
  ['reopens a task', (ctx, id) => reopenTask(ctx, id)],
  ['deletes a task', (ctx, id) => deleteTask(ctx, id)],
  ['restores a task', (ctx, id) => restoreTask(ctx, id)],
  ['completes many', (ctx, id) => bulk(ctx, { action: 'complete', ids: [id] })],
  ['changes many', (ctx, id) => bulk(ctx, { action: 'update', items: [{ id, patch: { title: 'mine now' } }] })],
  ['reads a project', (ctx, _, id) => getProject(ctx, id)],
  ['changes a project', (ctx, _, id) => updateProject(ctx, id, { name: 'mine now' }, '*')],
  ['deletes a project', (ctx, _, id) => deleteProject(ctx, id)],
]

test.each(verbs)('whoever %s of another person finds none', async (_name, verb) => {
  const [owner, stranger] = [await makePerson(), await makePerson()]
  const task = await createTask(owner, { title: 'theirs' })
  const project = await createProject(owner, { name: 'theirs' })
  await expect(verb(stranger, task.id, project.id)).rejects.toMatchObject({ code: 'not_found' })
  expect(await getTask(owner, task.id)).toEqual(task)
  expect(await getProject(owner, project.id)).toEqual(project)
  expect((await listTasks(stranger, { limit: 10, projectId: project.id })).items).toEqual([])
})

test.each<[string, (ctx: Person, task: string, project: string) => Promise<unknown>]>([
  ...verbs,
  ['makes a task', (ctx) => createTask(ctx, { title: 'x' })],
  ['makes a task in a project', (ctx) => createTask(ctx, { title: 'x', projectId: NO_PROJECT, parentId: NOBODYS })],
  ['lists tasks', (ctx) => listTasks(ctx, { limit: 1, dueAfter: '2026-01-01' })],
  ['asks how it goes', (ctx) => getInsights(ctx)],
  ['reads a reminder', (ctx) => getReminder(ctx, NOBODYS)],
  ['makes a project', (ctx) => createProject(ctx, { name: 'x' })],
  ['lists projects', (ctx) => listProjects(ctx, { limit: 1 })],
])('an ended session that %s is told so, even where nothing is there', async (_name, verb) => {
  const person = await makePerson()
  await revoke(person)
  const error: unknown = await verb(person, NOBODYS, NO_PROJECT).catch((reason: unknown) => reason)
  expect(databaseFailure(error)?.code).toBe('session_ended')
})

test('the system acts for a person without a session', async () => {
  const person = await makePerson()
  const system: Pick<Ctx, 'db' | 'now' | 'newId' | 'env' | 'waitUntil' | 'log'> & Pick<Person, 'actor'> = {
    ...person,
    actor: { ...person.actor, sessionId: null },
  }
  await revoke(person)
  const task: Task = await createTask(system, { title: 'made for them' })
  expect(await completeTask(system, task.id)).toMatchObject({ task: { status: 'completed' } })
})
