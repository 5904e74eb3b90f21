import { sql } from 'drizzle-orm'
import { alias } from 'drizzle-orm/pg-core'
import { AppError } from '#core'
import { changing, taskDeleted, taskReopened, tellOf } from './events.ts'
import { asker, type ChangeCtx, instantOf, kickAll, lockFirst, shown, step } from './row.ts'
import type { Task, TaskStatus } from './schema.ts'
import { tasks } from './tables.ts'

const UNTOUCHED = sql`f.deleted_at is null and f.version = 1 and f.status = 'pending'`

export type Reopened = { task: Task; before: Task }
type Open = Extract<TaskStatus, 'pending' | 'in_progress'>

/**
 * Opens a completed or cancelled task again; its next occurrence goes to the bin if nobody has touched it.
 * An open task stays as it is. One trip; `not_found` when there is none.
 */
export async function reopenTask(ctx: ChangeCtx, id: string, status: Open = 'pending'): Promise<Reopened> {
  const { db } = ctx
  const me = asker(ctx)
  const before = alias(tasks, 'before')
  const found = step(
    db,
    'before',
    sql`
    select t.* from ${tasks} t join me on me.id = t.user_id where t.id = ${id} and t.deleted_at is null`,
  )
  const reopened = changing(
    db,
    'reopened',
    sql`
    update ${tasks} t set status = ${status}::text, completed_at = null, version = t.version + 1, updated_at = now()
      from before b where t.id = b.id and b.status in ('completed', 'cancelled') returning t.*`,
  )
  const next = step(
    db,
    'next',
    sql`
    select f.id from ${tasks} f join reopened r on r.id = f.follows_id where ${UNTOUCHED} and not exists (
      select 1 from ${tasks} k where k.parent_id = f.id and k.deleted_at is null and (k.version > 1 or k.created_at <> f.created_at))`,
  )
  const unwound = changing(
    db,
    'unwound',
    sql`
    update ${tasks} t set deleted_at = ${instantOf(ctx.now())}, version = t.version + 1, updated_at = now()
      from next where (t.id = next.id or t.parent_id = next.id) and t.deleted_at is null and t.version = 1 returning t.*`,
  )
  const told = tellOf(db, 'told', reopened, taskReopened)
  const toldNext = tellOf(db, 'told_next', unwound, taskDeleted)
  const opened = db
    .with(me, found, reopened.cte, next, unwound.cte, told, toldNext)
    .select({
      isThere: sql<boolean>`${before.id} is not null`,
      before: shown(before),
      task: sql<Task>`case when ${reopened.rows.id} is not null then ${shown(reopened.rows)} else ${shown(before)} end`,
      eventIds: sql<
        string[] | null
      >`(select json_agg(id) from (select id from told union all select id from told_next) e)`,
    })
    .from(me)
    .leftJoin(found, sql`true`)
    .leftJoin(reopened.cte, sql`true`)
  const family = sql`
    select ${id}::text union all select id from ${tasks} where follows_id = ${id}
    union all select c.id from ${tasks} f join ${tasks} c on c.parent_id = f.id where f.follows_id = ${id}`
  const [, [row]] = await db.batch([lockFirst(ctx, family), opened])
  if (!row?.isThere) throw new AppError('not_found', 'There is no such task')
  kickAll(ctx, row.eventIds ?? [])
  return { task: row.task, before: row.before }
}
