import type { Config } from '#config'
import type { UserCtx } from '#core'
import { anthropicProvider } from './anthropic.ts'
import type { Call, Decision, GatewayEvent, Receipt } from './call.ts'
import { findModel, type Model } from './catalogue.ts'
import { choose } from './choose.ts'
import { asAppError, ModelFailure } from './failure.ts'
import { type ModelEvent, type ModelProvider, NO_USAGE, type ProviderName } from './model.ts'
import { offlineProvider } from './offline/index.ts'
import { costMicros } from './prices.ts'

export type AiCtx = Pick<UserCtx, 'actor' | 'config' | 'now' | 'newId'>

/** The provider of this name, as configured. */
export function providerOf(config: Config, name: ProviderName): ModelProvider {
  if (name === 'anthropic' && config.ai.anthropic) return anthropicProvider(config.ai.anthropic)
  return offlineProvider()
}

/**
 * The one way to a model. Streams what it says, after why that model was chosen; the last event carries what it cost,
 * and comes also before the error of a call that failed or was aborted.
 */
export async function* generate(ctx: AiCtx, call: Call, signal: AbortSignal): AsyncGenerator<GatewayEvent> {
  const { config, actor } = ctx
  const standing = { plan: 'free' as const, leftShare: 1 }
  const by = { config, id: ctx.newId('aic'), userId: actor.userId, standing, isAway: () => false }
  const { decision, models } = choose(by, call)
  const [model] = models
  yield { type: 'start', decision, overhead: { choiceUs: 0, reserveUs: 0, cacheUs: 0 } }
  yield* metered(
    ctx,
    decision,
    model,
    providerOf(ctx.config, model.provider).generate(model.name, call.request, signal),
  )
}

async function* metered(
  ctx: AiCtx,
  decision: Decision,
  model: Model,
  events: AsyncIterable<ModelEvent>,
): AsyncGenerator<GatewayEvent> {
  const startedMs = ctx.now().getTime()
  let firstTokenMs: number | null = null
  let hasEnded = false
  const ended = (event: Extract<ModelEvent, { type: 'end' }>): GatewayEvent => {
    hasEnded = true
    // An answer under a name without a price is paid for as the model that was asked.
    const { prices } = findModel(ctx.config, event.model) ?? model
    const { cacheWriteTokens, cacheWrite1hTokens, ...usage } = event.usage
    const receipt: Receipt = {
      callId: decision.id,
      provider: decision.provider,
      model: event.model,
      ...usage,
      cacheWriteTokens: cacheWriteTokens + cacheWrite1hTokens,
      costMicros: costMicros(prices, event.usage, ctx.now()),
      isEstimated: !event.isFinal,
      firstTokenMs,
      totalMs: ctx.now().getTime() - startedMs,
    }
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
    if (!hasEnded) yield ended({ type: 'end', stop: 'aborted', model: model.name, usage: NO_USAGE, isFinal: false })
    throw error instanceof ModelFailure ? asAppError(error) : error
  }
}
