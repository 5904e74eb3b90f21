import type { SQL } from 'drizzle-orm'
import { z } from 'zod'
import { defineTool, s, type Tool } from '#core'
import { bringBack, deleteTask } from './bin.ts'
import { completeTask } from './complete.ts'
import { createTask } from './create.ts'
import { getInsights } from './insights.ts'
import { listTasks } from './list.ts'
import { changeOf, familyState, planFor, taskState, tasksState, undoOf } from './plans.ts'
import { projectTools } from './project-tools.ts'
import { reopenTask } from './reopen.ts'
import { MAX_BULK, NewTask, type Task, TaskFilter, TaskPatch } from './schema.ts'
import { updateTasks } from './update.ts'

const taskId = z.strictObject({ id: s.id('task') })
type Binned = Pick<Task, 'id' | 'title' | 'deletedAt'>
const patchOf = TaskPatch.extend({ id: s.id('task') })

const atAll = (_n: number, field: string) => `/${field}`
const ofItems = (n: number, field: string) => `/items/${n}/${field}`

/** Everything an assistant may do with tasks and projects. */
export const taskTools: Tool[] = [
  defineTool({
    name: 'create_task',
    description:
      'Make a task. A due or start is a date with an optional time; without a time it means the whole day. A reminder needs a time.' +
      ' A recurrence is an RRULE and needs a due.',
    input: NewTask,
    run: async (ctx, input) => ({ output: await createTask(ctx, input) }),
    state: (ctx, _, newId) => familyState(ctx, newId('task')),
    plan: (input, _, newId) => {
      const id = newId('task')
      const { title } = input
      return {
        says: `Create “${title}”`,
        changes: [{ target: id, before: null, after: input }],
        undo: undoOf.create({ id, title }),
      }
    },
  }),
  defineTool({
    name: 'find_tasks',
    description:
      'Tasks that fit every filter given. Days are those of the user. Use it to learn the id of a task before changing it.',
    input: TaskFilter,
    readOnly: true,
    run: async (ctx, input) => ({ output: await listTasks(ctx, input) }),
  }),
  defineTool({
    name: 'update_task',
    description: 'Change a task. Give only what changes; null empties a field. Completing has its own tool.',
    input: patchOf,
    run: async (ctx, { id, ...patch }) => {
      const [change] = await updateTasks(ctx, [{ id, patch }], atAll)
      if (!change) throw new Error('an update returned no row')
      return { output: change.after, before: change.before }
    },
    state: (ctx, { id }) => taskState(ctx, id),
    plan: ({ id, ...patch }, before) =>
      planFor(id, before, ['Change', patch, (was) => undoOf.update(was, { id, ...patch })]),
  }),
  defineTool({
    name: 'bulk_update',
    description: 'Change several tasks at once: all of them, or none when one cannot be changed.',
    input: z.strictObject({ items: s.list(patchOf, MAX_BULK, 1) }),
    run: async (ctx, { items }) => {
      const changes = await updateTasks(
        ctx,
        items.map(({ id, ...patch }) => ({ id, patch })),
        ofItems,
      )
      return { output: { items: changes.map(({ after }) => after) }, before: changes.map(({ before }) => before) }
    },
    state: (ctx, { items }) =>
      tasksState(
        ctx,
        items.map(({ id }) => id),
      ),
    plan: ({ items }, before) => {
      const changes = items.flatMap(({ id, ...patch }) => {
        const was = before?.find((task) => task.id === id)
        return was ? [changeOf(was, patch)] : [{ target: id, before: null, after: patch }]
      })
      return { says: `Change ${items.length} tasks`, changes, undo: before && undoOf.bulk(before, items) }
    },
  }),
  defineTool({
    name: 'complete_task',
    description:
      'Mark a task as done. A recurring task answers its next occurrence. Give completedAt only if it was done earlier.',
    input: taskId.extend({ completedAt: s.instant.optional() }),
    run: async (ctx, { id, completedAt }) => {
      const { task, next, before } = await completeTask(ctx, id, earlier(ctx.now(), completedAt))
      return { output: { task, next }, before }
    },
    state: (ctx, { id }) => taskState(ctx, id),
    plan: ({ id }, before) => planFor(id, before, ['Complete', { status: 'completed' }, undoOf.complete]),
  }),
  defineTool({
    name: 'reopen_task',
    description: 'Open a completed or cancelled task again. An untouched next occurrence of it is taken back.',
    input: taskId.extend({ status: z.enum(['pending', 'in_progress']).default('pending') }),
    run: async (ctx, { id, status }) => {
      const { task, before } = await reopenTask(ctx, id, status)
      return { output: task, before }
    },
    state: (ctx, { id }) => taskState(ctx, id),
    plan: ({ id, status }, before) => planFor(id, before, ['Reopen', { status }, undoOf.reopen]),
  }),
  defineTool({
    name: 'delete_task',
    description: 'Put a task and its subtasks into the bin.',
    input: taskId,
    destructive: true,
    run: async (ctx, { id }) => {
      const gone = await deleteTask(ctx, id)
      return { output: gone, before: { ...gone, deletedAt: null } }
    },
    state: (ctx, { id }): SQL<Binned> => taskState(ctx, id),
    plan: ({ id }, before) => ({
      says: `Delete ${before ? `“${before.title}”` : 'a task'}`,
      changes: [{ target: id, before, after: null }],
      undo: before && before.deletedAt === null ? undoOf.delete(before) : null,
    }),
  }),
  defineTool({
    name: 'restore_task',
    description: 'Take a task out of the bin.',
    input: taskId,
    run: async (ctx, { id }) => {
      const { task, before } = await bringBack(ctx, id)
      return { output: task, ...(before && { before }) }
    },
    state: (ctx, { id }): SQL<Binned> => taskState(ctx, id),
    plan: ({ id }, before) => ({
      says: `Restore ${before ? `“${before.title}”` : 'a task'}`,
      changes: [{ target: id, before: before && { deletedAt: before.deletedAt }, after: { deletedAt: null } }],
      // One that was not in the bin is not restored, and nothing takes that back.
      undo: before && before.deletedAt !== null ? undoOf.create(before) : null,
    }),
  }),
  defineTool({
    name: 'task_insights',
    description:
      'How many tasks are open, overdue and due today, what was completed by week and by hour, and the current streak.',
    input: z.strictObject({}),
    readOnly: true,
    run: async (ctx) => ({ output: await getInsights(ctx) }),
  }),
  ...projectTools,
]

function earlier(now: Date, at: string | undefined): Date {
  return at === undefined ? now : new Date(Math.min(now.getTime(), Date.parse(at)))
}
