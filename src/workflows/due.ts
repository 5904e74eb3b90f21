import { sql } from 'drizzle-orm'
import { z } from 'zod'
import { type Ctx, describeError, findAppError } from '#core'
import { AHEAD_MS } from '#scheduler'
import { armAt, armSoon } from './arm.ts'
import { timesOf } from './compile.ts'
import { lookAt } from './condition.ts'
import { type FireCtx, type Firing, fire } from './fire.ts'
import { isDaily } from './inputs.ts'
import { type Armed, actingFor, readTriggers } from './ready.ts'
import { triggers, workflows } from './tables.ts'
import { isTemporal } from './when-of.ts'
import { setStatus } from './workflows.ts'

const EARLY_MS = 1000
/** What is later than this was missed, and its policy says what becomes of it. */
const LATE_MS = 5 * 60_000
const MAX_MISSED = 50
const PAGE = 100
// A week of every minute.
const MAX_PAGES = 100
const SWEEP_AFTER_MS = 15_000
const SWEEP_LIMIT = 200
const SWEPT = 1000
const SWEEP_AT_ONCE = 5

const Pending = z.object({
  trigger: z.record(z.string(), z.unknown()),
  cause: z.string(),
  subject: z.string().nullable(),
  tainted: z.boolean(),
  /** When it happened, by whoever says so. */
  toldAt: z.string().max(40).optional(),
})
export type Pending = z.infer<typeof Pending>

/** What a timer of kind `trigger` is for: fires what is due of a trigger, once for each time, or ends a pause. */
export async function runDue(ctx: Ctx, { userId, id }: { userId: string; id: string }): Promise<void> {
  if (id.startsWith('wfl_')) {
    await endPause(ctx, userId, id)
    return
  }
  const [armed] = await readTriggers(ctx, sql`t.id = ${id} and t.user_id = ${userId}`)
  if (!armed) return
  const nowMs = ctx.now().getTime() + EARLY_MS
  if (armed.pendingAt && armed.pendingAt.getTime() <= nowMs) await firePending(ctx, armed)
  if (!armed.nextAt || armed.nextAt.getTime() > nowMs) return
  if (armed.config.kind === 'condition') await lookAt(ctx, userId, [armed], null)
  else await fireTimes(ctx, armed, armed.nextAt)
}

/** Reckons anew what is meant where the person is, who may have moved. */
export async function followZone(ctx: Ctx, userId: string): Promise<void> {
  const isWalled = sql`t.kind in ('at', 'cron', 'rrule') and not t.config ? 'timeZone'`
  const isLooked = sql`t.kind = 'condition'`
  const waiting = sql`t.user_id = ${userId} and t.next_at is not null and ((${isWalled}) or ${isLooked})`
  const looked: Armed[] = []
  const timed: { id: string; at: Date; was: Date | null }[] = []
  for (const armed of await readTriggers(ctx, waiting)) {
    const { id, config, zone, nextAt } = armed
    if (config.kind === 'condition' && !isDaily(config)) {
      looked.push(armed)
      continue
    }
    // What happens once and would have by now is due: its policy says what becomes of it.
    const [at] = timesOf(config, zone, config.kind === 'at' ? new Date(0) : ctx.now(), 1)
    if (at && at.getTime() !== nextAt?.getTime()) timed.push({ id, at, was: nextAt })
  }
  if (looked.length > 0) await lookAt(ctx, userId, looked, null)
  if (timed.length === 0) return
  const rows = sql`jsonb_to_recordset(${JSON.stringify(timed)}::jsonb) as m (id text, at timestamptz, was timestamptz)`
  await ctx.db.execute(sql`update ${triggers} t set next_at = m.at, updated_at = now() from ${rows}
    where t.id = m.id and t.next_at = m.was`)
  await armAt(ctx, userId, timed)
}

async function endPause(ctx: Ctx, userId: string, id: string): Promise<void> {
  const { rows } = await ctx.db.execute(sql`select 1 from ${workflows} where id = ${id} and user_id = ${userId}
    and deleted_at is null and status = 'paused' and paused_until <= ${new Date(ctx.now().getTime() + EARLY_MS).toISOString()}::timestamptz`)
  if (rows.length === 0) return
  const own = { ...ctx, actor: actingFor(userId) }
  try {
    await setStatus(own, id, { status: 'enabled' })
  } catch (error) {
    // What it needs is gone: it stays off, and says so, where it would be asked about for ever.
    if (findAppError(error)?.code !== 'invalid_request') throw error
    await setStatus(own, id, { status: 'disabled' })
  }
}

/** Of the times that have come, those that are to be run: of the missed ones what the policy says. */
export function timesToRun(times: Date[], missed: 'skip' | 'once' | 'all', now: Date): Date[] {
  const isLate = (at: Date) => at.getTime() < now.getTime() - LATE_MS
  const late = times.filter(isLate)
  const inTime = times.filter((at) => !isLate(at))
  if (missed === 'all') return times.slice(-MAX_MISSED)
  if (missed === 'skip' || inTime.length > 0) return inTime
  return late.slice(-1)
}

/** The last of the times that have come, from the first that is still due: a long outage may have missed thousands. */
function timesUntil({ config, zone }: Armed, first: Date, until: Date): Date[] {
  let times = [first]
  for (let page = 0; page < MAX_PAGES; page++) {
    const more = timesOf(config, zone, times.at(-1) ?? first, PAGE).filter((at) => at.getTime() <= until.getTime())
    if (more.length === 0) break
    times = [...times, ...more].slice(-PAGE)
  }
  return times
}

async function fireTimes(ctx: Ctx, armed: Armed, first: Date): Promise<void> {
  const { config, zone, id, userId } = armed
  const now = ctx.now()
  const after = new Date(Math.max(now.getTime(), first.getTime()))
  const [next] = timesOf(config, zone, after, 1)
  // The last of them moves the trigger on; where that is lost all are asked for again, and known by their cause.
  const moved = sql`update ${triggers} set next_at = ${next?.toISOString() ?? null}::timestamptz, updated_at = now()
    where id = ${id} and next_at = ${first.toISOString()}::timestamptz returning id`
  if (isTemporal(config)) {
    for (const at of timesToRun(timesUntil(armed, first, after), config.missed ?? 'once', now))
      await fire(ctx, armed, ofTime(armed, at))
  }
  await ctx.db.execute(moved)
  if (next) await armAt(ctx, userId, [{ id, at: next }])
}

function ofTime({ id, config }: Armed, at: Date): Firing {
  const iso = at.toISOString()
  const trigger = { kind: config.kind, at: iso }
  const cause = `time:${iso}`
  return { kind: config.kind, triggerId: id, trigger, cause, subject: null, tainted: false, depth: 0, at }
}

export const firingOf = ({ id, config }: Armed, { trigger, cause, subject, tainted }: Pending): Firing => ({
  ...{ kind: config.kind, triggerId: id, trigger, cause, subject, tainted, depth: 0 },
})

/** Fires what a debounce held back, of the last of what happened. */
async function firePending(ctx: FireCtx, armed: Armed): Promise<void> {
  const pending = Pending.safeParse(armed.pending)
  // By the time of what it fires for: what happened since is news, however soon it is told.
  const firedFor = pending.data?.toldAt ?? ctx.now().toISOString()
  const done = sql`update ${triggers} set pending_at = null, pending = null, last_fired_at = ${firedFor}::timestamptz
    where id = ${armed.id} and pending_at = ${armed.pendingAt?.toISOString() ?? null}::timestamptz returning id`
  if (pending.success) await fire(ctx, armed, firingOf(armed, pending.data), done)
  else await ctx.db.execute(done)
}

/** Fires what a lost alarm left waiting, oldest first, and arms again what is soon; answers how many it fired. */
export async function sweepTriggers(ctx: Ctx): Promise<number> {
  const nowMs = ctx.now().getTime()
  const soon = sql`${new Date(nowMs + AHEAD_MS).toISOString()}::timestamptz`
  const { rows } = await ctx.db.execute<{ id: string; userId: string; at: string }>(sql`
    select t.id, t.user_id as "userId", least(t.next_at, t.pending_at) as at from ${triggers} t
      join ${workflows} w on w.id = t.workflow_id and w.status = 'enabled' and w.deleted_at is null
      where t.active and (t.next_at < ${soon} or t.pending_at < ${soon})
    union all select id, user_id, paused_until from ${workflows}
      where deleted_at is null and status = 'paused' and paused_until < ${soon}
    order by at limit ${SWEPT}`)
  const found = rows.map((row) => ({ ...row, at: new Date(row.at) }))
  const isLate = ({ at }: { at: Date }) => at.getTime() < nowMs - SWEEP_AFTER_MS
  const late = found.filter(isLate).slice(0, SWEEP_LIMIT)
  for (let at = 0; at < late.length; at += SWEEP_AT_ONCE)
    await Promise.all(late.slice(at, at + SWEEP_AT_ONCE).map((one) => runLate(ctx, one)))
  await armSoon(
    ctx,
    found.filter((one) => !isLate(one)),
  )
  if (late.length > 0) ctx.log.warn('triggers.swept', { found: late.length })
  return late.length
}

// One that fails waits for the next sweep and stops no other.
async function runLate(ctx: Ctx, one: { id: string; userId: string }): Promise<void> {
  try {
    await runDue(ctx, one)
  } catch (error) {
    ctx.log.error('trigger.sweep_failed', { triggerId: one.id, userId: one.userId, ...describeError(error) })
  }
}
