import type { z } from 'zod'
import { type UserCtx, withTimeout } from '#core'
import { isUnpaid, judgeFailure } from './attempt.ts'
import { admit, type Breakers, isolateBreakers, succeeded, undecided } from './breaker.ts'
import type { Decision, Feature, Kind } from './call.ts'
import type { Model } from './catalogue.ts'
import { asAppError, ModelFailure } from './failure.ts'
import { NO_USAGE, type Usage } from './model.ts'
import { costMicros } from './prices.ts'
import { hold, settle } from './spending.ts'
import { tokensLeft } from './tightest.ts'

export type WholeCtx = Pick<UserCtx, 'actor' | 'config' | 'db' | 'env' | 'now' | 'newId' | 'log' | 'waitUntil'>

/** What is asked of a model that is no chat. Units are what it is priced by; `most` is all that it could count. */
type WholeCall = {
  kind: Kind
  feature: Feature
  background?: boolean
  signal: AbortSignal
  model: Model
  most: number
  usageOf(units: number): Usage
  breakers?: Breakers
}
type Counted<T> = { value: T; units: number | null }
/** One request of such a call: `most` is charged where the provider does not count, or nobody knows whether it did. */
type Ask = <T>(most: number, run: () => Promise<Counted<T>>) => Promise<T>
export type Bill = { units: number; costMicros: number; isEstimated: boolean }

/** Work answered whole: held at its most, each request within the model's breaker, settled at what was counted. */
export async function whole<T>(ctx: WholeCtx, call: WholeCall, work: (ask: Ask) => Promise<T>) {
  const { model, kind, feature, background = false, signal, breakers = isolateBreakers } = call
  const micros = (units: number, at: Date) => costMicros(model.prices, { ...NO_USAGE, inputTokens: units }, at)
  const decision = decide(ctx, call)
  const worst = micros(call.most, ctx.now())
  // What is priced otherwise has none.
  const promptTokens = call.usageOf(call.most).inputTokens || null
  const held = await hold(ctx, { kind, feature, background }, decision, [{ model, worst, promptTokens }])
  const startedAt = new Date(held.startedMs)
  const bill: Bill = { units: 0, costMicros: 0, isEstimated: false }
  let outcome: 'done' | 'failed' = 'failed'
  const ask: Ask = async (most, run) => {
    signal.throwIfAborted()
    const closedMs = admit(ctx, breakers, model)
    if (closedMs > 0)
      throw new ModelFailure('overloaded', 'left alone for a while', { retryAfterS: Math.ceil(closedMs / 1000) })
    held.isSent = true
    try {
      const { value, units } = await run()
      succeeded(ctx, breakers, model)
      bill.units += units ?? most
      bill.isEstimated ||= units === null
      return value
    } catch (error) {
      if (!judgeFailure(ctx, breakers, model, error)) undecided(breakers, model)
      // Of what failed nothing is known but what it may have cost; what was refused cost nothing.
      if (!isUnpaid(error)) Object.assign(bill, { units: bill.units + most, isEstimated: true })
      throw error
    }
  }
  try {
    const value = await work(ask)
    outcome = 'done'
    return { value, bill, tokens: tokensLeft(model, startedAt, promptTokens, held.tightest) }
  } catch (error) {
    throw error instanceof ModelFailure ? asAppError(error) : error
  } finally {
    bill.costMicros = micros(bill.units, startedAt)
    const usage = call.usageOf(bill.units)
    const took = { firstTokenMs: null, totalMs: ctx.now().getTime() - held.startedMs }
    const { provider, name } = model
    const { costMicros: cost, isEstimated } = bill
    const receipt = { callId: decision.id, provider, model: name, ...usage, costMicros: cost, isEstimated, ...took }
    held.end = { receipt, usage, outcome }
    await settle(ctx, held, signal.aborted)
  }
}

function decide(ctx: WholeCtx, { kind, model, most }: WholeCall): Decision {
  const { provider, name } = model
  const reasons = [`the one model to ${kind}`]
  const cached = { cache: 'off', cacheReason: '', experiment: null } as const
  return { id: ctx.newId('aic'), provider, model: name, kind, difficulty: 0, parts: { most }, reasons, ...cached }
}

/** What `work` answers within `ms`, also where it does not heed its signal; else a `ModelFailure`, or the caller's abort. */
export async function answered<T>(
  signal: AbortSignal,
  ms: number,
  work: (ending: AbortSignal) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted()
  try {
    return await withTimeout(ms, (late) => until(AbortSignal.any([signal, late]), work))
  } catch (cause) {
    if (signal.aborted || cause instanceof ModelFailure) throw cause
    const isLate = cause instanceof Error && cause.name === 'TimeoutError'
    throw new ModelFailure(isLate ? 'late_first' : 'unreachable', 'no answer came', { cause })
  }
}

async function until<T>(ending: AbortSignal, work: (ending: AbortSignal) => Promise<T>): Promise<T> {
  return await new Promise<T>((resolve, reject) => {
    ending.addEventListener('abort', () => reject(ending.reason), { once: true })
    work(ending).then(resolve, reject)
  })
}

/** What a provider answered, as the schema has it; else the failure `garbage`. */
export function parsed<T>(schema: z.ZodType<T>, read: () => unknown): T {
  try {
    return schema.parse(read())
  } catch (cause) {
    throw new ModelFailure('garbage', 'what was answered is not what was asked for', { cause })
  }
}
