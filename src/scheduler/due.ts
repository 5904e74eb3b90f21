import { and, asc, eq, isNotNull, lte, type SQL, sql, type WithSubquery } from 'drizzle-orm'
import { alias } from 'drizzle-orm/pg-core'
import { type Ctx, describeError } from '#core'
import { kick, tell } from '#queue'
import { owedRuns } from './owed.ts'
import { type CreateCtx, mine, missing, scheduleDue, shown, shownRun } from './row.ts'
import { type NewTimer, type ScheduleRun, When } from './schema.ts'
import { scheduleRuns, schedules } from './tables.ts'
import { AHEAD_MS, armAgain, SWEPT, wakeSteward } from './timer.ts'
import { nextTimes } from './when.ts'

const EARLY_MS = 1000
const SWEEP_AFTER_MS = 15_000
const SWEEP_LIMIT = 200
// A Worker has six connections at once; one is left for the queue.
const SWEEP_AT_ONCE = 5

export const nameOf = (id: string) => `schedule:${id}`

export function timerAt(
  { userId, id, version }: { userId: string; id: string; version: number },
  dueMs: number,
): NewTimer {
  return { name: nameOf(id), dueMs, version, payload: { kind: 'schedule', userId, id } }
}

type DueCtx = Pick<Ctx, 'db' | 'env' | 'now' | 'newId' | 'waitUntil' | 'log'>
type Ran = 'ran' | 'nothing'

/**
 * Writes down the runs of a schedule whose time has come, each with its event, and moves it to its next time: once,
 * whoever asks and how often. `nothing`: it was done before, moved, paused or deleted. Two trips.
 */
export async function runSchedule(ctx: DueCtx, { userId, id }: { userId: string; id: string }): Promise<Ran> {
  const { db } = ctx
  const nowMs = ctx.now().getTime()
  const isIts = and(eq(schedules.id, id), eq(schedules.userId, userId), isNotNull(schedules.nextAt))
  const { missed, nextAt, version } = schedules
  const [row] = await db.select({ when: schedules.when, missed, nextAt, version }).from(schedules).where(isIts)
  if (!row?.nextAt || row.nextAt.getTime() > nowMs + EARLY_MS) return 'nothing'
  const when = When.parse(row.when)
  const owed = owedRuns(when, row.missed, row.nextAt, ctx.now())
  const [next] = nextTimes(when, new Date(Math.max(nowMs, row.nextAt.getTime())), 1)
  const moved = db.$with('moved').as(
    db
      .update(schedules)
      .set({
        nextAt: next ?? null,
        status: next ? 'active' : 'done',
        version: sql`${version} + 1`,
        updatedAt: sql`now()`,
      })
      // Of all who found it due one moves it.
      .where(and(isIts, eq(version, row.version)))
      .returning(),
  )
  const runs = owed.map((run) => ({ ...run, id: ctx.newId('srn'), cause: 'time' as const }))
  const { made, told } = insertRuns(ctx, 'moved', shown(moved), runs)
  const [done] = await db
    .with(moved, made, told)
    .select({ eventIds: sql<string[]>`(select coalesce(json_agg(t.id), '[]') from told t)` })
    .from(moved)
  if (!done) return 'nothing'
  kick(ctx, done.eventIds)
  return 'ran'
}

type NewRun = { id: string; at: Date; cause: 'time' | 'person'; status: 'waiting' | 'missed'; missed: number }

/** Runs of the schedule that the CTE `source` has, and their events, which show it as `schedule`. */
function insertRuns({ db, now }: Pick<DueCtx, 'db' | 'now'>, source: 'moved' | 'found', schedule: SQL, runs: NewRun[]) {
  const at = sql`${now().toISOString()}::timestamptz`
  const rows = alias(scheduleRuns, 'made')
  const made: WithSubquery = db.$with('made', {}).as(sql`
    insert into ${scheduleRuns} (id, user_id, schedule_id, due_at, cause, status, missed, started_at, ended_at)
    select r.id, s.user_id, s.id, r.at, r.cause, r.status, r.missed, ${at}, case when r.status = 'missed' then ${at} end
    from ${sql.identifier(source)} s, jsonb_to_recordset(${JSON.stringify(runs)}::jsonb)
      as r (id text, at timestamptz, cause text, status text, missed int)
    on conflict do nothing returning *`)
  const told = tell(db, 'told', made, {
    kind: scheduleDue,
    userId: rows.userId,
    key: rows.id,
    version: sql`1`,
    data: sql`json_build_object('run', ${shownRun(rows)}, 'schedule', (select ${schedule} from ${sql.identifier(source)}))`,
  })
  return { made, told, rows }
}

/** Runs one now, whatever its time and also while it is paused; its next time stays. One trip. */
export async function runNow(ctx: CreateCtx, id: string): Promise<ScheduleRun> {
  const { db, actor } = ctx
  const found = db.$with('found').as(db.select().from(schedules).where(mine(actor, id)))
  const runId = ctx.newId('srn')
  const run: NewRun = { id: runId, at: ctx.now(), cause: 'person', status: 'waiting', missed: 0 }
  const { made, told, rows } = insertRuns(ctx, 'found', shown(found), [run])
  const known = alias(scheduleRuns, 'known')
  const [row] = await db
    .with(found, made, told)
    .select({
      // The same id again: an Idempotency-Key whose first answer was lost.
      run: sql<ScheduleRun>`case when ${rows.id} is not null then ${shownRun(rows)} else ${shownRun(known)} end`,
      eventId: told.id,
    })
    .from(found)
    .leftJoin(made, sql`true`)
    .leftJoin(known, eq(known.id, runId))
    .leftJoin(told, sql`true`)
  if (!row) throw missing()
  kick(ctx, [row.eventId])
  return row.run
}

/**
 * Runs what a lost message or alarm left undone, oldest first, and wakes its Steward, and arms again what is soon; answers
 * how many it ran.
 */
export async function sweepSchedules(ctx: DueCtx): Promise<number> {
  const nowMs = ctx.now().getTime()
  const { id, userId, nextAt, version } = schedules
  const found = await ctx.db
    .select({ id, userId, nextAt, version })
    .from(schedules)
    .where(lte(nextAt, new Date(nowMs + AHEAD_MS)))
    .orderBy(asc(nextAt))
    .limit(SWEPT)
  const isLate = (one: (typeof found)[number]) => (one.nextAt?.getTime() ?? 0) <= nowMs - SWEEP_AFTER_MS
  const late = found.filter(isLate).slice(0, SWEEP_LIMIT)
  const soon = found.flatMap((one) => (one.nextAt === null || isLate(one) ? [] : timerAt(one, one.nextAt.getTime())))
  let ran = 0
  for (let at = 0; at < late.length; at += SWEEP_AT_ONCE) {
    const each = await Promise.all(late.slice(at, at + SWEEP_AT_ONCE).map((schedule) => runLate(ctx, schedule)))
    ran += each.filter((one) => one === 'ran').length
  }
  await armAgain(ctx, soon)
  if (ran > 0) ctx.log.warn('schedules.swept', { found: late.length, ran })
  return ran
}

// One that fails waits for the next sweep and stops no other.
async function runLate(ctx: DueCtx, { id, userId }: { id: string; userId: string }): Promise<Ran> {
  try {
    const ran = await runSchedule(ctx, { userId, id })
    if (ran === 'ran') await wakeSteward(ctx, userId)
    return ran
  } catch (error) {
    ctx.log.error('schedule.sweep_failed', { scheduleId: id, userId, ...describeError(error) })
    return 'nothing'
  }
}
