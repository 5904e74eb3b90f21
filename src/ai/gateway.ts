import { AppError, type UserCtx } from '#core'
import { anthropicProvider } from './anthropic.ts'
import type { Call, Decision, GatewayEvent, Receipt } from './call.ts'
import { findModel } from './catalogue.ts'
import { choose } from './choose.ts'
import { asAppError, ModelFailure } from './failure.ts'
import type { ModelProvider, ProviderName } from './model.ts'
import { offlineProvider } from './offline/index.ts'
import { openaiProvider } from './openai.ts'
import { costMicros } from './prices.ts'
import { type SurviveEvent, survive } from './survive.ts'
import { workersAiProvider } from './workers-ai.ts'

export type AiCtx = Pick<UserCtx, 'actor' | 'config' | 'env' | 'now' | 'newId' | 'waitUntil'>

/** The provider of this name, as configured and bound; none where it is not. */
export function providerOf(
  { config, env }: Pick<AiCtx, 'config' | 'env'>,
  name: ProviderName,
): ModelProvider | undefined {
  switch (name) {
    case 'anthropic':
      return config.ai.anthropic ? anthropicProvider(config.ai.anthropic) : undefined
    case 'openai-compatible':
      return config.ai.openai ? openaiProvider(config.ai.openai) : undefined
    case 'workers-ai':
      return env.AI ? workersAiProvider(env.AI) : undefined
    case 'offline':
      return offlineProvider()
  }
}

/**
 * The one way to a model. Streams what it says, after why that model was chosen; the last event carries what it cost,
 * and comes also before the error of a call that failed or was aborted.
 */
export async function* generate(ctx: AiCtx, call: Call, signal: AbortSignal): AsyncGenerator<GatewayEvent> {
  const { decision, models } = choose(ctx, call)
  const attempts = models.flatMap((model) => {
    const provider = providerOf(ctx, model.provider)
    return provider ? { model, provider } : []
  })
  if (attempts.length === 0) throw new AppError('unavailable', 'The model that was chosen is not bound here')
  yield { type: 'start', decision, overhead: { choiceUs: 0, reserveUs: 0, cacheUs: 0 } }
  yield* metered(ctx, decision, survive(ctx, attempts, call.request, signal))
}

/** The receipt is of all tries: each is paid for at the price of the model that was asked. */
async function* metered(
  ctx: AiCtx,
  decision: Decision,
  events: AsyncIterable<SurviveEvent>,
): AsyncGenerator<GatewayEvent> {
  const startedMs = ctx.now().getTime()
  let firstTokenMs: number | null = null
  let cost = 0
  let provider = decision.provider
  try {
    for await (const event of events) {
      switch (event.type) {
        case 'try':
          provider = event.model.provider
          break
        case 'tried':
          cost += costOf(ctx, event)
          break
        case 'end': {
          const { cacheWriteTokens, cacheWrite1hTokens, ...usage } = event.usage
          const receipt: Receipt = {
            callId: decision.id,
            provider,
            model: event.model,
            ...usage,
            cacheWriteTokens: cacheWriteTokens + cacheWrite1hTokens,
            costMicros: cost,
            isEstimated: !event.isFinal,
            firstTokenMs,
            totalMs: ctx.now().getTime() - startedMs,
          }
          yield { ...event, receipt }
          break
        }
        case 'text':
        case 'tool_call':
          firstTokenMs ??= ctx.now().getTime() - startedMs
          yield event
      }
    }
  } catch (error) {
    throw error instanceof ModelFailure ? asAppError(error) : error
  }
}

function costOf(ctx: AiCtx, { model, answeredAs, usage }: Extract<SurviveEvent, { type: 'tried' }>): number {
  // An answer under a name without a price is paid for as the model that was asked.
  const { prices } = findModel(ctx.config, answeredAs) ?? model
  return costMicros(prices, usage, ctx.now())
}
