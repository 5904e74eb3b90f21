import type { Config } from '#config'
import type { UserCtx } from '#core'
import { anthropicProvider } from './anthropic.ts'
import type { Call, GatewayEvent, Receipt } from './call.ts'
import { findModel } from './catalogue.ts'
import { choose } from './choose.ts'
import { asAppError, ModelFailure } from './failure.ts'
import { type ModelEvent, type ModelProvider, NO_USAGE, type ProviderName } from './model.ts'
import { offlineProvider } from './offline/index.ts'
import { costMicros } from './prices.ts'
import { type Hold, isCount, mayBeBilled, reserve, settle } from './spending.ts'

export type AiCtx = Pick<UserCtx, 'actor' | 'config' | 'env' | 'now' | 'newId' | 'log'>

/** The provider of this name, as configured. */
export function providerOf(config: Config, name: ProviderName): ModelProvider {
  if (name === 'anthropic' && config.ai.anthropic) return anthropicProvider(config.ai.anthropic)
  return offlineProvider()
}

/**
 * The one way to a model. Streams what it says, after why that model was chosen; the last event carries what it cost,
 * and comes also before the error of a call that failed or was aborted. Held before, settled after, whatever happens:
 * also when whoever listens leaves.
 */
export async function* generate(ctx: AiCtx, call: Call, signal: AbortSignal): AsyncGenerator<GatewayEvent> {
  const hold = await reserve(ctx, call, choose(ctx, call))
  const { decision, model, reserveUs } = hold
  try {
    yield { type: 'start', decision, overhead: { choiceUs: 0, reserveUs, cacheUs: 0 } }
    signal.throwIfAborted()
    hold.isSent = true
    yield* metered(ctx, hold, providerOf(ctx.config, model.provider).generate(model.name, call.request, signal))
  } finally {
    await settle(ctx, hold, signal.aborted)
  }
}

async function* metered(ctx: AiCtx, hold: Hold, events: AsyncIterable<ModelEvent>): AsyncGenerator<GatewayEvent> {
  const { decision, model, startedMs, worstMicros } = hold
  let firstTokenMs: number | null = null
  const ended = (event: Extract<ModelEvent, { type: 'end' }>): GatewayEvent => {
    // An answer under a name without a price is paid for as the model that was asked.
    const known = findModel(ctx.config, event.model)
    const said = isCount(event.usage) ? event.usage : NO_USAGE
    const isFinal = event.isFinal && said === event.usage
    const { cacheWriteTokens, cacheWrite1hTokens, ...usage } = said
    const cost = costMicros((known ?? model).prices, said, new Date(startedMs))
    const receipt: Receipt = {
      callId: decision.id,
      provider: decision.provider,
      model: known ? event.model : model.name,
      ...usage,
      cacheWriteTokens: cacheWriteTokens + cacheWrite1hTokens,
      costMicros: isFinal ? cost : Math.max(cost, worstMicros),
      isEstimated: !isFinal,
      firstTokenMs,
      totalMs: ctx.now().getTime() - startedMs,
    }
    hold.end = { receipt, usage: said, outcome: event.stop === 'aborted' ? 'failed' : 'done' }
    return { ...event, receipt }
  }
  try {
    for await (const event of events) {
      if (event.type === 'end') yield ended(event)
      else {
        firstTokenMs ??= ctx.now().getTime() - startedMs
        yield event
      }
    }
  } catch (error) {
    const isFinal = !mayBeBilled(error)
    if (!hold.end) yield ended({ type: 'end', stop: 'aborted', model: model.name, usage: NO_USAGE, isFinal })
    throw error instanceof ModelFailure ? asAppError(error) : error
  }
}
