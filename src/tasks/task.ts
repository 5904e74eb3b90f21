import { and, eq, isNull } from 'drizzle-orm'
import { AppError } from '#core'
import { ownedBy, preparedAs } from '#database'
import { type ReadCtx, shown } from './row.ts'
import type { Task } from './schema.ts'
import { tasks } from './tables.ts'

const findTask = preparedAs(({ actor, db }, { id }: { id: string }) =>
  db
    .select({ task: shown(tasks) })
    .from(tasks)
    .where(and(eq(tasks.id, id), ownedBy(actor, tasks.userId), isNull(tasks.deletedAt))),
)

/** One task; what lies in the bin is `not_found`. One trip. */
export async function getTask(ctx: ReadCtx, id: string): Promise<Task> {
  const [row] = await findTask(ctx, { id })
  if (!row) throw new AppError('not_found', 'There is no such task')
  return row.task
}
