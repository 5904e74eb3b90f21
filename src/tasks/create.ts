import { type SQL, sql } from 'drizzle-orm'
import { alias } from 'drizzle-orm/pg-core'
import type { UserCtx } from '#core'
import { preparedAs } from '#database'
import { changing, eventOf, taskCreated, tellOf } from './events.ts'
import { allFine, type PointerOf, type Problem, refuse, single } from './problem.ts'
import { asker, type CreateCtx, kickAll, momentColumns, shown, step } from './row.ts'
import type { NewTask, Provenance, Task } from './schema.ts'
import { projects, tasks } from './tables.ts'

export type TaskSource = NewTask & Provenance
/** A new row before Postgres has read its clocks. `followsId` is the occurrence it comes after. */
export type Draft = TaskSource & { n: number; id: string; position: number; followsId?: string; tainted?: boolean }

/** A record type for `jsonb_to_recordset`: a Draft. */
export const DRAFT = sql`(n int, id text, title text, notes text, status text, priority text, labels text[],
  "projectId" text, "parentId" text, start jsonb, due jsonb, "remindAt" jsonb, "estimateMinutes" int, recurrence text,
  position double precision, "followsId" text, "externalProvider" text, "externalId" text, "aiReason" text,
  "aiConfidence" double precision, tainted boolean)`

const VALUES: [keyof typeof tasks.$inferInsert, SQL][] = [
  ['id', sql`d.id`],
  ['userId', sql`d.owner`],
  ['title', sql`d.title`],
  ['notes', sql`coalesce(d.notes, '')`],
  ['status', sql`coalesce(d.status, 'pending')`],
  ['priority', sql`coalesce(d.priority, 'medium')`],
  ['labels', sql`coalesce(d.labels, '{}')`],
  ['projectId', sql`d."projectId"`],
  ['parentId', sql`d."parentId"`],
  ['estimateMinutes', sql`d."estimateMinutes"`],
  ['recurrence', sql`d.recurrence`],
  ['followsId', sql`d."followsId"`],
  ['position', sql`d.position`],
  ['externalProvider', sql`d."externalProvider"`],
  ['externalId', sql`d."externalId"`],
  ['aiReason', sql`d."aiReason"`],
  ['aiConfidence', sql`d."aiConfidence"`],
  ['tainted', sql`coalesce(d.tainted, false)`],
]
const MOMENTS = { start: sql`d.start`, due: sql`d.due`, remind: sql`d."remindAt"` }

/** Inserts the drafts `d` of a source that also tells each one's `owner` and `zone`; an id that is there is left alone. */
export function insertDrafts(source: SQL): SQL {
  const columns = VALUES.map(([name]) => sql.identifier(tasks[name].name))
  const values = VALUES.map(([, value]) => value)
  for (const [name, json] of Object.entries(MOMENTS)) {
    columns.push(...['date', 'time', 'zone', 'at'].map((part) => sql.identifier(`${name}_${part}`)))
    values.push(...momentColumns(json, sql`d.zone`))
  }
  return sql`insert into ${tasks} (${sql.join(columns, sql`, `)}) select ${sql.join(values, sql`, `)} from ${source}
    on conflict (id) do nothing returning *`
}

function toDraft(ctx: Pick<UserCtx, 'now' | 'newId'>, input: TaskSource, n: number): Draft {
  return { ...input, n, id: ctx.newId('task'), position: input.position ?? ctx.now().getTime() + n }
}

/** Makes a task with its event. One trip; the same id again (an Idempotency-Key re-run) answers the task that is there. */
export async function createTask(ctx: CreateCtx, input: TaskSource): Promise<Task> {
  const [task] = await createTasks(ctx, [input], single)
  if (!task) throw new Error('an insert returned no row')
  return task
}

const insertTasks = preparedAs((ctx, { drafts, count }: { drafts: string; count: number }) => {
  const { db } = ctx
  const me = asker(ctx)
  // Counted, or the planner expects a hundred and reads the whole table.
  const items = step(db, 'items', sql`select * from jsonb_to_recordset(${drafts}::jsonb) as d ${DRAFT} limit ${count}`)
  // Locked, so that neither is gone, nor a subtask itself, before our rows point at it.
  const parents = step(
    db,
    'parents',
    sql`
    select p.id from ${tasks} p where p.user_id = (select id from me) and p.id in (select "parentId" from items)
      and p.deleted_at is null and p.parent_id is null order by p.id for share`,
  )
  // Counting makes the tasks the first to be locked, as everywhere.
  const folders = step(
    db,
    'folders',
    sql`
    select p.id from ${projects} p where p.user_id = (select id from me)
      and p.id in (select "projectId" from items) and (select count(*) from parents) >= 0 order by p.id for key share`,
  )
  const judged = step(
    db,
    'judged',
    sql`
    select d.*, me.id as owner, me.zone, case
      when exists (select 1 from ${tasks} t where t.id = d.id and t.user_id = me.id) then null
      when d."projectId" is not null and d."projectId" not in (select id from folders) then 'project'
      when d."parentId" is not null and d."parentId" not in (select id from parents) then 'parent'
    end as problem from me cross join items d`,
  )
  const made = changing(db, 'made', insertDrafts(sql`judged d where ${allFine}`))
  const told = tellOf(db, 'told', made, taskCreated)
  const known = alias(tasks, 'known')
  return db
    .with(me, items, parents, folders, judged, made.cte, told)
    .select({
      n: sql<number>`judged.n`,
      problem: sql<Problem | null>`judged.problem`,
      task: sql<Task>`case when ${made.rows.id} is not null then ${shown(made.rows)} else ${shown(known)} end`,
      isThere: sql<boolean>`coalesce(${made.rows.id}, ${known.id}) is not null`,
      eventId: told.id,
    })
    .from(judged)
    .leftJoin(made.cte, sql`${made.rows.id} = judged.id`)
    .leftJoin(known, sql`${known.id} = judged.id and ${known.userId} = judged.owner`)
    .leftJoin(told, sql`${told.id} = ${eventOf(made, taskCreated)}`)
    .orderBy(sql`judged.n`)
})

/** Makes all of them, in order, or none. One trip. `invalid_request` points at a project or parent that is not theirs. */
export async function createTasks(ctx: CreateCtx, inputs: TaskSource[], pointerOf: PointerOf): Promise<Task[]> {
  refuse(
    inputs.map((input, n) => ({ n, problem: input.recurrence && !input.due ? 'due' : null })),
    pointerOf,
  )
  const drafts = JSON.stringify(inputs.map((input, n) => toDraft(ctx, input, n)))
  const rows = await insertTasks(ctx, { drafts, count: inputs.length })
  refuse(rows, pointerOf)
  if (rows.some(({ isThere }) => !isThere)) throw new Error('an insert returned no row')
  kickAll(
    ctx,
    rows.map(({ eventId }) => eventId),
  )
  return rows.map(({ task }) => task)
}
