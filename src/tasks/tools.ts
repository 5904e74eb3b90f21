import { z } from 'zod'
import { defineTool, s, type Tool } from '#core'
import { deleteTask, restoreTask } from './bin.ts'
import { completeTask } from './complete.ts'
import { createTask } from './create.ts'
import { getInsights } from './insights.ts'
import { listTasks } from './list.ts'
import { projectTools } from './project-tools.ts'
import { reopenTask } from './reopen.ts'
import { toMomentInput } from './row.ts'
import { MAX_BULK, NewTask, type Task, TaskFilter, TaskPatch } from './schema.ts'
import { updateTasks } from './update.ts'

const taskId = z.strictObject({ id: s.id('task') })
const patchOf = TaskPatch.extend({ id: s.id('task') })
type Named = z.output<typeof patchOf>

// What the patch touched, as it was: given back, it takes the change back.
function asBefore(before: Task, { id, ...patch }: Named) {
  const { start, due, remindAt, ...rest } = before
  const was = { ...rest, start: toMomentInput(start), due: toMomentInput(due), remindAt: toMomentInput(remindAt) }
  return { id, ...Object.fromEntries(Object.entries(was).filter(([name]) => name in patch)) }
}

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
    run: async (ctx, input) => {
      const task = await createTask(ctx, input)
      return { output: task, undo: { tool: 'delete_task', input: { id: task.id }, says: `Deleted “${task.title}”` } }
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
    run: async (ctx, input) => {
      const { id, ...patch } = input
      const [change] = await updateTasks(ctx, [{ id, patch }], atAll)
      if (!change) throw new Error('an update returned no row')
      const undo = {
        tool: 'update_task',
        input: asBefore(change.before, input),
        says: `Changed “${change.before.title}” back`,
      }
      return { output: change.after, undo }
    },
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
      const before = changes.flatMap((change, n) => (items[n] ? [asBefore(change.before, items[n])] : []))
      const undo = { tool: 'bulk_update', input: { items: before }, says: `Changed ${before.length} tasks back` }
      return { output: { items: changes.map(({ after }) => after) }, undo }
    },
  }),
  defineTool({
    name: 'complete_task',
    description:
      'Mark a task as done. A recurring task answers its next occurrence. Give completedAt only if it was done earlier.',
    input: taskId.extend({ completedAt: s.instant.optional() }),
    run: async (ctx, { id, completedAt }) => {
      const { task, next, before } = await completeTask(ctx, id, earlier(ctx.now(), completedAt))
      if (before.status === 'completed') return { output: { task, next } }
      const undo = { tool: 'reopen_task', input: { id, status: before.status }, says: `Reopened “${task.title}”` }
      return { output: { task, next }, undo }
    },
  }),
  defineTool({
    name: 'reopen_task',
    description: 'Open a completed or cancelled task again. An untouched next occurrence of it is taken back.',
    input: taskId.extend({ status: z.enum(['pending', 'in_progress']).default('pending') }),
    run: async (ctx, { id, status }) => {
      const { task, before } = await reopenTask(ctx, id, status)
      const says = `“${task.title}” is ${before.status} again`
      if (before.status === 'completed') {
        return { output: task, undo: { tool: 'complete_task', input: { id, completedAt: before.completedAt }, says } }
      }
      if (before.status === 'cancelled')
        return { output: task, undo: { tool: 'update_task', input: { id, status: 'cancelled' }, says } }
      return { output: task }
    },
  }),
  defineTool({
    name: 'delete_task',
    description: 'Put a task and its subtasks into the bin.',
    input: taskId,
    destructive: true,
    run: async (ctx, { id }) => {
      const gone = await deleteTask(ctx, id)
      return { output: gone, undo: { tool: 'restore_task', input: { id }, says: `Restored “${gone.title}”` } }
    },
  }),
  defineTool({
    name: 'restore_task',
    description: 'Take a task out of the bin.',
    input: taskId,
    run: async (ctx, { id }) => {
      const task = await restoreTask(ctx, id)
      return { output: task, undo: { tool: 'delete_task', input: { id }, says: `Deleted “${task.title}”` } }
    },
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
