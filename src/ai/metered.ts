import type { Attempt } from './attempt.ts'
import { type Call, EFFORTS, type GatewayEvent, type Receipt } from './call.ts'
import { findModel, type Model } from './catalogue.ts'
import type { AiCtx } from './direct.ts'
import { asAppError, ModelFailure } from './failure.ts'
import { type ModelRequest, NO_USAGE, type Usage } from './model.ts'
import { costMicros } from './prices.ts'
import { type Hold, reserve, settle } from './spending.ts'
import { type SurviveEvent, survive } from './survive.ts'

type Tried = Extract<SurviveEvent, { type: 'tried' }>
type End = Extract<SurviveEvent, { type: 'end' }>

/** A call's tries, each with a hold of its own; what was spent so far, and the words of it. */
type Meter = {
  ctx: AiCtx
  call: Call
  signal: AbortSignal
  startedMs: number
  hold: Hold
  /** False between a try that was paid for and the next one. */
  isHeld: boolean
  firstTokenMs: number | null
  costMicros: number
  isEstimated: boolean
}

/**
 * The tries of a call, paid for one by one: each that may be billed is a line of the ledger, held before it is sent. The
 * receipt is their sum.
 */
export async function* metered(
  ctx: AiCtx,
  call: Call,
  hold: Hold,
  attempts: Attempt[],
  signal: AbortSignal,
  start: Extract<GatewayEvent, { type: 'start' }>,
): AsyncGenerator<GatewayEvent> {
  const meter: Meter = {
    ctx,
    call,
    signal,
    startedMs: ctx.now().getTime(),
    hold,
    isHeld: true,
    firstTokenMs: null,
    costMicros: 0,
    isEstimated: false,
  }
  // A cheaper one may have been what the budget had room for.
  const from = attempts.findIndex(({ model }) => model === hold.model)
  let end: End | undefined
  try {
    yield start
    signal.throwIfAborted()
    for await (const event of survive(ctx, attempts.slice(from), requestOf(call), signal)) {
      if (event.type === 'try') await open(meter, event.model)
      else if (event.type === 'tried') await close(meter, event)
      else if (event.type === 'end') {
        end = event
        yield { ...event, receipt: receiptOf(meter, event) }
      } else {
        meter.firstTokenMs ??= ctx.now().getTime() - meter.startedMs
        yield event
      }
    }
  } catch (error) {
    if (!end) {
      const isFinal = !meter.isEstimated
      const aborted: End = { type: 'end', stop: 'aborted', model: meter.hold.model.name, usage: NO_USAGE, isFinal }
      yield { ...aborted, receipt: receiptOf(meter, aborted) }
    }
    throw error instanceof ModelFailure ? asAppError(error) : error
  } finally {
    if (meter.isHeld) await settle(ctx, meter.hold, signal.aborted)
  }
}

// A model a client named is asked as that client asks it.
function requestOf({ request, kind, model }: Call): ModelRequest {
  const effort = model === undefined ? EFFORTS[kind] : undefined
  return { ...(effort && { effort }), ...request }
}

/** Holds what this try may cost, unless it is held already. */
async function open(meter: Meter, model: Model): Promise<void> {
  const { ctx, call, hold } = meter
  if (!meter.isHeld || hold.model !== model) {
    const { provider, name } = model
    const reasons = hold.model === model ? hold.decision.reasons : [...hold.decision.reasons, `${name} after it failed`]
    // What was paid for has its line; what was not gives its place, and its id, to the next.
    const id = meter.isHeld ? hold.decision.id : ctx.newId('aic')
    const decision = { ...hold.decision, id, provider, model: name, reasons }
    // Held in its place, not beside it.
    const deadlineMs = meter.isHeld ? hold.asked.ask.deadlineMs : undefined
    meter.hold = await reserve(ctx, call, { decision, models: [model] }, deadlineMs)
    meter.isHeld = true
    // Whoever left meanwhile has nothing sent for them.
    meter.signal.throwIfAborted()
  }
  meter.hold.isSent = true
  // How the try before ended says nothing of this one.
  delete meter.hold.end
}

async function close(meter: Meter, tried: Tried): Promise<void> {
  const { ctx, hold, startedMs } = meter
  // An answer under a name without a price is paid for as the model that was asked.
  const named = findModel(ctx.config, tried.answeredAs)
  // Two providers may have a model of one name, at two prices.
  const answered = named?.provider === tried.model.provider ? named : undefined
  const known = costMicros((answered ?? tried.model).prices, tried.usage, new Date(hold.startedMs))
  const cost = tried.isFinal ? known : Math.max(known, hold.worstMicros)
  meter.costMicros += cost
  meter.isEstimated ||= !tried.isFinal
  const receipt: Receipt = {
    ...tokens(tried.usage),
    callId: hold.decision.id,
    provider: tried.model.provider,
    model: answered ? tried.answeredAs : tried.model.name,
    costMicros: cost,
    isEstimated: !tried.isFinal,
    firstTokenMs: meter.firstTokenMs,
    totalMs: ctx.now().getTime() - startedMs,
  }
  hold.end = {
    receipt,
    usage: tried.usage,
    outcome: tried.failure === null && !meter.signal.aborted ? 'done' : 'failed',
  }
  if (tried.failure === null || cost === 0) return
  meter.isHeld = false
  await settle(ctx, hold, meter.signal.aborted)
}

function tokens({ cacheWriteTokens, cacheWrite1hTokens, ...usage }: Usage) {
  return { ...usage, cacheWriteTokens: cacheWriteTokens + cacheWrite1hTokens }
}

function receiptOf({ ctx, hold, startedMs, firstTokenMs, ...meter }: Meter, end: End): Receipt {
  return {
    ...tokens(end.usage),
    callId: hold.decision.id,
    provider: hold.model.provider,
    model: end.model,
    costMicros: meter.costMicros,
    isEstimated: meter.isEstimated,
    firstTokenMs,
    totalMs: ctx.now().getTime() - startedMs,
  }
}
