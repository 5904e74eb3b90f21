import { sql } from 'drizzle-orm'
import { alias } from 'drizzle-orm/pg-core'
import { AppError, type Ctx } from '#core'
import { iso, jsonObject } from '#database'
import { changing, taskDeleted, taskRestored, tellOf } from './events.ts'
import { asker, type ChangeCtx, instantOf, kickAll, lockFirst, shown, step } from './row.ts'
import type { DeletedTask, Task } from './schema.ts'
import { tasks } from './tables.ts'

const KEPT_DAYS = 30
const EMPTY_BATCH = 1000
const MAX_EMPTY_PASSES = 20

const missing = () => new AppError('not_found', 'There is no such task')

/** Puts a task and its subtasks into the bin. One trip; `not_found` when it is there already. */
export async function deleteTask(ctx: ChangeCtx, id: string): Promise<DeletedTask> {
  const { db } = ctx
  const me = asker(ctx)
  const gone = changing(
    db,
    'gone',
    sql`
    update ${tasks} t set deleted_at = ${instantOf(ctx.now())}, version = t.version + 1, updated_at = now()
      from me where t.user_id = me.id and t.deleted_at is null and (t.id = ${id} or t.parent_id = ${id}) returning t.*`,
  )
  const told = tellOf(db, 'told', gone, taskDeleted)
  const deleted = db
    .with(me, gone.cte, told)
    .select({
      isThere: sql<boolean>`${gone.rows.id} is not null`,
      task: jsonObject<DeletedTask>({ id: gone.rows.id, title: gone.rows.title, deletedAt: iso(gone.rows.deletedAt) }),
      eventIds: sql<string[] | null>`(select json_agg(id) from told)`,
    })
    .from(me)
    .leftJoin(gone.cte, sql`${gone.rows.id} = ${id}`)
  const family = sql`select ${id}::text union all select id from ${tasks} where parent_id = ${id}`
  const [, [row]] = await db.batch([lockFirst(ctx, family), deleted])
  if (!row?.isThere) throw missing()
  kickAll(ctx, row.eventIds ?? [])
  return row.task
}

/**
 * Takes a task out of the bin, with the subtasks that went there with it; one whose parent is not there any more
 * stands alone. One that is not in the bin stays as it is. One trip.
 */
export async function restoreTask(ctx: ChangeCtx, id: string): Promise<Task> {
  return (await bringBack(ctx, id)).task
}

/** The same, with what was in the bin; null where it was not. */
export async function bringBack(ctx: ChangeCtx, id: string): Promise<{ task: Task; before: DeletedTask | null }> {
  const { db } = ctx
  const me = asker(ctx)
  const before = alias(tasks, 'before')
  const found = step(
    db,
    'before',
    sql`
    select t.* from ${tasks} t join me on me.id = t.user_id where t.id = ${id}`,
  )
  const back = changing(
    db,
    'back',
    sql`
    update ${tasks} t set deleted_at = null, version = t.version + 1, updated_at = now(), parent_id = case
        when t.id <> b.id then t.parent_id
        else (select p.id from ${tasks} p where p.id = t.parent_id and p.deleted_at is null and p.parent_id is null) end
      from before b where b.deleted_at is not null and t.user_id = b.user_id and t.deleted_at = b.deleted_at
        and (t.id = b.id or t.parent_id = b.id) returning t.*`,
  )
  const told = tellOf(db, 'told', back, taskRestored)
  const restored = db
    .with(me, found, back.cte, told)
    .select({
      isThere: sql<boolean>`${before.id} is not null`,
      deletedAt: sql<string | null>`case when ${back.rows.id} is not null then ${iso(before.deletedAt)} end`,
      task: sql<Task>`case when ${back.rows.id} is not null then ${shown(back.rows)} else ${shown(before)} end`,
      eventIds: sql<string[] | null>`(select json_agg(id) from told)`,
    })
    .from(me)
    .leftJoin(found, sql`true`)
    .leftJoin(back.cte, sql`${back.rows.id} = ${id}`)
  // Its parent too: it may be about to become a subtask itself, or to go.
  const family = sql`
    select ${id}::text union all select id from ${tasks} where parent_id = ${id}
    union all select parent_id from ${tasks} where id = ${id}`
  const [, [row]] = await db.batch([lockFirst(ctx, family), restored])
  if (!row?.isThere) throw missing()
  kickAll(ctx, row.eventIds ?? [])
  const { task, deletedAt } = row
  return { task, before: deletedAt === null ? null : { id: task.id, title: task.title, deletedAt } }
}

/** Deletes for good what anybody put into the bin thirty days ago: no list told of it any more, so no event does. */
export async function emptyBin(ctx: Pick<Ctx, 'db' | 'now'>): Promise<void> {
  const before = sql`${instantOf(ctx.now())} - interval '1 day' * ${KEPT_DAYS}`
  for (let pass = 0; pass < MAX_EMPTY_PASSES; pass++) {
    // A subtask goes with its parent, so whose subtask is still wanted waits for it. Asked of the row itself too: one that
    // is restored while this waits for its lock is found again by its id.
    const { rows } = await ctx.db.execute<{ gone: string }>(sql`
      with gone as (
        delete from ${tasks} where deleted_at < ${before} and id in (
          select t.id from ${tasks} t where t.deleted_at < ${before} and not exists (
            select 1 from ${tasks} c where c.parent_id = t.id and coalesce(c.deleted_at >= ${before}, true))
          limit ${EMPTY_BATCH})
        returning id)
      select count(*) as gone from gone`)
    if (Number(rows[0]?.gone ?? 0) < EMPTY_BATCH) return
  }
}
