import { type Column, type SQL, sql, type WithSubquery } from 'drizzle-orm'
import type { s, UserCtx } from '#core'
import { type ColumnsOf, iso, jsonObject, liveSession } from '#database'
import { kick } from '#queue'
import type { Task } from './schema.ts'
import { tasks } from './tables.ts'

export type ReadCtx = Pick<UserCtx, 'actor' | 'db'>
export type ChangeCtx = ReadCtx & Pick<UserCtx, 'now' | 'env' | 'waitUntil' | 'log'>
export type CreateCtx = ChangeCtx & Pick<UserCtx, 'newId'>

const KICKED_AT_ONCE = 100

/** The chosen columns of a task, as JSON made by Postgres: one form for the answer and for the event. */
export function shown(t: ColumnsOf<typeof tasks>): SQL<Task> {
  return jsonObject<Task>({
    id: t.id,
    title: t.title,
    notes: t.notes,
    status: t.status,
    priority: t.priority,
    labels: t.labels,
    projectId: t.projectId,
    parentId: t.parentId,
    start: moment(t.startDate, t.startTime, t.startZone, t.startAt),
    due: moment(t.dueDate, t.dueTime, t.dueZone, t.dueAt),
    remindAt: moment(t.remindDate, t.remindTime, t.remindZone, t.remindAt),
    estimateMinutes: t.estimateMinutes,
    actualMinutes: t.actualMinutes,
    recurrence: t.recurrence,
    position: t.position,
    externalProvider: t.externalProvider,
    externalId: t.externalId,
    aiReason: t.aiReason,
    aiConfidence: t.aiConfidence,
    tainted: t.tainted,
    completedAt: iso(t.completedAt),
    deletedAt: iso(t.deletedAt),
    version: t.version,
    createdAt: iso(t.createdAt),
    updatedAt: iso(t.updatedAt),
  })
}

function moment(date: Column, time: Column, zone: Column, at: Column): SQL<s.Moment | null> {
  const clock = sql`regexp_replace(${time}::text, ':00$', '')`
  return sql`case when ${date} is not null then ${jsonObject({ date, time: clock, timeZone: zone, at: iso(at) })} end`
}

/** The date, time, zone and instant of a MomentInput in JSON; `home` is the zone where it names none. */
export function momentColumns(json: SQL, home: SQL): [SQL, SQL, SQL, SQL] {
  const date = sql`(${json}->>'date')::date`
  const time = sql`(${json}->>'time')::time`
  const zone = sql`case when ${json}->>'date' is not null then coalesce(${json}->>'timeZone', ${home}) end`
  const endOfDay = sql`wall_instant((${date} + 1)::timestamp, ${zone}) - interval '1 millisecond'`
  const at = sql`case when ${time} is null then ${endOfDay} else wall_instant(${date} + ${time}, ${zone}) end`
  return [date, time, zone, at]
}

/** What was answered as a Moment, as one would give it. */
export function toMomentInput(moment: s.Moment | null): s.MomentInput | null {
  if (!moment) return null
  const { date, time, timeZone } = moment
  return { date, timeZone, ...(time !== null && { time }) }
}

/** One row, `me(id, zone)`, whatever else is found: the statement that starts from it fails when the session has ended. */
export function asker({ db, actor }: ReadCtx): WithSubquery {
  const zone = sql`person_zone(${actor.userId}) as zone`
  return step(db, 'me', sql`select ${actor.userId}::text as id, ${zone} where ${liveSession(actor) ?? sql`true`}`)
}

/**
 * The CTE `locked(id, version, parent_id)` of the person's tasks not in the bin. In the order of their ids, whoever asks:
 * two that want the same rows wait for each other once. What it tells is newer than the statement's snapshot.
 */
export function lockTasks(db: ReadCtx['db'], ids: SQL): WithSubquery {
  return step(
    db,
    'locked',
    sql`
    select t.id, t.version, t.parent_id from ${tasks} t
    where t.user_id = (select id from me) and t.deleted_at is null and t.id in (${ids}) order by t.id for no key update`,
  )
}

/**
 * The statement that locks tasks, in the bin or not, before the next one of its batch looks: what it waited for is seen,
 * which no single statement does. In the order of their ids.
 */
export function lockFirst({ db, actor }: ReadCtx, ids: SQL) {
  return db.execute(sql`
    select 1 from ${tasks} t where t.user_id = ${actor.userId} and t.id in (${ids}) order by t.id for no key update`)
}

/** A CTE that is written by hand. */
export function step(db: ReadCtx['db'], name: string, rows: SQL): WithSubquery {
  return db.$with(name, {}).as(rows)
}

export function instantOf(at: Date): SQL {
  return sql`${at.toISOString()}::timestamptz`
}

/** Hurries the events, as many at once as a queue takes. */
export function kickAll(ctx: ChangeCtx, ids: (string | null)[]): void {
  const told = ids.filter((id) => id !== null)
  for (let at = 0; at < told.length; at += KICKED_AT_ONCE) kick(ctx, told.slice(at, at + KICKED_AT_ONCE))
}
