import { and, eq, type SQL, sql } from 'drizzle-orm'
import { AppError, type Ctx, describeError, type UserCtx, withTimeout } from '#core'
import { ownedBy, ownerId } from '#database'
import { asPerson, decisionOf, readBatches, recoverBatches, release } from './batch-results.ts'
import {
  type Answer,
  type BatchRow,
  claimDirect,
  claimToSend,
  finish,
  giveBack,
  LEASE_MS,
  MAX_ATTEMPTS,
  markSent,
  putOff,
  shown,
  stillToSend,
  sweep,
} from './batch-rows.ts'
import type { Call, Decision } from './call.ts'
import { findModel } from './catalogue.ts'
import { type AiCtx, chosen, providerOf } from './direct.ts'
import { type FailureReason, ModelFailure } from './failure.ts'
import { generate } from './gateway.ts'
import type { ModelBatches, ProviderName } from './model.ts'
import { hold, worstMicros } from './spending.ts'
import { batchCalls } from './tables.ts'

export type BatchCtx = Pick<Ctx, 'config' | 'env' | 'db' | 'now' | 'newId' | 'log' | 'waitUntil'>

const MAX_CALL_BYTES = 256 * 1024
const DAY_MS = 24 * 3600_000
const MAX_WAIT_MS = 7 * DAY_MS
// A batch has a day, and its results are read soon after.
const HELD_MS = 26 * 3600_000
const PER_BATCH = 100
// A Worker has six connections at once; one is left for the database.
const AT_ONCE = 5
// Cron has a minute, and other work.
const DIRECT_MS = 30_000
const SEND_MS = 120_000
const AGAIN_MS = 10 * 60_000
const MINUTE_MS = 60_000

// The provider's own word that it did not take the batch; after anything else it may have.
const NOT_TAKEN = new Set<FailureReason>(['rate_limited', 'rejected', 'unauthorized'])

/** `isWanted`: asked as it is written; where it does not hold the call ends as withdrawn, and nothing of it is kept. */
type When = { deadline: Date; isWanted?: SQL }
type Left = { id: string; deadline: Date }

/** A call whose answer may wait, at half the price where its provider has one. The event `ai.answered` tells of its end. One trip. */
export async function enqueue(ctx: AiCtx, input: Call, when: When): Promise<string> {
  const call: Call = { ...input, background: true }
  if (!isFit(call)) throw new AppError('invalid_request', 'This is too much for a batch')
  const { decision } = await chosen(ctx, call)
  return await put(ctx, call, decision, when)
}

/** The same where a batch makes it cheaper; null where it would only be late. A row that is there decides. Up to two trips. */
export async function enqueueIfCheaper(ctx: AiCtx, input: Call, when: When): Promise<Left | null> {
  const id = ctx.newId('aic')
  const [known] = await ctx.db
    .select({ id: batchCalls.id, deadline: batchCalls.deadlineAt })
    .from(batchCalls)
    .where(and(eq(batchCalls.id, id), ownedBy(ctx.actor, batchCalls.userId)))
  if (known) return known
  const call: Call = { ...input, background: true }
  if (!isFit(call)) return null
  const { decision } = await chosen({ ...ctx, newId: () => id }, call)
  if (!providerOf(ctx, decision.provider)?.batches) return null
  return { id: await put(ctx, call, decision, when), deadline: when.deadline }
}

const isFit = (call: Call) => JSON.stringify(call).length <= MAX_CALL_BYTES

async function put(ctx: AiCtx, call: Call, decision: Decision, { deadline, isWanted }: When): Promise<string> {
  const now = ctx.now()
  const waitMs = deadline.getTime() - now.getTime()
  if (!(waitMs > 0 && waitMs <= MAX_WAIT_MS)) throw new AppError('invalid_request', 'The deadline is within seven days')
  const { id, provider, model } = decision
  const asked = ctx.db.$with('asked', {}).as(sql`select ${isWanted ?? sql`true`} as is_wanted`)
  const ifWanted = (value: SQL, otherwise: SQL) =>
    sql`case when (select is_wanted from asked) then ${value} else ${otherwise} end`
  await ctx.db
    .with(asked)
    .insert(batchCalls)
    .values({
      id,
      userId: ownerId(ctx.actor),
      kind: call.kind,
      feature: call.feature,
      call: ifWanted(sql`${JSON.stringify(call)}::jsonb`, sql`'{}'::jsonb`),
      state: ifWanted(sql`'waiting'`, sql`'failed'`),
      errorCode: ifWanted(sql`null`, sql`'cancelled'`),
      decision,
      provider,
      model,
      deadlineAt: deadline,
      dueAt: now,
      pollAt: now,
      createdAt: now,
      updatedAt: now,
    })
    .onConflictDoNothing()
  return id
}

/** How a call that was enqueued stands, and its answer. One trip; `not_found` when it is not theirs. */
export async function getAnswer({ actor, db }: Pick<UserCtx, 'actor' | 'db'>, id: string) {
  const [row] = await db
    .select(shown)
    .from(batchCalls)
    .where(and(eq(batchCalls.id, id), ownedBy(actor, batchCalls.userId)))
  if (!row) throw new AppError('not_found', 'No call waits under this id')
  return row
}

/** Reads the batches that have ended, makes the calls that can wait no longer, and sends the others. For cron. */
export async function runBatches(ctx: BatchCtx): Promise<void> {
  if (!(await sweep(ctx))) return
  const batching = ctx.config.ai.providers.flatMap((name) => {
    const batches = providerOf(ctx, name)?.batches
    return batches ? [{ name, batches }] : []
  })
  for (const { name, batches } of batching) {
    await apart(ctx, name, () => recoverBatches(ctx, name, batches))
    await apart(ctx, name, () => readBatches(ctx, name, batches))
  }
  const names = batching.map(({ name }) => name)
  const untilMs = ctx.now().getTime() + DIRECT_MS
  for (let taken = AT_ONCE; taken === AT_ONCE && ctx.now().getTime() < untilMs; ) {
    const rows = await claimDirect(ctx, names, AT_ONCE)
    await each(rows, (row) => callDirectly(ctx, row))
    taken = rows.length
  }
  for (const { name, batches } of batching) await apart(ctx, name, () => send(ctx, name, batches))
}

// A provider that is away keeps no other work.
async function apart(ctx: BatchCtx, provider: ProviderName, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    ctx.log.error('batch.failed', { provider, ...describeError(error) })
  }
}

async function each(rows: BatchRow[], work: (row: BatchRow) => Promise<void>): Promise<void> {
  const left = rows.values()
  const worker = async () => {
    for (const row of left) await work(row)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
}

async function send(ctx: BatchCtx, provider: ProviderName, batches: ModelBatches): Promise<void> {
  const claimedMs = ctx.now().getTime()
  const rows = await claimToSend(ctx, provider, PER_BATCH)
  const taken: BatchRow[] = []
  await each(rows, async (row) => void ((await isHeld(ctx, row)) && taken.push(row)))
  // Whoever looks for lost ones is not to find us still at it.
  if (taken.length === 0 || ctx.now().getTime() - claimedMs > LEASE_MS / 2) return
  // To hold them took a while: what was withdrawn meanwhile is not sent.
  const wanted = await stillToSend(
    ctx,
    taken.map(({ holdId }) => holdId),
  )
  const held = taken.filter(({ holdId }) => wanted.has(holdId))
  await unsend(
    ctx,
    taken.filter(({ holdId }) => !wanted.has(holdId)),
    AGAIN_MS,
  )
  if (held.length === 0) return
  const calls = held.map(({ holdId: id, model, call: { request } }) => ({ id, model, request }))
  let batchId: string
  try {
    batchId = await withTimeout(SEND_MS, (signal) => batches.send(calls, signal))
  } catch (error) {
    const isTaken = !(error instanceof ModelFailure && NOT_TAKEN.has(error.reason))
    ctx.log.warn('batch.not_sent', { provider, calls: calls.length, isTaken, ...describeError(error) })
    if (isTaken) return
    const waitMs = error instanceof ModelFailure && error.retryAfterS ? error.retryAfterS * 1000 : AGAIN_MS
    await unsend(ctx, held, waitMs)
    return
  }
  await markSent(
    ctx,
    held.map(({ holdId }) => holdId),
    batchId,
  )
  ctx.log.info('batch.sent', { provider, batchId, calls: calls.length })
}

async function unsend(ctx: BatchCtx, rows: BatchRow[], waitMs: number): Promise<void> {
  await each(rows, async (row) => {
    if (await release(ctx, row)) await giveBack(ctx, [row.holdId], true, inOrBy(ctx, waitMs, row))
  })
}

// However long we are told to wait: at its deadline a call is made directly.
const inOrBy = ({ now }: BatchCtx, waitMs: number, { deadlineMs }: BatchRow) =>
  new Date(Math.min(deadlineMs, now().getTime() + waitMs))

// What was refused waits for room; of what was not heard, nothing is known until it is looked for.
async function isHeld(ctx: BatchCtx, row: BatchRow): Promise<boolean> {
  const { kind, conversationId, request } = row.call
  const model = findModel(ctx.config, row.model)
  // A model that is gone has no batch: it is chosen anew when the call can wait no longer.
  if (!model) {
    await giveBack(ctx, [row.holdId], true, new Date(row.deadlineMs))
    return false
  }
  const call = { kind, feature: 'batch' as const, background: true, ...(conversationId && { conversationId }) }
  const worst = worstMicros(model, request, new Date(row.heldAtMs), true)
  try {
    await hold(
      asPerson(ctx, row),
      call,
      decisionOf(row),
      [{ model, worst, promptTokens: null }],
      ctx.now().getTime() + HELD_MS,
    )
    return true
  } catch (error) {
    if (error instanceof AppError && error.code === 'budget_exhausted')
      await giveBack(ctx, [row.holdId], true, inOrBy(ctx, AGAIN_MS, row))
    else ctx.log.warn('batch.not_held', { callId: row.id, ...describeError(error) })
    return false
  }
}

async function callDirectly(ctx: BatchCtx, row: BatchRow): Promise<void> {
  const nowMs = () => ctx.now().getTime()
  try {
    await finish(ctx, row.id, { answer: await answerTo(asPerson(ctx, row), row.call) })
  } catch (error) {
    const code = error instanceof AppError ? error.code : 'internal'
    const isBudget = code === 'budget_exhausted'
    ctx.log.warn('batch.direct_failed', { callId: row.id, attempts: row.attempts, ...describeError(error) })
    if (isBudget && nowMs() < row.deadlineMs) await putOff(ctx, row.id, inOrBy(ctx, AGAIN_MS, row), false)
    else if (isBudget || row.attempts >= MAX_ATTEMPTS) await finish(ctx, row.id, { errorCode: code })
    else await putOff(ctx, row.id, new Date(nowMs() + MINUTE_MS * 2 ** row.attempts), true)
  }
}

async function answerTo(ctx: AiCtx, call: Call): Promise<Answer> {
  const answer: Pick<Answer, 'text' | 'calls'> = { text: '', calls: [] }
  let ended: Answer | undefined
  for await (const event of generate(ctx, call, new AbortController().signal)) {
    if (event.type === 'text') answer.text += event.text
    // One that must not be carried out is not kept.
    else if (event.type === 'tool_call' && event.problem === undefined) answer.calls.push(event.call)
    else if (event.type === 'end') ended = { ...answer, stop: event.stop, receipt: event.receipt }
  }
  if (!ended) throw new Error('a call ended without its end')
  return ended
}
