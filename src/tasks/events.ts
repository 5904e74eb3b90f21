import { type SQL, sql, type WithSubquery } from 'drizzle-orm'
import { alias } from 'drizzle-orm/pg-core'
import { defineEvent, type EventKind } from '#core'
import type { ColumnsOf } from '#database'
import { tell } from '#queue'
import { type ReadCtx, shown, step } from './row.ts'
import { Project, Task } from './schema.ts'
import { tasks } from './tables.ts'

export const taskCreated = defineEvent('task.created', 'tasks', Task)
export const taskUpdated = defineEvent('task.updated', 'tasks', Task)
export const taskCompleted = defineEvent('task.completed', 'tasks', Task)
export const taskReopened = defineEvent('task.reopened', 'tasks', Task)
export const taskDeleted = defineEvent('task.deleted', 'tasks', Task)
export const taskRestored = defineEvent('task.restored', 'tasks', Task)
export const projectCreated = defineEvent('project.created', 'projects', Project)
export const projectUpdated = defineEvent('project.updated', 'projects', Project)
export const projectDeleted = defineEvent('project.deleted', 'projects', Project)

type Changed = { cte: WithSubquery; rows: ColumnsOf<typeof tasks> }

/** A CTE that writes tasks and returns them whole, with its columns. */
export function changing(db: ReadCtx['db'], name: string, write: SQL): Changed {
  return { cte: step(db, name, write), rows: alias(tasks, name) }
}

/** The events of what a CTE changed, as a CTE of their ids. */
export function tellOf(db: ReadCtx['db'], name: string, { cte, rows }: Changed, kind: EventKind) {
  return tell(db, name, cte, { kind, userId: rows.userId, key: rows.id, version: rows.version, data: shown(rows) })
}

/** The id of a changed row's event. */
export function eventOf({ rows }: Changed, kind: EventKind): SQL<string> {
  return sql<string>`${rows.id} || '.' || ${rows.version} || '.' || ${kind.type}::text`
}
