import { and, asc, eq, gt, inArray, isNotNull, isNull, lt, lte, notInArray, or, type SQL, sql } from 'drizzle-orm'
import { z } from 'zod'
import { type Ctx, defineEvent, type UserCtx } from '#core'
import { iso, ownedBy } from '#database'
import { kick, tell } from '#queue'
import type { Call, Decision, Feature, Receipt } from './call.ts'
import type { ProviderName, Stop, ToolCall } from './model.ts'
import { batchCalls as b } from './tables.ts'

/** What was said, and what it cost. */
export type Answer = { text: string; calls: ToolCall[]; stop: Stop; receipt: Receipt }

export type BatchRow = {
  id: string
  userId: string
  call: Call
  decision: Decision
  model: string
  holdId: string
  heldAtMs: number
  deadlineMs: number
  attempts: number
}

type DbCtx = Pick<Ctx, 'db' | 'now'>

/** In batches; then it is asked directly, where two more may fail. */
const MAX_BATCHES = 2
export const MAX_ATTEMPTS = 4
/** A batch needs some time: with less left the call is made directly. */
const MARGIN_MS = 15 * 60_000
/** Longer than sending takes: what is not known to be sent by then is looked for. */
export const LEASE_MS = 10 * 60_000
const KEPT_MS = 30 * 24 * 3600_000
const PRUNE_BATCH = 1000

/** A call that waited has its answer, or has failed for good. */
export const aiAnswered = defineEvent(
  'ai.answered',
  null,
  z.strictObject({
    id: z.string(),
    kind: z.string(),
    feature: z.string(),
    state: z.enum(['answered', 'failed']),
    errorCode: z.string().nullable(),
  }),
)

const epochMs = (column: SQL | typeof b.heldAt) => sql<number>`(extract(epoch from ${column}) * 1000)::float8`
const row = {
  id: b.id,
  userId: b.userId,
  call: sql<Call>`${b.call}`,
  decision: sql<Decision>`${b.decision}`,
  model: b.model,
  holdId: sql<string>`coalesce(${b.holdId}, ${b.id})`,
  heldAtMs: epochMs(sql`coalesce(${b.heldAt}, ${b.createdAt})`),
  deadlineMs: epochMs(sql`${b.deadlineAt}`),
  attempts: b.attempts,
}
const isOpen = inArray(b.state, ['waiting', 'sent'])
const isHeld = isNotNull(b.holdId)
const after = ({ now }: DbCtx, ms: number) => new Date(now().getTime() + ms)
const back = sql`case when ${b.state} = 'sent' then 'waiting' else ${b.state} end`
const isOver = inArray(b.state, ['answered', 'failed'])
// What was asked is kept only while it may be asked again, or settled.
const forgotten = sql`case when ${isOver} then '{}'::jsonb else ${b.call} end`
const goneBack = { state: back, call: forgotten, holdId: null, batchId: null }

/** Forgets what was over a month ago; whether anything is left to do. One trip. */
export async function sweep(ctx: DbCtx): Promise<boolean> {
  const isOld = and(isOver, lt(b.updatedAt, after(ctx, -KEPT_MS)))
  const old = ctx.db.select({ id: b.id }).from(b).where(isOld).limit(PRUNE_BATCH)
  const [, left] = await ctx.db.batch([
    ctx.db.delete(b).where(inArray(b.id, old)),
    ctx.db.select({ id: b.id }).from(b).where(or(isOpen, isHeld)).limit(1),
  ])
  return left.length > 0
}

/** Takes calls that wait for a batch of this provider's. Each taking has an id of its own: the call's, then others of its millisecond. */
export async function claimToSend(ctx: DbCtx, provider: ProviderName, limit: number): Promise<BatchRow[]> {
  const now = ctx.now()
  const due = ctx.db
    .select({ id: b.id })
    .from(b)
    .where(
      and(
        eq(b.state, 'waiting'),
        eq(b.provider, provider),
        isNull(b.holdId),
        lte(b.dueAt, now),
        gt(b.deadlineAt, after(ctx, MARGIN_MS)),
        lt(b.attempts, MAX_BATCHES),
      ),
    )
    .orderBy(asc(b.dueAt), asc(b.id))
    .limit(limit)
    .for('update', { skipLocked: true })
  return await ctx.db
    .update(b)
    .set({
      state: 'sent',
      sends: sql`${b.sends} + 1`,
      holdId: sql`case when ${b.sends} = 0 then ${b.id} else left(${b.id}, 14) || left(md5(${b.id} || ${b.sends}::text), 16) end`,
      heldAt: now,
      batchId: null,
      pollAt: now,
      updatedAt: now,
    })
    .where(inArray(b.id, due))
    .returning(row)
}

/** These went with this batch. */
export async function markSent({ db, now }: DbCtx, holdIds: string[], batchId: string): Promise<void> {
  const set = { batchId, pollAt: sql`${after({ db, now }, 60_000).toISOString()}::timestamptz`, updatedAt: now() }
  await db.update(b).set(set).where(inArray(b.holdId, holdIds))
}

/** Which of these are still to be sent. One trip. */
export async function stillToSend({ db }: Pick<Ctx, 'db'>, holdIds: string[]): Promise<Set<string | null>> {
  const rows = await db
    .select({ holdId: b.holdId })
    .from(b)
    .where(and(inArray(b.holdId, holdIds), eq(b.state, 'sent')))
  return new Set(rows.map(({ holdId }) => holdId))
}

/** Back to those that wait; `unsent`: their id was never seen by the provider, and may be had again. */
export async function giveBack(ctx: DbCtx, holdIds: string[], unsent: boolean, dueAt: Date): Promise<void> {
  if (holdIds.length === 0) return
  await ctx.db
    .update(b)
    .set({ ...goneBack, dueAt, updatedAt: ctx.now(), ...(unsent && { sends: sql`${b.sends} - 1` }) })
    .where(inArray(b.holdId, holdIds))
}

/** What came of a batch was no answer: another one, or soon no batch. */
export async function tryAgain(ctx: DbCtx, holdIds: string[]): Promise<void> {
  if (holdIds.length === 0) return
  const now = ctx.now()
  await ctx.db
    .update(b)
    .set({ ...goneBack, attempts: sql`${b.attempts} + 1`, dueAt: now, updatedAt: now })
    .where(inArray(b.holdId, holdIds))
}

/** Takes calls for which no batch will do any more, or never would. */
export async function claimDirect(ctx: DbCtx, batching: ProviderName[], limit: number): Promise<BatchRow[]> {
  const now = ctx.now()
  const elsewhere = notInArray(b.provider, batching)
  const isLate = lte(b.deadlineAt, after(ctx, MARGIN_MS))
  const due = ctx.db
    .select({ id: b.id })
    .from(b)
    .where(
      and(
        isOpen,
        lte(b.dueAt, now),
        or(
          lte(b.deadlineAt, now),
          and(eq(b.state, 'waiting'), or(isLate, elsewhere, sql`${b.attempts} >= ${MAX_BATCHES}`)),
        ),
      ),
    )
    .orderBy(asc(b.deadlineAt), asc(b.id))
    .limit(limit)
    .for('update', { skipLocked: true })
  return await ctx.db
    .update(b)
    .set({ attempts: sql`${b.attempts} + 1`, dueAt: after(ctx, LEASE_MS), updatedAt: now })
    .where(inArray(b.id, due))
    .returning(row)
}

/** Not now: `isTry` false where the model was not asked. */
export async function putOff(ctx: DbCtx, id: string, dueAt: Date, isTry: boolean): Promise<void> {
  const set = { dueAt, updatedAt: ctx.now(), ...(!isTry && { attempts: sql`${b.attempts} - 1` }) }
  await ctx.db
    .update(b)
    .set(set)
    .where(and(eq(b.id, id), isOpen))
}

/** Batches to ask about, the longer they run the less often. */
export async function claimPolls(ctx: DbCtx, provider: ProviderName, limit: number): Promise<string[]> {
  const now = sql`${ctx.now().toISOString()}::timestamptz`
  const due = ctx.db
    .select({ batchId: b.batchId })
    .from(b)
    .where(and(isHeld, isNotNull(b.batchId), eq(b.provider, provider), lte(b.pollAt, ctx.now())))
    .groupBy(b.batchId)
    .orderBy(sql`min(${b.pollAt})`)
    .limit(limit)
  const wait = sql`least(interval '10 minutes', greatest(interval '55 seconds', (${now} - ${b.heldAt}) / 6))`
  const rows = await ctx.db
    .update(b)
    .set({ pollAt: sql`${now} + ${wait}` })
    .where(and(isHeld, inArray(b.batchId, due)))
    .returning({ batchId: b.batchId })
  return [...new Set(rows.flatMap(({ batchId }) => batchId ?? []))]
}

/** Calls of which nobody knows whether they were sent. */
export async function claimLost(ctx: DbCtx, provider: ProviderName): Promise<BatchRow[]> {
  const isLost = and(
    isHeld,
    isNull(b.batchId),
    eq(b.provider, provider),
    lte(b.heldAt, after(ctx, -LEASE_MS)),
    lte(b.pollAt, ctx.now()),
  )
  return await ctx.db
    .update(b)
    .set({ pollAt: after(ctx, LEASE_MS / 2) })
    .where(isLost)
    .returning(row)
}

/** Of these batches, those that calls are known to have gone with. */
export async function knownBatches({ db }: DbCtx, ids: string[]): Promise<Set<string>> {
  if (ids.length === 0) return new Set()
  const rows = await db.selectDistinct({ id: b.batchId }).from(b).where(inArray(b.batchId, ids))
  return new Set(rows.flatMap(({ id }) => id ?? []))
}

export async function findHeld({ db }: DbCtx, which: { holdIds: string[] } | { batchId: string }): Promise<BatchRow[]> {
  if ('holdIds' in which && which.holdIds.length === 0) return []
  const where = 'batchId' in which ? and(isHeld, eq(b.batchId, which.batchId)) : inArray(b.holdId, which.holdIds)
  return await db.select(row).from(b).where(where)
}

type End = { answer: Answer } | { errorCode: string }
type FinishCtx = DbCtx & Pick<Ctx, 'env' | 'waitUntil' | 'log'>

/** Ends a call with its event, once; a hold that is settled goes with it, also where the call had ended before. */
export async function finish(ctx: FinishCtx, id: string, end: End, settledHoldId?: string): Promise<void> {
  await finishOpen(ctx, eq(b.id, id), end, settledHoldId)
}

type Which = { ids: string[] } | { feature: Feature }

/**
 * Ends calls of theirs whose answer nobody wants any more: what has not gone with a batch never will, what has is paid for
 * when that ends. Again, or after its answer, it changes nothing. One trip.
 */
export async function withdraw(ctx: FinishCtx & Pick<UserCtx, 'actor'>, which: Which): Promise<void> {
  const these = 'ids' in which ? inArray(b.id, which.ids) : eq(b.feature, which.feature)
  await finishOpen(ctx, and(these, ownedBy(ctx.actor, b.userId)), { errorCode: 'cancelled' })
}

async function finishOpen(ctx: FinishCtx, which: SQL | undefined, end: End, settledHoldId?: string): Promise<void> {
  const { db } = ctx
  const set =
    'answer' in end
      ? { state: 'answered' as const, answer: end.answer }
      : { state: 'failed' as const, errorCode: end.errorCode }
  const changed = db.$with('changed').as(
    db
      .update(b)
      .set({ ...set, call: sql`case when ${isHeld} then ${b.call} else '{}'::jsonb end`, updatedAt: ctx.now() })
      .where(and(which, isOpen))
      .returning(),
  )
  const told = tell(db, 'told', changed, {
    kind: aiAnswered,
    userId: changed.userId,
    key: changed.id,
    version: sql`1`,
    data: sql`json_build_object('id', ${changed.id}, 'kind', ${changed.kind}, 'feature', ${changed.feature},
      'state', ${changed.state}, 'errorCode', ${changed.errorCode})`,
  })
  const [rows] = await db.batch([
    db.with(changed, told).select({ eventId: told.id }).from(told),
    db
      .update(b)
      .set({ holdId: null, call: forgotten })
      .where(settledHoldId === undefined ? sql`false` : eq(b.holdId, settledHoldId)),
  ])
  kick(
    ctx,
    rows.map(({ eventId }) => eventId),
  )
}

/** One of the person's own, as it stands. */
export const shown = {
  state: b.state,
  answer: sql<Answer | null>`${b.answer}`,
  errorCode: b.errorCode,
  deadlineAt: sql<string>`${iso(b.deadlineAt)}`,
}
