import { type SQL, sql } from 'drizzle-orm'
import { alias } from 'drizzle-orm/pg-core'
import type { Ctx, EventKind } from '#core'
import { kick } from '#queue'
import { seriesOf } from './create.ts'
import { eventDeleted, eventRestored, tellOf } from './events.ts'
import { MAX_SERIES, missing, type Problem, refusal } from './problem.ts'
import { asker, type ChangeCtx, changing, shown, step } from './row.ts'
import type { CalendarEvent } from './schema.ts'
import { calendarEvents } from './tables.ts'

const KEPT_DAYS = 30
const EMPTY_BATCH = 1000
const MAX_EMPTY_PASSES = 20

type Moving = { id: string; kind: EventKind; to: SQL; judge: SQL }

async function move(ctx: ChangeCtx, { id, kind, to, judge }: Moving) {
  const { db } = ctx
  const me = asker(ctx)
  const before = alias(calendarEvents, 'before')
  const found = step(
    db,
    'before',
    sql`
    select t.*, ${judge} as problem from ${calendarEvents} t join me on me.id = t.user_id where t.id = ${id}`,
  )
  const moved = changing(
    db,
    'moved',
    sql`
    update ${calendarEvents} t set deleted_at = ${to}, version = t.version + 1, updated_at = now()
      from before b where t.id = b.id and b.problem is null
        and (t.deleted_at is null) <> (${to} is null) returning t.*`,
  )
  const told = tellOf(db, moved, kind)
  const [row] = await db
    .with(me, found, moved.cte, told)
    .select({
      problem: sql<Problem | null>`before.problem`,
      isThere: sql<boolean>`${before.id} is not null`,
      event: sql<CalendarEvent>`case when ${moved.rows.id} is not null then ${shown(moved.rows)} else ${shown(before)} end`,
      was: shown(before),
      eventId: sql<string | null>`(select id from told)`,
    })
    .from(me)
    .leftJoin(found, sql`true`)
    .leftJoin(moved.cte, sql`true`)
  if (!row?.isThere) throw missing()
  if (row.problem) throw refusal(row.problem)
  kick(ctx, [row.eventId])
  return { event: row.event, before: row.was }
}

/** Puts an event, with all its occurrences, into the bin. One trip; `not_found` when it is there already. */
export async function deleteWhole(
  ctx: ChangeCtx,
  id: string,
): Promise<{ event: CalendarEvent; before: CalendarEvent }> {
  return await move(ctx, {
    id,
    kind: eventDeleted,
    to: sql`${ctx.now().toISOString()}::timestamptz`,
    judge: sql`case when t.deleted_at is not null then 'missing' end`,
  })
}

/** Takes an event out of the bin; one that is not there stays as it is. One trip. */
export async function restoreWhole(ctx: ChangeCtx, id: string): Promise<CalendarEvent> {
  const { event } = await move(ctx, {
    id,
    kind: eventRestored,
    to: sql`null::timestamptz`,
    judge: sql`case when t.deleted_at is not null and t.recurrence is not null
      and ${seriesOf(sql`me.id`)} >= ${MAX_SERIES} then 'many' end`,
  })
  return event
}

/** Deletes for good what anybody put into the bin thirty days ago. */
export async function emptyCalendarBin(ctx: Pick<Ctx, 'db' | 'now'>): Promise<void> {
  const before = sql`${ctx.now().toISOString()}::timestamptz - interval '1 day' * ${KEPT_DAYS}`
  for (let pass = 0; pass < MAX_EMPTY_PASSES; pass++) {
    const { rows } = await ctx.db.execute<{ gone: string }>(sql`
      with gone as (
        delete from ${calendarEvents} where deleted_at < ${before} and id in (
          select id from ${calendarEvents} where deleted_at < ${before} limit ${EMPTY_BATCH})
        returning id)
      select count(*) as gone from gone`)
    if (Number(rows[0]?.gone ?? 0) < EMPTY_BATCH) return
  }
}
