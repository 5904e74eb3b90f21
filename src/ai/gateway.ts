import type { Config } from '#config'
import { AppError, type Ctx } from '#core'
import { anthropicProvider } from './anthropic.ts'
import type { ModelEvent, ModelProvider, ModelRequest, Usage } from './model.ts'
import { offlineProvider } from './offline/index.ts'
import { costMicros, findPrices, type Prices } from './prices.ts'

/** What a call took: on every message a person can see it. `firstTokenMs` is null when nothing was said. */
export type Receipt = {
  provider: string
  model: string
  inputTokens: number
  outputTokens: number
  cacheReadTokens: number
  cacheWriteTokens: number
  costMicros: number
  firstTokenMs: number | null
  totalMs: number
}
export type GatewayEvent =
  | Exclude<ModelEvent, { type: 'end' }>
  | (Extract<ModelEvent, { type: 'end' }> & { receipt: Receipt })

const NOTHING: Usage = { inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0 }

function providerOf(config: Config): ModelProvider {
  return config.anthropic ? anthropicProvider(config.anthropic) : offlineProvider()
}

/** Which provider answers, for the health page. */
export function describeProvider(config: Config): { provider: string; model: string } {
  return config.anthropic
    ? { provider: 'anthropic', model: config.anthropic.model }
    : { provider: 'offline', model: 'offline-1' }
}

/**
 * The one way to a model. Streams what it says; the last event carries what it cost, and comes also before the error
 * of a call that failed or was aborted.
 */
export async function* generate(
  ctx: Pick<Ctx, 'config' | 'now'>,
  request: ModelRequest,
  signal: AbortSignal,
): AsyncGenerator<GatewayEvent> {
  const { model: asked } = describeProvider(ctx.config)
  const prices = findPrices(asked)
  if (!prices) throw new AppError('unavailable', `No price is known for the model ${asked}`)
  const provider = providerOf(ctx.config)
  const startedMs = ctx.now().getTime()
  let firstTokenMs: number | null = null
  let hasEnded = false
  const ended = (event: Extract<ModelEvent, { type: 'end' }>): GatewayEvent => {
    hasEnded = true
    const receipt = {
      provider: provider.name,
      model: event.model,
      ...event.usage,
      costMicros: costMicros(pricesOf(event.model, prices), event.usage, ctx.now()),
      firstTokenMs,
      totalMs: ctx.now().getTime() - startedMs,
    }
    return { ...event, receipt }
  }
  try {
    for await (const event of provider.generate(request, signal)) {
      if (event.type === 'end') yield ended(event)
      else {
        firstTokenMs ??= ctx.now().getTime() - startedMs
        yield event
      }
    }
  } catch (error) {
    if (!hasEnded) yield ended({ type: 'end', stop: 'aborted', model: asked, usage: NOTHING })
    throw error
  }
}

// An answer under a name without a price is paid for as the model that was asked.
function pricesOf(answered: string, asked: Prices): Prices {
  return findPrices(answered) ?? asked
}
