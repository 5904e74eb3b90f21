import { and, desc, eq, inArray, lt, sql } from 'drizzle-orm'
import { z } from 'zod'
import { type Ctx, decodeCursor, encodeCursor, s, toPage } from '#core'
import { iso, jsonObject, liveSession } from '#database'
import { mine, missing, type ReadCtx, shownRun } from './row.ts'
import type { RunQuery, ScheduleRun, ScheduleStatistics } from './schema.ts'
import { scheduleRuns, schedules } from './tables.ts'

const LIST = 'schedule_runs'
const CursorKey = z.tuple([s.id('sch'), s.id('srn')])
const PRUNE_BATCH = 5000

/** The runs of a schedule, the latest begun first. One trip. */
export async function listRuns({ db, actor }: ReadCtx, id: string, { limit, cursor, status }: RunQuery) {
  const [, after] = cursor ? decodeCursor(LIST, cursor, CursorKey) : []
  const r = scheduleRuns
  const wanted = and(
    eq(r.scheduleId, schedules.id),
    status && eq(r.status, status),
    after === undefined ? undefined : lt(r.id, after),
  )
  const rows = await db
    .select({ run: sql<ScheduleRun | null>`case when ${r.id} is not null then ${shownRun(r)} end` })
    .from(schedules)
    .leftJoin(r, wanted)
    .where(mine(actor, id))
    .orderBy(desc(r.id))
    .limit(limit + 1)
  if (rows.length === 0) throw missing()
  return toPage(
    rows.flatMap(({ run }) => run ?? []),
    limit,
    (last) => encodeCursor(LIST, [id, last.id]),
  )
}

/** How the person's schedules stand, and how their runs of the last thirty days went. One trip. */
export async function scheduleStatistics({ db, actor }: ReadCtx): Promise<ScheduleStatistics> {
  const counted = (column: string, statuses: string[]) =>
    jsonObject<object>(
      Object.fromEntries(
        statuses.map((status) => [status, sql`count(*) filter (where ${sql.identifier(column)} = ${status}::text)`]),
      ),
    )
  const late = (share: number) =>
    sql`round(percentile_cont(${share}::float8) within group (order by extract(epoch from r.started_at - r.due_at) * 1000)
      filter (where r.cause = 'time' and r.status <> 'missed'))::bigint`
  const { rows } = await db.execute<ScheduleStatistics>(sql`
    select a.schedules, a."nextAt", b.runs, b."lateMs" from
      (select ${counted('status', ['active', 'paused', 'done'])} as schedules, ${iso(sql`min(s.next_at)`)} as "nextAt"
        from ${schedules} s where s.user_id = ${actor.userId}) a,
      (select ${counted('status', ['waiting', 'done', 'failed', 'missed'])} as runs, ${jsonObject({ p50: late(0.5), p99: late(0.99) })} as "lateMs"
        from ${scheduleRuns} r where r.user_id = ${actor.userId} and r.started_at > now() - interval '30 days') b
    where ${liveSession(actor) ?? sql`true`}`)
  const [statistics] = rows
  if (!statistics) throw new Error('a count answered no row')
  return statistics
}

/** Forgets runs that ended three months ago. */
export async function pruneScheduleRuns({ db }: Pick<Ctx, 'db'>): Promise<void> {
  const old = db
    .select({ id: scheduleRuns.id })
    .from(scheduleRuns)
    .where(lt(scheduleRuns.endedAt, sql`now() - interval '90 days'`))
    .limit(PRUNE_BATCH)
  await db.delete(scheduleRuns).where(inArray(scheduleRuns.id, old))
}
