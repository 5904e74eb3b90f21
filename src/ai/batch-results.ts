import { type Ctx, describeError, withTimeout } from '#core'
import {
  type BatchRow,
  claimLost,
  claimPolls,
  findHeld,
  finish,
  giveBack,
  knownBatches,
  LEASE_MS,
  tryAgain,
} from './batch-rows.ts'
import type { Decision } from './call.ts'
import { findModel } from './catalogue.ts'
import { ModelFailure } from './failure.ts'
import type { BatchResult, ModelBatches, ProviderName } from './model.ts'
import { costMicros } from './prices.ts'
import { settle, worstMicros } from './spending.ts'

type ResultsCtx = Pick<Ctx, 'config' | 'env' | 'db' | 'now' | 'log' | 'waitUntil'>

const POLLS_PER_TICK = 20
const READ_MS = 120_000
const LIST_MS = 60_000
// Our clock and the provider's.
const SKEW_MS = 5 * 60_000

/** Reads the batches of this provider that have ended. */
export async function readBatches(ctx: ResultsCtx, provider: ProviderName, batches: ModelBatches): Promise<void> {
  for (const batchId of await claimPolls(ctx, provider, POLLS_PER_TICK)) {
    try {
      const seen = await read(ctx, batches, batchId)
      if (seen) await withoutResult(ctx, batchId, seen)
    } catch (error) {
      ctx.log.warn('batch.not_read', { provider, batchId, ...describeError(error) })
      // It is not there any more, or not for us.
      if (error instanceof ModelFailure && error.reason === 'rejected') await withoutResult(ctx, batchId, new Set())
    }
  }
}

/**
 * Finds out whether calls were sent of which nobody has heard: a batch that is known to no row may be theirs, which only
 * its results can tell. What is surely in no batch goes back to those that wait.
 */
export async function recoverBatches(ctx: ResultsCtx, provider: ProviderName, batches: ModelBatches): Promise<void> {
  const lost = await claimLost(ctx, provider)
  if (lost.length === 0) return
  const since = new Date(Math.min(...lost.map(({ heldAtMs }) => heldAtMs)) - SKEW_MS)
  const listed = await withTimeout(LIST_MS, (signal) => batches.list(since, signal))
  const known = await knownBatches(
    ctx,
    listed.map(({ id }) => id),
  )
  const unknown = listed.filter(({ id }) => !known.has(id))
  const running: typeof unknown = []
  for (const batch of unknown) if (!(batch.isEnded && (await isRead(ctx, batches, batch.id)))) running.push(batch)
  const left = await findHeld(ctx, { holdIds: lost.map(({ holdId }) => holdId) })
  const mayHold = ({ heldAtMs }: BatchRow) =>
    running.some(({ createdAt }) => {
      const afterMs = createdAt.getTime() - heldAtMs
      return afterMs >= -SKEW_MS && afterMs <= LEASE_MS + SKEW_MS
    })
  const unsent = left.filter((row) => !mayHold(row))
  for (const row of unsent) if (await release(ctx, row)) await giveBack(ctx, [row.holdId], false, ctx.now())
  ctx.log.warn('batch.recovered', {
    provider,
    lost: lost.length,
    unsent: unsent.length,
    found: lost.length - left.length,
  })
}

async function isRead(ctx: ResultsCtx, batches: ModelBatches, batchId: string): Promise<boolean> {
  try {
    return (await read(ctx, batches, batchId)) !== undefined
  } catch (error) {
    ctx.log.warn('batch.not_read', { batchId, ...describeError(error) })
    return false
  }
}

/** The ids that had a result; undefined while the batch runs. */
async function read(ctx: ResultsCtx, batches: ModelBatches, batchId: string): Promise<Set<string> | undefined> {
  return await withTimeout(READ_MS, async (signal) => {
    const results = await batches.read(batchId, signal)
    if (!results) return undefined
    const seen = new Set<string>()
    for await (const result of results) {
      seen.add(result.id)
      // None: it is settled already, of another deployment, or its person is gone.
      for (const row of await findHeld(ctx, { holdIds: [result.id] })) await take(ctx, row, result)
    }
    return seen
  })
}

// Their reservations end as lost, for what was billed for them nobody said.
async function withoutResult(ctx: ResultsCtx, batchId: string, seen: Set<string>): Promise<void> {
  const rows = (await findHeld(ctx, { batchId })).filter(({ holdId }) => !seen.has(holdId))
  if (rows.length === 0) return
  ctx.log.error('batch.no_result', { batchId, calls: rows.length })
  await tryAgain(
    ctx,
    rows.map(({ holdId }) => holdId),
  )
}

// Settled before it is stored: whoever comes after a crash settles again, which is nothing, and stores.
async function take(ctx: ResultsCtx, row: BatchRow, result: BatchResult): Promise<void> {
  if (result.type === 'said') return await keep(ctx, row, result)
  ctx.log.warn('batch.unpaid', { callId: row.id, reason: result.reason })
  if (!(await release(ctx, row))) return
  if (result.mayRetry) await tryAgain(ctx, [row.holdId])
  else await finish(ctx, row.id, { errorCode: 'model_failed' }, row.holdId)
}

async function keep(ctx: ResultsCtx, row: BatchRow, said: Extract<BatchResult, { type: 'said' }>): Promise<void> {
  const heldAt = new Date(row.heldAtMs)
  const { text, calls, stop, usage } = said
  const answered = findModel(ctx.config, said.model)
  const model = answered ?? findModel(ctx.config, row.model)
  // Without a price the reservation is charged.
  const isEstimated = !said.isFinal || !model
  const cost = model ? costMicros(model.prices, usage, heldAt, true) : 0
  const worst = model ? worstMicros(model, row.call.request, heldAt, true) : 0
  const { cacheWriteTokens, cacheWrite1hTokens, ...tokens } = usage
  const receipt = {
    ...tokens,
    cacheWriteTokens: cacheWriteTokens + cacheWrite1hTokens,
    callId: row.holdId,
    provider: row.decision.provider,
    model: answered ? said.model : row.model,
    costMicros: isEstimated ? Math.max(cost, worst) : cost,
    isEstimated,
    firstTokenMs: null,
    totalMs: ctx.now().getTime() - row.heldAtMs,
  }
  const end = { receipt, usage, outcome: 'done' as const }
  const isHeard = await settle(asPerson(ctx, row), { ...holdOf(row), worstMicros: worst, isSent: true, end }, false)
  if (isHeard) await finish(ctx, row.id, { answer: { text, calls, stop, receipt } }, row.holdId)
}

/** The system acts for whoever enqueued it. */
export const asPerson = <T extends object>(ctx: T, { userId }: BatchRow) => ({
  ...ctx,
  actor: { kind: 'person' as const, userId, sessionId: null },
})

export function decisionOf({ decision, holdId }: BatchRow): Decision {
  return { ...decision, id: holdId, reasons: [...decision.reasons, 'in a batch, for it may wait'] }
}

const holdOf = (row: BatchRow) => ({ decision: decisionOf(row), worstMicros: 0, startedMs: row.heldAtMs })

/** Gives back what was held for it; false when the Steward did not hear of it. */
export async function release(ctx: ResultsCtx, row: BatchRow): Promise<boolean> {
  return await settle(asPerson(ctx, row), { ...holdOf(row), isSent: false }, false)
}
