import { AppError, describeError, requireFresh, type UserCtx } from '#core'
import type { BudgetChange, BudgetSummary, Refused, Reserved, Settled } from './budget.ts'
import type { Call, Decision, Receipt } from './call.ts'
import type { Model } from './catalogue.ts'
import type { Choice } from './choose.ts'
import { type Ask, type LedgerRow, lineOf, type Settlement } from './ledger.ts'
import { writeUsage } from './ledger-rows.ts'
import { type ModelRequest, NO_USAGE, type Usage } from './model.ts'
import { costMicros } from './prices.ts'
import { asRefusal } from './refusals.ts'
import { sizeOf } from './size.ts'
import type { Tightest } from './tightest.ts'

export type SpendCtx = Pick<UserCtx, 'actor' | 'config' | 'env' | 'now' | 'log'>
type HoldCtx = SpendCtx & Pick<UserCtx, 'db'>

/** What is held for a call until it is settled; `end` is what is known of its end so far. */
export type Hold = {
  decision: Decision
  model: Model
  worstMicros: number
  startedMs: number
  reserveUs: number
  isSent: boolean
  /** What was asked for, and when it was held. */
  asked: { ask: Ask; atMs: number }
  tightest: Tightest
  end?: { receipt: Receipt; usage: Usage; outcome: 'done' | 'failed' | 'aborted' }
}

// Longer than any call lives: what is heard of later is corrected, what is held too long is missing elsewhere.
const HELD_MS = 10 * 60_000
const TRIES = 3
const BYTES_PER_TOKEN = 2
const TOKENS_AROUND = 1024
const TOKENS_PER_MESSAGE = 16
const TOKENS_PER_TOOL = 32

/**
 * More tokens than a provider counts: text and JSON take three to four bytes a token, two hold also for other
 * alphabets, and what the provider adds of its own is allowed for. Noise (random base64, say) can take fewer; such a
 * call is charged what it cost, beyond its reservation, and logged.
 */
export function promptTokens(request: ModelRequest): number {
  const { messages, tools, closedTools = [] } = request
  const around = TOKENS_PER_MESSAGE * messages.length + TOKENS_PER_TOOL * (tools.length + closedTools.length)
  return Math.ceil(sizeOf(request).bytes / BYTES_PER_TOKEN) + around + TOKENS_AROUND
}

/** What this request may cost at most on this model: all of the prompt at its dearest rate, the output at its limit. */
export function worstMicros(model: Model, request: ModelRequest, at: Date, isBatch = false): number {
  const prompt = Math.min(promptTokens(request), model.contextTokens)
  const outputTokens = Math.min(request.maxOutputTokens, model.maxOutputTokens)
  const rates: Partial<Usage>[] = [{ inputTokens: prompt }, { cacheWriteTokens: prompt }]
  return Math.max(...rates.map((rate) => costMicros(model.prices, { ...NO_USAGE, ...rate, outputTokens }, at, isBatch)))
}

/**
 * Holds the worst case of a call, on the first model the budget has room for. `budget_exhausted` when it has room for
 * none; `unavailable` when it cannot be asked: nothing is spent that was not held.
 */
export async function reserve(
  ctx: HoldCtx,
  call: Call,
  { decision, models }: Choice,
  deadlineMs?: number,
): Promise<Hold> {
  const prompt = promptTokens(call.request)
  const candidates = models.map((model) => ({
    ...{ model, promptTokens: prompt },
    worst: worstMicros(model, call.request, ctx.now()),
  }))
  return await hold(ctx, call, decision, candidates, deadlineMs)
}

type Candidate = { model: Model; worst: number; promptTokens: number | null }

/** The same, where the worst case of each model is known otherwise. A hold of this call that has the same deadline is replaced. */
export async function hold(
  ctx: HoldCtx,
  call: Omit<Call, 'request'>,
  decision: Decision,
  candidates: Candidate[],
  deadlineMs = ctx.now().getTime() + HELD_MS,
): Promise<Hold> {
  const started = performance.now()
  const startedMs = ctx.now().getTime()
  const refusals: [Refused, Candidate][] = []
  for (const candidate of candidates) {
    const { model, worst } = candidate
    // What was refused says what is left: a model that does not fit is not asked for.
    const [known] = refusals[0] ?? []
    if (known && worst > Math.min(known.leftMicros.day, known.leftMicros.month)) continue
    const input = { ...askFor(ctx, call, decision.id, deadlineMs), ...named(model), worstMicros: worst }
    const reserved = await ask(ctx, input)
    if (reserved.ok) {
      const reserveUs = Math.round((performance.now() - started) * 1000)
      const chosen = refusals.length === 0 ? decision : { ...decision, ...cheaper(decision, model) }
      const asked = { ask: input, atMs: reserved.atMs }
      const { tightest } = reserved
      return { decision: chosen, model, worstMicros: worst, startedMs, reserveUs, isSent: false, asked, tightest }
    }
    refusals.push([reserved, candidate])
    if (reserved.reason === 'paused' || reserved.reason === 'settled') break
  }
  const [refused, wanted] = refusals[0] ?? []
  if (!refused || !wanted) throw new AppError('unavailable', 'No model is configured')
  throw asRefusal(ctx, refused, wanted)
}

const named = ({ name, provider }: Model) => ({ provider, model: name })

function cheaper({ reasons }: Decision, model: Model) {
  return { ...named(model), reasons: [...reasons, 'a cheaper one, for what is left of the budget'] }
}

function askFor(ctx: SpendCtx, call: Omit<Call, 'request'>, id: string, deadlineMs: number) {
  const { kind, feature, conversationId, background } = call
  const { userId, key } = ctx.actor
  return {
    id,
    userId,
    kind,
    feature,
    conversationId: conversationId ?? null,
    isBackground: background ?? false,
    deadlineMs,
    ...(key && { key: { id: key.id, dayMicros: null, monthMicros: null, ...key.budget } }),
  }
}

async function ask(ctx: HoldCtx, input: Ask) {
  try {
    return await toSteward(ctx, (steward) => steward.reserve(input))
  } catch (cause) {
    // It may have been held without our hearing of it.
    await toSteward(ctx, (steward) => steward.release(input.id, input.deadlineMs)).catch(async () => {
      await write(ctx, lineOf(input, ctx.now().getTime(), UNSENT, 'unsent'))
    })
    throw away(cause)
  }
}

type Ended = Omit<Hold, 'model' | 'reserveUs' | 'asked' | 'tightest'> & Partial<Pick<Hold, 'asked'>>

const UNSENT = { outcome: 'unsent' as const, isEstimated: false, costMicros: 0 }

/**
 * Ends the hold, however the call ended. What the Steward does not hear the ledger is told, where its alarm finds it;
 * false when neither heard. Never throws: what cannot be told is charged its worst case in the end.
 */
export async function settle(ctx: HoldCtx, hold: Ended, isAborted: boolean): Promise<boolean> {
  const { decision, worstMicros: worst, end, asked } = hold
  const told: Omit<Settlement, 'id' | 'decision' | 'cache'> = end
    ? { ...end, ...pick(end.receipt) }
    : { ...unheard(ctx, hold), outcome: 'aborted' }
  const outcome = isAborted && told.outcome !== 'done' ? 'aborted' : told.outcome
  const deadlineMs = asked?.ask.deadlineMs
  const settlement = { ...told, outcome, id: decision.id, deadlineMs, decision, cache: decision.cache }
  try {
    if (!hold.isSent) {
      await toSteward(ctx, (steward) => steward.release(decision.id, deadlineMs))
      return true
    }
    const settled = await toSteward(ctx, (steward) => steward.settle(settlement))
    if (!settled.ok) ctx.log.error('budget.unknown_call', { callId: decision.id })
    else if (settled.overMicros > 0)
      ctx.log.error('budget.exceeded', { callId: decision.id, worstMicros: worst, overMicros: settled.overMicros })
    return true
  } catch (error) {
    ctx.log.error('budget.unsettled', { callId: decision.id, ...describeError(error) })
    if (!asked) return false
    const { ask, atMs } = asked
    if (!hold.isSent) return await write(ctx, lineOf(ask, atMs, UNSENT, 'unsent'))
    // As the Steward would have charged it.
    const charged = told.isEstimated ? Math.max(ask.worstMicros, told.costMicros) : told.costMicros
    return await write(ctx, lineOf(ask, atMs, { ...settlement, costMicros: charged }))
  }
}

async function write(ctx: HoldCtx, line: LedgerRow): Promise<boolean> {
  try {
    await writeUsage(ctx, [line])
    return true
  } catch (error) {
    ctx.log.error('budget.not_written', { callId: line.callId, ...describeError(error) })
    return false
  }
}

const pick = ({ model, costMicros: cost, isEstimated, firstTokenMs, totalMs }: Receipt) => ({
  model,
  costMicros: cost,
  isEstimated,
  firstTokenMs,
  totalMs,
})

// Whoever listened left before the provider had said anything of the end.
function unheard(ctx: SpendCtx, { decision: { model }, worstMicros: worst, startedMs }: Ended) {
  const totalMs = ctx.now().getTime() - startedMs
  return { usage: NO_USAGE, model, costMicros: worst, isEstimated: true, firstTokenMs: null, totalMs }
}

/** What may be spent, what was spent and what is held. */
export async function readBudget(ctx: SpendCtx): Promise<BudgetSummary> {
  return await toSteward(ctx, (steward) => steward.budget()).catch((cause) => {
    throw away(cause)
  })
}

/** Changes what a person may spend; a sign-in of the last five minutes is asked for where they could spend more. */
export async function setOwnBudget(
  ctx: SpendCtx,
  change: Required<Omit<BudgetChange, 'plan'>>,
): Promise<BudgetSummary> {
  if (isRaised(await readBudget(ctx), change)) requireFresh(ctx)
  return await changeBudget(ctx, change)
}

function isRaised(known: BudgetSummary, { isPaused, caps }: Required<Omit<BudgetChange, 'plan'>>) {
  const isMore = (cap: number | null, than: number | null) => than !== null && (cap === null || cap > than)
  const accounts = ['own', 'background'] as const
  return (
    (known.isPaused && !isPaused) ||
    accounts.some(
      (name) =>
        isMore(caps[name].dayMicros, known[name].day.capMicros) ||
        isMore(caps[name].monthMicros, known[name].month.capMicros),
    )
  )
}

/** Changes what is given. */
export async function changeBudget(ctx: SpendCtx, change: BudgetChange): Promise<BudgetSummary> {
  return await toSteward(ctx, (steward) => steward.setBudget(change)).catch((cause) => {
    throw away(cause)
  })
}

/** Brings to Postgres what was spent and is not there yet. */
export async function flushUsage(ctx: SpendCtx): Promise<void> {
  const flushed = await toSteward(ctx, (steward) => steward.flushUsage()).catch((cause) => {
    throw away(cause)
  })
  if (!flushed.ok) throw away(undefined)
}

/** Why a call of this person's was refused, for whoever hears of it only that it was. */
export async function explainExhausted(ctx: SpendCtx): Promise<AppError> {
  const { isPaused, own } = await readBudget(ctx)
  const name = own.month.leftMicros <= own.day.leftMicros ? 'month' : 'day'
  const leftMicros = { day: own.day.leftMicros, month: own.month.leftMicros }
  return asRefusal(ctx, {
    ok: false,
    reason: isPaused ? 'paused' : name,
    resetAtMs: own[name].resetsAtMs,
    leftMicros,
  })
}

const AWAY_S = 2

function away(cause: unknown): AppError {
  return new AppError('unavailable', 'The budget cannot be asked; try again', { cause, retryAfterS: AWAY_S })
}

/** A person's Steward, as far as it keeps their budget. */
type Steward = {
  reserve(ask: Ask): Promise<Reserved>
  settle(settlement: Settlement): Promise<Settled>
  release(id: string, deadlineMs?: number): Promise<unknown>
  budget(): Promise<BudgetSummary>
  setBudget(change: BudgetChange): Promise<BudgetSummary>
  flushUsage(): Promise<{ ok: boolean }>
}

// Each of its methods may be called twice with the same input; an object that is overrun is not called again.
async function toSteward<T>(ctx: SpendCtx, call: (steward: Steward) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await call(ctx.env.STEWARD.getByName(ctx.actor.userId))
    } catch (error) {
      const isOverrun = error instanceof Error && 'overloaded' in error && error.overloaded === true
      if (isOverrun || attempt >= TRIES) throw error
    }
  }
}
