import { type SQL, sql } from 'drizzle-orm'
import { alias } from 'drizzle-orm/pg-core'
import { preparedAs } from '#database'
import { changing, eventOf, taskUpdated, tellOf } from './events.ts'
import { allFine, lostRace, type Moved, type PointerOf, type Problem, refuse, single } from './problem.ts'
import {
  asker,
  type ChangeCtx,
  kickAll,
  lockFirst,
  lockTasks,
  momentColumns,
  type ReadCtx,
  shown,
  step,
} from './row.ts'
import type { Task, TaskPatch, TaskUpdate } from './schema.ts'
import { projects, tasks } from './tables.ts'

const MAX_TRIES = 3

export type Change = { before: Task; after: Task }

const has = (name: string) => sql`j.patch ? ${name}`.inlineParams()
const value = (name: string) => sql`j.patch->>${name}`.inlineParams()

// What the patch names is taken from it, even null; the rest stays.
const VALUES: [keyof TaskPatch & keyof typeof tasks.$inferInsert, SQL][] = [
  ['title', value('title')],
  ['notes', value('notes')],
  ['status', value('status')],
  ['priority', value('priority')],
  ['labels', sql`array(select jsonb_array_elements_text(j.patch->'labels'))`],
  ['projectId', value('projectId')],
  ['parentId', value('parentId')],
  ['estimateMinutes', sql`(${value('estimateMinutes')})::int`],
  ['actualMinutes', sql`(${value('actualMinutes')})::int`],
  ['recurrence', value('recurrence')],
  ['position', sql`(${value('position')})::double precision`],
]
const MOMENTS = { start: 'start', due: 'due', remindAt: 'remind' }

function assignments(): SQL {
  const set = (column: string, name: string, given: SQL) =>
    sql`${sql.identifier(column)} = case when ${has(name)} then ${given} else t.${sql.identifier(column)} end`
  const all = VALUES.map(([name, given]) => set(tasks[name].name, name, given))
  for (const [name, prefix] of Object.entries(MOMENTS)) {
    const columns = momentColumns(sql`(j.patch->${name})`.inlineParams(), sql`j.home`)
    for (const [i, part] of ['date', 'time', 'zone', 'at'].entries()) {
      all.push(set(`${prefix}_${part}`, name, columns[i] ?? sql`null`))
    }
  }
  const [, , , remindAt] = momentColumns(sql`(j.patch->'remindAt')`, sql`j.home`)
  const isMoved = sql`${has('remindAt')} and ${remindAt} is distinct from t.remind_at`
  all.push(sql`reminded_at = case when ${isMoved} then null else t.reminded_at end`)
  return sql.join([...all, sql`version = t.version + 1`, sql`updated_at = now()`], sql`, `)
}

/** Changes what is given, if anything is; `version` is the one read, or `*`. One trip; 404 when missing, 412 when it moved on. */
export async function updateTask(ctx: ChangeCtx, id: string, patch: TaskPatch, version: number | '*'): Promise<Task> {
  return (await updateTaskWithBefore(ctx, id, patch, version)).after
}

/** The same, with what was there before: enough to take it back. */
export async function updateTaskWithBefore(
  ctx: ChangeCtx,
  id: string,
  patch: TaskPatch,
  version: number | '*',
): Promise<Change> {
  const [change] = await updateTasks(ctx, [{ id, patch, ...(version !== '*' && { version }) }], single)
  if (!change) throw new Error('an update returned no row')
  return change
}

/** Changes all of them, in order, or none. One trip, more only when others change the same rows meanwhile. */
export async function updateTasks(ctx: ChangeCtx, updates: TaskUpdate[], pointerOf: PointerOf): Promise<Change[]> {
  const given = { json: JSON.stringify(updates.map((update, n) => ({ n, ...update }))), count: updates.length }
  const attempt = updates.some(({ patch }) => patch.parentId) ? attemptLocked : attemptPrepared
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const rows = await attempt(ctx, given)
    if (rows.some(({ problem }) => problem === 'moved')) continue
    refuse(rows, pointerOf)
    if (rows.every(({ isDone }) => isDone)) {
      kickAll(
        ctx,
        rows.map(({ eventId }) => eventId),
      )
      return rows.map(({ before, after }) => ({ before, after }))
    }
  }
  throw lostRace()
}

type Given = { json: string; count: number }

function statement(ctx: ReadCtx, { json, count }: Given) {
  const { db } = ctx
  const me = asker(ctx)
  // Counted, or the planner expects a hundred and reads the whole table.
  const items = step(
    db,
    'items',
    sql`
    select * from jsonb_to_recordset(${json}::jsonb) as i (n int, id text, version int, patch jsonb) limit ${count}`,
  )
  // The parents too: of two tasks that are put under each other at once, the second one must see the first.
  const locked = lockTasks(db, sql`select id from items union all select patch->>'parentId' from items`)
  // Counting makes the tasks the first to be locked, as everywhere.
  const folders = step(
    db,
    'folders',
    sql`
    select p.id from ${projects} p where p.user_id = (select id from me) and p.id in (select patch->>'projectId' from items)
      and (select count(*) from locked) >= 0 order by p.id for key share`,
  )
  const before = alias(tasks, 'judged')
  const judged = step(
    db,
    'judged',
    sql`
    select i.n, i.patch, me.zone as home, t.*, case
      when t.id is null then 'missing'
      when l.version is distinct from t.version then 'moved'
      when i.version <> t.version then 'stale'
      when i.patch ? 'status' and t.status = 'completed' then 'completed'
      when i.patch->>'projectId' <> coalesce(t.project_id, '') and i.patch->>'projectId' not in (select id from folders) then 'project'
      when i.patch->>'parentId' <> coalesce(t.parent_id, '') and (
        i.patch->>'parentId' not in (select id from locked where parent_id is null) or i.patch->>'parentId' = t.id
        or exists (select 1 from items o where o.id = i.patch->>'parentId' and o.patch->>'parentId' is not null)
        or exists (select 1 from ${tasks} c where c.parent_id = t.id and c.deleted_at is null)) then 'parent'
      when case when i.patch ? 'recurrence' then i.patch->>'recurrence' else t.recurrence end is not null
        and case when i.patch ? 'due' then i.patch->'due'->>'date' else t.due_date::text end is null then 'due'
    end as problem
    from me cross join items i
      left join ${tasks} t on t.id = i.id and t.user_id = me.id and t.deleted_at is null
      left join locked l on l.id = i.id`,
  )
  // The version of the snapshot, so that `before` is what was there to the last.
  const changed = changing(
    db,
    'changed',
    sql`
    update ${tasks} t set ${assignments()} from judged j
      where t.id = j.id and t.version = j.version and j.patch <> '{}' and ${allFine} returning t.*`,
  )
  const told = tellOf(db, 'told', changed, taskUpdated)
  return db
    .with(me, items, locked, folders, judged, changed.cte, told)
    .select({
      n: sql<number>`judged.n`,
      problem: sql<Problem | Moved | null>`judged.problem`,
      before: shown(before),
      // An empty patch changes nothing and tells nobody.
      after: sql<Task>`case when ${changed.rows.id} is not null then ${shown(changed.rows)} else ${shown(before)} end`,
      isDone: sql<boolean>`${changed.rows.id} is not null or judged.patch = '{}'`,
      eventId: told.id,
    })
    .from(judged)
    .leftJoin(changed.cte, sql`${changed.rows.id} = judged.id`)
    .leftJoin(told, sql`${told.id} = ${eventOf(changed, taskUpdated)}`)
    .orderBy(sql`judged.n`)
}

const attemptPrepared = preparedAs(statement)

/** What becomes a subtask must have none: locked first, so that one that is just being made is seen. */
async function attemptLocked(ctx: ReadCtx, given: Given) {
  const { db } = ctx
  const ids = sql`select unnest(array[i.id, i.patch->>'parentId']) from jsonb_to_recordset(${given.json}::jsonb) as i (id text, patch jsonb)`
  const [, rows] = await db.batch([lockFirst(ctx, ids), statement(ctx, given)])
  return rows
}
