import { and, asc, eq, gt, gte, inArray, lt, lte, or, type SQL, sql } from 'drizzle-orm'
import { type Ctx, describeError, type PersonActor, type UserCtx } from '#core'
import { kick, tell } from '#queue'
import { AHEAD_MS, armAgain, type NewTimer } from '#scheduler'
import { carryOut, giveUp } from './carry-out.ts'
import { expireSuggestion, lookInto, outlasting } from './decide.ts'
import { isToCome, judge, rankOf, type Score } from './judge.ts'
import { againAt, isFull, type Limits, limitReached, offerAlone, wakesAt } from './limits.ts'
import { cellOf, type Moment } from './moment.ts'
import { LIVE, mine, shown, shownWaiting, suggestionUpdated, suggestionWithheld, tellOffered } from './row.ts'
import { standingOf } from './standing.ts'
import { suggestions } from './tables.ts'

const t = suggestions
const WAITS = ['withheld', 'snoozed'] as const

/** The system, acting for one person. */
export function onBehalfOf(ctx: Ctx, userId: string): UserCtx {
  const actor: PersonActor = { kind: 'person', userId, sessionId: null }
  return { ...ctx, actor }
}

/** What a timer of a suggestion is for: it is over, comes back, or is judged again. Done once, whoever asks. */
export async function wakeSuggestion(system: Ctx, { userId, id }: { userId: string; id: string }): Promise<void> {
  const ctx = onBehalfOf(system, userId)
  const now = ctx.now()
  const [row] = await ctx.db
    .select()
    .from(t)
    .where(and(mine(ctx, id), or(lte(t.expiresAt, now), and(inArray(t.status, [...WAITS]), lte(t.wakeAt, now)))))
  if (!row) return
  if (row.expiresAt <= now) await expireSuggestion(ctx, id)
  else if (row.status === 'snoozed') await comeBack(ctx, row)
  else await judgeAgain(ctx, row)
}

type Row = typeof suggestions.$inferSelect

/** What was snoozed waits for no more than the end of quiet hours, and a place among the open ones. */
async function comeBack(ctx: UserCtx, row: Row): Promise<void> {
  const { standing, moment } = await standingOf(ctx, row.kind)
  const { settings, quietUntil } = standing
  const reason = quietUntil ? sql`'quiet_hours'` : sql`case when ${isFull(ctx, settings)} then 'too_many_open' end`
  await rise(ctx, row, { reason, wakeAt: quietUntil ?? againAt(ctx), ends: { quiet_hours: quietUntil }, moment })
}

async function judgeAgain(ctx: UserCtx, row: Row): Promise<void> {
  const { reason, wakeAt, moment, limits, score } = await judge(
    ctx,
    { ...row, expiresAt: row.expiresAt.toISOString() },
    true,
  )
  if (reason === null && isToCome(row)) return void (await lookInto(ctx, row.id, eq(t.version, row.version)))
  const why = reason ? sql`${reason}::text` : limitReached(ctx, row, limits)
  await rise(ctx, row, { reason: why, wakeAt, ends: limits.ends, moment, score })
}

type Rise = { reason: SQL; wakeAt: Date | null; ends: Limits['ends']; moment: Moment; score?: Score }

/** Offers it if no reason is left when it is written, else has it wait. One trip. */
async function rise(ctx: UserCtx, row: Row, { reason, wakeAt, ends, moment, score }: Rise): Promise<void> {
  const { db } = ctx
  const one = sql`(select 1) one`
  const judged = db.$with('judged').as(db.select({ reason: sql`${reason}`.as('judged_reason') }).from(one))
  const why = sql`(select judged_reason from judged)`
  const at = ctx.now().toISOString()
  // Whoever put it off wants it to be there when it comes back.
  const isPutOff = row.status === 'snoozed' && wakeAt !== null
  const changed = db.$with('changed').as(
    db
      .update(t)
      .set({
        status: sql`case when ${why} is null then 'proposed' else ${t.status} end`,
        reason: sql`case when ${t.status} = 'withheld' then ${why} end`,
        wakeAt: isPutOff
          ? sql`case when ${why} is not null then ${wakeAt.toISOString()}::timestamptz end`
          : wakesAt(why, wakeAt, ends, row.expiresAt),
        ...(isPutOff && { expiresAt: outlasting(wakeAt) }),
        proposedAt: sql`case when ${why} is null then coalesce(${t.proposedAt}, ${at}::timestamptz) else ${t.proposedAt} end`,
        moment: cellOf(moment),
        ...(score && { rank: rankOf(score), why: sql`${t.why} || ${JSON.stringify({ score })}::jsonb` }),
        version: sql`${t.version} + 1`,
        updatedAt: sql`now()`,
      })
      .where(and(mine(ctx, row.id), eq(t.version, row.version)))
      .returning(),
  )
  const offered = db.$with('offered').as(db.select().from(changed).where(eq(changed.status, 'proposed')))
  const waiting = db.$with('waiting').as(db.select().from(changed).where(eq(changed.status, 'withheld')))
  const { userId, id: key, version } = changed
  const again = { kind: suggestionUpdated, userId, key, version, data: shown(changed) }
  const first = row.status === 'withheld'
  const told = first ? tellOffered(db, 'told', offered) : tell(db, 'told', changed, again)
  const kept = tell(db, 'kept', waiting, {
    kind: suggestionWithheld,
    ...{ userId: waiting.userId, key: waiting.id, version: waiting.version, data: shownWaiting(waiting) },
  })
  const events = {
    toldId: sql<string | null>`(select id from told)`,
    keptId: sql<string | null>`(select id from kept)`,
  }
  const risen = db.with(judged, changed, offered, waiting, told, kept).select(events).from(changed)
  const [, rows] = await db.batch([offerAlone(ctx), risen])
  kick(
    ctx,
    rows.flatMap(({ toldId, keptId }) => [toldId, keptId]),
  )
}

const SWEEP_AFTER_MS = 15_000
const SWEEP_LIMIT = 200
const SWEPT = 1000
const PRUNE_BATCH = 5000
const isOffered = ({ status }: { status: string }) => LIVE.some((live) => live === status)
const UNDECIDED = ['proposed', 'seen', 'snoozed'] as const

export const nameOf = (id: string) => `suggestion:${id}`

export function timerAt(
  { userId, id, version }: { userId: string; id: string; version: number },
  dueMs: number,
): NewTimer {
  return { name: nameOf(id), dueMs, version, payload: { kind: 'suggestion', userId, id } }
}

/** Does what lost timers left undone, oldest first, and arms again what is soon; answers how many of the former there were. */
export async function sweepSuggestions(ctx: Ctx): Promise<number> {
  const nowMs = ctx.now().getTime()
  const [late, ahead] = [new Date(nowMs - SWEEP_AFTER_MS), new Date(nowMs + AHEAD_MS)]
  const isDue = or(
    and(inArray(t.status, [...WAITS]), lt(t.wakeAt, late), gt(t.expiresAt, ctx.now())),
    and(inArray(t.status, [...UNDECIDED]), lt(t.expiresAt, late)),
  )
  const isSoon = or(
    and(inArray(t.status, [...WAITS]), gte(t.wakeAt, late), lt(t.wakeAt, ahead)),
    and(inArray(t.status, [...LIVE]), gte(t.expiresAt, late), lt(t.expiresAt, ahead)),
  )
  const { id, userId, version, status, wakeAt, expiresAt } = t
  const [due, soon] = await ctx.db.batch([
    ctx.db.select({ id, userId }).from(t).where(isDue).orderBy(asc(t.updatedAt)).limit(SWEEP_LIMIT),
    ctx.db.select({ id, userId, version, status, wakeAt, expiresAt }).from(t).where(isSoon).limit(SWEPT),
  ])
  const dueMsOf = (one: (typeof soon)[number]) =>
    (isOffered(one) ? one.expiresAt : (one.wakeAt ?? one.expiresAt)).getTime()
  for (const one of due) {
    try {
      await wakeSuggestion(ctx, one)
    } catch (error) {
      // One that fails waits for the next sweep and stops no other.
      ctx.log.error('suggestion.sweep_failed', { suggestionId: one.id, ...describeError(error) })
    }
  }
  await armAgain(
    ctx,
    soon.map((one) => timerAt(one, dueMsOf(one))),
  )
  return due.length
}

const UNDONE_AFTER_MS = 10 * 60_000
const GIVEN_UP_AFTER_MS = 24 * 3600_000
// A webhook is tried for three days.
const LONGEST_MS = 4 * GIVEN_UP_AFTER_MS

/** Carries out what was approved and lost on the way, or is under way, and gives up what fails for a day; answers how many there were. */
export async function sweepApproved(ctx: Ctx): Promise<number> {
  const nowMs = ctx.now().getTime()
  const isOurs = sql`(${t.source}->>'kind' <> 'run' or ${t.agreed} = '[]')`
  const lost = await ctx.db
    .select({ id: t.id, userId: t.userId, status: t.status, decidedAt: t.decidedAt })
    .from(t)
    .where(and(inArray(t.status, ['approved', 'running']), isOurs, lt(t.decidedAt, new Date(nowMs - UNDONE_AFTER_MS))))
    .orderBy(asc(t.decidedAt))
    .limit(SWEEP_LIMIT)
  for (const { id, userId, status, decidedAt } of lost) {
    const one = onBehalfOf(ctx, userId)
    const isHopeless = (decidedAt?.getTime() ?? 0) < nowMs - GIVEN_UP_AFTER_MS
    const isOver = (decidedAt?.getTime() ?? 0) < nowMs - LONGEST_MS
    try {
      // Nobody expects what they agreed to a day ago to begin now; what has begun may end.
      await (isHopeless && status === 'approved' ? giveUp(one, id) : carryOut(one, id))
    } catch (error) {
      if (isHopeless && (status === 'approved' || isOver)) await giveUp(one, id)
      ctx.log.error('suggestion.undone_yet', { suggestionId: id, ...describeError(error) })
    }
  }
  return lost.length
}

/** Forgets what was withheld and nobody asked for, a month after it would have been over. */
export async function pruneSuggestions({ db }: Pick<Ctx, 'db'>): Promise<void> {
  const isOld = and(eq(t.status, 'withheld'), lt(t.expiresAt, sql`now() - interval '30 days'`))
  const old = db.select({ id: t.id }).from(t).where(isOld).limit(PRUNE_BATCH)
  await db.delete(t).where(inArray(t.id, old))
}
