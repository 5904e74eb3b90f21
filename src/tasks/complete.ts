import { sql } from 'drizzle-orm'
import { alias } from 'drizzle-orm/pg-core'
import { preparedAs } from '#database'
import { DRAFT, insertDrafts } from './create.ts'
import { changing, taskCompleted, taskCreated, tellOf } from './events.ts'
import { draftNext, type NextDraft } from './next.ts'
import { allFine, lostRace, type Moved, type PointerOf, type Problem, refuse, single } from './problem.ts'
import { asker, type CreateCtx, kickAll, lockTasks, shown, step } from './row.ts'
import type { Completion, Task } from './schema.ts'
import { tasks } from './tables.ts'

const MAX_TRIES = 3

export type Completed = Completion & { before: Task }
type Item = { id: string; version?: number; drafts: NextDraft[] }

/**
 * Completes a task and makes its next occurrence. One trip, two for a recurring task. Doing it again changes
 * nothing and answers the same. `completedAt` is now unless it was earlier; 409 when the task is cancelled.
 */
export async function completeTask(ctx: CreateCtx, id: string, completedAt?: Date): Promise<Completed> {
  const [done] = await completeTasks(ctx, [id], single, completedAt)
  if (!done) throw new Error('an update returned no row')
  return done
}

/** Completes all of them, in order, or none. One trip, two when one recurs. */
export async function completeTasks(
  ctx: CreateCtx,
  ids: string[],
  pointerOf: PointerOf,
  completedAt: Date = ctx.now(),
): Promise<Completed[]> {
  let items: Item[] = ids.map((id) => ({ id, drafts: [] }))
  // The first try completes what does not recur and reads what does; then it is only others who can be in between.
  for (let tries = 0; tries <= MAX_TRIES; tries++) {
    const rows = await attempt(ctx, givenFor(items, completedAt))
    if (rows.some(({ problem }) => problem === 'moved')) continue
    refuse(
      rows.map(({ n, problem }) => ({ n, problem: problem === 'unread' ? null : problem })),
      pointerOf,
    )
    if (rows.every(({ isDone }) => isDone)) {
      kickAll(
        ctx,
        rows.flatMap(({ eventIds }) => eventIds ?? []),
      )
      return rows.map(({ task, next, before }) => ({ task, next, before }))
    }
    items = rows.map(({ before, subtasks }) => {
      if (!before.recurrence || before.status === 'completed') return { id: before.id, drafts: [] }
      return { id: before.id, version: before.version, drafts: draftNext(ctx, before, subtasks ?? []) }
    })
  }
  throw lostRace()
}

function givenFor(wanted: Item[], completedAt: Date) {
  return {
    list: JSON.stringify(wanted.map(({ id, version }, n) => ({ n, id, version }))),
    nexts: JSON.stringify(wanted.flatMap(({ drafts }) => drafts)),
    at: completedAt.toISOString(),
    count: wanted.length,
  }
}

const attempt = preparedAs((ctx, { list, nexts, at, count }: ReturnType<typeof givenFor>) => {
  const { db } = ctx
  const before = alias(tasks, 'judged')
  const follower = alias(tasks, 'follower')
  const below = alias(tasks, 'below')
  const me = asker(ctx)
  // Counted, or the planner expects a hundred and reads the whole table.
  const items = step(
    db,
    'items',
    sql`
    select * from jsonb_to_recordset(${list}::jsonb) as i (n int, id text, version int) limit ${count}`,
  )
  const locked = lockTasks(db, sql`select id from items`)
  // A recurring task is completed by who has read it, or its next occurrence would be that of another time.
  const judged = step(
    db,
    'judged',
    sql`
    select i.n, me.zone, t.*, case
      when t.id is null then 'missing'
      when l.version is distinct from t.version then 'moved'
      when t.status = 'cancelled' then 'cancelled'
      when t.status <> 'completed' and t.recurrence is not null and i.version is distinct from t.version then 'unread'
    end as problem
    from me cross join items i
      left join ${tasks} t on t.id = i.id and t.user_id = me.id and t.deleted_at is null
      left join locked l on l.id = i.id`,
  )
  const done = changing(
    db,
    'done',
    sql`
    update ${tasks} t set status = 'completed', completed_at = ${at}::timestamptz, version = t.version + 1, updated_at = now()
      from judged j where t.id = j.id and t.version = j.version and t.status <> 'completed' and ${allFine} returning t.*`,
  )
  const drafts = step(
    db,
    'drafts',
    sql`
    select d.*, x.item->>'completes' as completes, j.user_id as owner, j.zone
    from jsonb_array_elements(${nexts}::jsonb) x (item)
      cross join jsonb_to_record(x.item) as d ${DRAFT}
      join judged j on j.id = x.item->>'completes'
    where not exists (select 1 from ${tasks} f where f.follows_id = j.id and f.deleted_at is null)
    order by d.n`,
  )
  const made = changing(db, 'made', insertDrafts(sql`drafts d join done on done.id = d.completes`))
  const told = tellOf(db, 'told', done, taskCompleted)
  const toldNext = tellOf(db, 'told_next', made, taskCreated)
  const subtasks = sql<Task[] | null>`case when judged.problem = 'unread' then (
    select json_agg(${shown(below)} order by ${below.position}, ${below.id}) from ${tasks} below
    where ${below.parentId} = judged.id and ${below.deletedAt} is null) end`
  const next = sql<Task | null>`coalesce(
    (select ${shown(made.rows)} from made where made.follows_id = judged.id),
    (select ${shown(follower)} from ${tasks} follower where ${follower.followsId} = judged.id and ${follower.deletedAt} is null
      order by ${follower.createdAt} desc limit 1))`
  return db
    .with(me, items, locked, judged, done.cte, drafts, made.cte, told, toldNext)
    .select({
      n: sql<number>`judged.n`,
      problem: sql<Problem | Moved | 'unread' | null>`judged.problem`,
      isDone: sql<boolean>`judged.status = 'completed' or ${done.rows.id} is not null`,
      before: shown(before),
      subtasks,
      task: sql<Task>`case when ${done.rows.id} is not null then ${shown(done.rows)} else ${shown(before)} end`,
      next,
      eventIds: sql<string[] | null>`case when judged.n = 0 then
        (select json_agg(id) from (select id from told union all select id from told_next) e) end`,
    })
    .from(judged)
    .leftJoin(done.cte, sql`${done.rows.id} = judged.id`)
    .orderBy(sql`judged.n`)
})
