import { and, eq, inArray, isNull, or, type SQL, sql } from 'drizzle-orm'
import type { Change, Plan, Undo } from '#core'
import { ownedBy } from '#database'
import { type ReadCtx, shown, toMomentInput } from './row.ts'
import type { Task, TaskPatch } from './schema.ts'
import { tasks } from './tables.ts'

type Named = TaskPatch & { id: string }

/** A task as it is now, in the bin or not, as one value. */
export function taskState({ actor }: ReadCtx, id: string): SQL<Task> {
  return sql`(select ${shown(tasks)} from ${tasks} where ${eq(tasks.id, id)} and ${ownedBy(actor, tasks.userId)})`
}

/** The same with its subtasks, which go where it goes. */
export function familyState({ actor }: ReadCtx, id: string): SQL<Task[]> {
  const isOf = or(eq(tasks.id, id), and(eq(tasks.parentId, id), isNull(tasks.deletedAt)))
  return sql`(select json_agg(${shown(tasks)}) from ${tasks} where ${and(isOf, ownedBy(actor, tasks.userId))})`
}

/** The same of several, as a list. */
export function tasksState({ actor }: ReadCtx, ids: string[]): SQL<Task[]> {
  const mine = and(inArray(tasks.id, ids), ownedBy(actor, tasks.userId))
  return sql`(select json_agg(${shown(tasks)}) from ${tasks} where ${mine})`
}

// What the patch touched, as it was: given back, it takes the change back.
function asBefore(before: Task, { id, ...patch }: Named) {
  const { start, due, remindAt, ...rest } = before
  const was = { ...rest, start: toMomentInput(start), due: toMomentInput(due), remindAt: toMomentInput(remindAt) }
  return { id, ...Object.fromEntries(Object.entries(was).filter(([name]) => name in patch)) }
}

export const undoOf = {
  create: ({ id, title }: { id: string; title: string }): Undo => {
    return { tool: 'delete_task', input: { id }, says: `Deleted “${title}”` }
  },
  update: (before: Task, patch: Named): Undo => {
    return { tool: 'update_task', input: asBefore(before, patch), says: `Changed “${before.title}” back` }
  },
  bulk: (befores: Task[], patches: Named[]): Undo => {
    const items = patches.flatMap((patch) => {
      const before = befores.find(({ id }) => id === patch.id)
      return before ? [asBefore(before, patch)] : []
    })
    return { tool: 'bulk_update', input: { items }, says: `Changed ${items.length} tasks back` }
  },
  /** Null where it was done already. */
  complete: ({ id, title, status }: Task): Undo | null => {
    if (status === 'completed') return null
    return { tool: 'reopen_task', input: { id, status }, says: `Reopened “${title}”` }
  },
  /** Null where it was open already. */
  reopen: ({ id, title, status, completedAt }: Task): Undo | null => {
    const says = `“${title}” is ${status} again`
    if (status === 'completed') return { tool: 'complete_task', input: { id, completedAt }, says }
    return status === 'cancelled' ? { tool: 'update_task', input: { id, status }, says } : null
  },
  delete: ({ id, title }: { id: string; title: string }): Undo => {
    return { tool: 'restore_task', input: { id }, says: `Restored “${title}”` }
  },
}

/** What is planned for one task: nothing takes back what has no task to act upon. */
export function planFor(
  id: string,
  before: Task | null,
  [verb, after, undo]: [verb: string, after: object | null, undo: (before: Task) => Undo | null],
): Plan {
  if (!before) return { says: `${verb} a task`, changes: [{ target: id, before: null, after }], undo: null }
  return { says: `${verb} “${before.title}”`, changes: [changeOf(before, after)], undo: undo(before) }
}

/** Of what was there that which becomes something else. */
export function changeOf(before: Task, after: object | null): Change {
  if (after === null) return { target: before.id, before, after }
  const was = Object.entries(before).filter(([name]) => name in after)
  return { target: before.id, before: Object.fromEntries(was), after }
}
