import { and, asc, eq, inArray, isNull, lte, type SQL, sql, type WithSubquery } from 'drizzle-orm'
import { alias } from 'drizzle-orm/pg-core'
import { AppError, type EventKind } from '#core'
import { ownedBy } from '#database'
import { kick, tell } from '#queue'
import { type ChangeCtx, missing, scheduleDeleted, scheduleUpdated, shown } from './row.ts'
import { type Schedule, type ScheduleBulk, type ScheduleBulkResult, When } from './schema.ts'
import { scheduleRuns, schedules } from './tables.ts'
import { nextTimes } from './when.ts'

type Verb = (ctx: ChangeCtx, ids: string[]) => Promise<(Schedule | undefined)[]>

/** Up to fifty, all or none: those that are not there are pointed at. One trip, two to resume. */
export async function switchSchedules(ctx: ChangeCtx, { action, ids }: ScheduleBulk): Promise<ScheduleBulkResult> {
  const answered = await { pause: pauseAll, resume: resumeAll, delete: deleteAll }[action](ctx, ids)
  const { message: detail } = missing()
  const errors = answered.flatMap((schedule, n) => (schedule ? [] : [{ pointer: `/ids/${n}`, detail }]))
  if (errors.length > 0) throw new AppError('not_found', detail, { errors })
  return { items: answered.flatMap((schedule) => schedule ?? []) }
}

const one = (verb: Verb) => async (ctx: ChangeCtx, id: string) => {
  const [schedule] = await verb(ctx, [id])
  if (!schedule) throw missing()
  return schedule
}
/** It is not due until it is resumed; paused again it stays as it is. One trip. */
export const pauseSchedule = one(pauseAll)
/** Its next time is the next from now: what passed meanwhile was not missed. `done` where there is none. Two trips. */
export const resumeSchedule = one(resumeAll)
/** Deletes it with its runs. One trip. */
export const deleteSchedule = one(deleteAll)

const AT_ONCE = 50

/** Pauses every schedule that was there by then, and does no more what was due. A trip for each fifty, and two. */
export async function pauseSchedules(ctx: ChangeCtx, until: Date): Promise<void> {
  const rows = await ctx.db
    .select({ id: schedules.id })
    .from(schedules)
    .where(and(ownedBy(ctx.actor, schedules.userId), eq(schedules.status, 'active'), lte(schedules.createdAt, until)))
  for (let at = 0; at < rows.length; at += AT_ONCE) {
    const ids = rows.slice(at, at + AT_ONCE).map(({ id }) => id)
    if ((await pauseAll(ctx, ids)).includes(undefined))
      throw new AppError('conflict', 'A schedule was deleted meanwhile')
  }
  const theirs = and(ownedBy(ctx.actor, schedules.userId), lte(schedules.createdAt, until))
  const outcome = { kind: 'failure' as const, code: 'cancelled', detail: 'The schedule was switched off' }
  await ctx.db
    .update(scheduleRuns)
    .set({ status: 'failed', outcome, endedAt: ctx.now() })
    .where(
      and(
        inArray(scheduleRuns.scheduleId, ctx.db.select({ id: schedules.id }).from(schedules).where(theirs)),
        eq(scheduleRuns.status, 'waiting'),
        isNull(scheduleRuns.outcome),
        lte(scheduleRuns.startedAt, until),
      ),
    )
}

type Switch = { id: string; from: string; status: string; nextAt: string | null; when?: unknown }

function pauseAll(ctx: ChangeCtx, ids: string[]) {
  return switchAll(
    ctx,
    ids.map((id) => ({ id, from: 'active', status: 'paused', nextAt: null })),
  )
}

async function resumeAll(ctx: ChangeCtx, ids: string[]) {
  const rows = await ctx.db
    .select({ id: schedules.id, when: schedules.when })
    .from(schedules)
    .where(and(ownedBy(ctx.actor, schedules.userId), inArray(schedules.id, ids)))
  const known = new Map(rows.map(({ id, when }) => [id, when]))
  const resumed = ids.map((id) => {
    const when = known.get(id)
    const [next] = when ? nextTimes(When.parse(when), ctx.now(), 1) : []
    return { id, from: 'paused', status: next ? 'active' : 'done', nextAt: next?.toISOString() ?? null, when }
  })
  return await switchAll(ctx, resumed)
}

// One whose `when` was changed since its next time was reckoned is left as it is.
function switchAll(ctx: ChangeCtx, given: Switch[]) {
  const items = sql`jsonb_to_recordset(${JSON.stringify(given)}::jsonb) as
    g (id text, "from" text, status text, "nextAt" timestamptz, "when" jsonb)`
  return change(
    ctx,
    given.map(({ id }) => id),
    scheduleUpdated,
    (wanted) => sql`
      update ${schedules} s set status = g.status, next_at = g."nextAt", version = s.version + 1, updated_at = now()
      from ${items} where s.id = g.id and s.id in ${wanted} and s.status = g."from" and coalesce(g."when" = s."when", true)
      returning s.*`,
  )
}

/** Has what named no zone be meant where the person is now, each with its event. Two trips, one where nothing moves. */
export async function followZone(ctx: ChangeCtx): Promise<void> {
  const zone = sql<string>`person_zone(${schedules.userId})`
  const rows = await ctx.db
    .select({ id: schedules.id, when: schedules.when, nextAt: schedules.nextAt, zone })
    .from(schedules)
    .where(
      and(
        ownedBy(ctx.actor, schedules.userId),
        eq(schedules.followsZone, true),
        sql`${schedules.when}->>'timeZone' <> ${zone}`,
      ),
    )
  if (rows.length === 0) return
  const given = rows.map((row) => {
    const when: When = { ...When.parse(row.when), timeZone: row.zone }
    // What happens once and would have by now is due: its policy says what becomes of it.
    const [next] = nextTimes(when, when.kind === 'at' ? new Date(0) : ctx.now(), 1)
    return { id: row.id, was: row.when, when, nextAt: row.nextAt && (next?.toISOString() ?? null) }
  })
  const items = sql`jsonb_to_recordset(${JSON.stringify(given)}::jsonb) as g (id text, was jsonb, "when" jsonb, "nextAt" timestamptz)`
  const moved = await change(
    ctx,
    rows.map(({ id }) => id),
    scheduleUpdated,
    (wanted) => sql`
      update ${schedules} s set "when" = g."when", next_at = case when s.next_at is not null then g."nextAt" end,
        version = s.version + 1, updated_at = now()
      from ${items} where s.id = g.id and s.id in ${wanted} and s."when" = g.was returning s.*`,
  )
  if (moved.includes(undefined)) throw new AppError('conflict', 'A schedule was deleted meanwhile')
}

function deleteAll(ctx: ChangeCtx, ids: string[]) {
  return change(
    ctx,
    ids,
    scheduleDeleted,
    (wanted) => sql`delete from ${schedules} s where s.id in ${wanted} returning s.*`,
  )
}

/** Writes those that are wanted, all or none, each with its event; answers each as it is now, or undefined. One trip. */
async function change(ctx: ChangeCtx, ids: string[], kind: EventKind, write: (wanted: SQL) => SQL) {
  const { db, actor } = ctx
  // In the order of their ids: two that want the same ones wait for each other once.
  const found = db.$with('found').as(
    db
      .select({ id: schedules.id })
      .from(schedules)
      .where(and(ownedBy(actor, schedules.userId), inArray(schedules.id, ids)))
      .orderBy(asc(schedules.id))
      .for('update'),
  )
  const wanted = sql`(select f.id from found f where (select count(*) from found) = ${ids.length})`
  const changed: WithSubquery = db.$with('changed', {}).as(write(wanted))
  const rows = alias(schedules, 'changed')
  const told = tell(db, 'told', changed, {
    kind,
    userId: rows.userId,
    key: rows.id,
    version: kind === scheduleDeleted ? sql`${rows.version} + 1` : rows.version,
    data: shown(rows),
  })
  const answered = await db
    .with(found, changed, told)
    .select({
      id: schedules.id,
      schedule: sql<Schedule>`case when ${rows.id} is not null then ${shown(rows)} else ${shown(schedules)} end`,
      eventIds: sql<string[]>`(select coalesce(json_agg(t.id), '[]') from told t)`,
    })
    .from(schedules)
    .leftJoin(changed, sql`${rows.id} = ${schedules.id}`)
    .where(sql`${schedules.id} in (select f.id from found f)`)
  kick(ctx, answered[0]?.eventIds ?? [])
  return ids.map((id) => answered.find((row) => row.id === id)?.schedule)
}
