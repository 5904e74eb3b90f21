import type { Config } from '#config'
import { AppError, type Ctx } from '#core'
import { anthropicProvider } from './anthropic.ts'
import type { ModelEvent, ModelProvider, ModelRequest } from './model.ts'
import { offlineProvider } from './offline/index.ts'
import { costMicros, hasPrice } from './prices.ts'

/** What a call took: on every message a person can see it. */
export type Receipt = {
  provider: string
  model: string
  inputTokens: number
  outputTokens: number
  cacheReadTokens: number
  cacheWriteTokens: number
  costMicros: number
  firstTokenMs: number
  totalMs: number
}
export type GatewayEvent =
  | Exclude<ModelEvent, { type: 'end' }>
  | (Extract<ModelEvent, { type: 'end' }> & { receipt: Receipt })

function providerOf(config: Config): ModelProvider {
  if (!config.anthropic) return offlineProvider()
  if (!hasPrice(config.anthropic.model))
    throw new AppError('unavailable', `No price is known for the model ${config.anthropic.model}`)
  return anthropicProvider(config.anthropic)
}

/** Which provider answers, for the health page. */
export function describeProvider(config: Config): { provider: string; model: string } {
  return config.anthropic
    ? { provider: 'anthropic', model: config.anthropic.model }
    : { provider: 'offline', model: 'offline-1' }
}

/** The one way to a model. Streams what it says; the last event carries what it cost. */
export async function* generate(
  ctx: Pick<Ctx, 'config' | 'now'>,
  request: ModelRequest,
  signal: AbortSignal,
): AsyncGenerator<GatewayEvent> {
  const provider = providerOf(ctx.config)
  const startedMs = ctx.now().getTime()
  const since = () => ctx.now().getTime() - startedMs
  let firstTokenMs: number | undefined
  for await (const event of provider.generate(request, signal)) {
    firstTokenMs ??= since()
    if (event.type !== 'end') yield event
    else {
      const cost = costMicros(event.model, event.usage, ctx.now())
      const receipt = {
        provider: provider.name,
        model: event.model,
        ...event.usage,
        costMicros: cost,
        firstTokenMs,
        totalMs: since(),
      }
      yield { ...event, receipt }
    }
  }
}
