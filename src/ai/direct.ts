import { AppError, type UserCtx } from '#core'
import { anthropicProvider } from './anthropic.ts'
import type { Attempt } from './attempt.ts'
import { isOpen } from './breaker.ts'
import type { CacheState, Call, GatewayEvent } from './call.ts'
import { type Choice, choose } from './choose.ts'
import { metered } from './metered.ts'
import type { ModelProvider, ProviderName } from './model.ts'
import { offlineProvider } from './offline/index.ts'
import { openaiProvider } from './openai.ts'
import { promptTokens, reserve, worstMicros } from './spending.ts'
import { standingOf } from './standing.ts'
import { tokensLeft } from './tightest.ts'
import { workersAiProvider } from './workers-ai.ts'

/** Why an answer comes from a cache or not, and how long that took to find out. */
export type CacheNote = { cache: CacheState; cacheReason: string; cacheUs: number }

export type AiCtx = Pick<UserCtx, 'actor' | 'config' | 'db' | 'env' | 'now' | 'newId' | 'log' | 'waitUntil'>

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

/** A new answer, whatever a cache has: chosen, held before and settled after, also when whoever listens leaves. */
export async function* direct(
  ctx: AiCtx,
  call: Call,
  signal: AbortSignal,
  { cacheUs, ...note }: CacheNote,
): AsyncGenerator<GatewayEvent> {
  const began = performance.now()
  const choice = await chosen(ctx, call)
  const choiceUs = microsSince(began)
  const attempts = choice.models.flatMap((model): Attempt[] => {
    const provider = providerOf(ctx, model.provider)
    return provider ? [{ model, provider }] : []
  })
  const [first, ...others] = attempts.map(({ model }) => model)
  if (!first) throw new AppError('unavailable', 'The model that was chosen is not bound here')
  const noted = { ...choice.decision, ...note }
  const hold = await reserve(ctx, call, { decision: noted, models: [first, ...others] })
  const { decision, reserveUs } = hold
  const tokens = tokensLeft(hold.model, new Date(hold.startedMs), promptTokens(call.request), hold.tightest)
  yield* metered(ctx, call, hold, attempts, signal, {
    type: 'start',
    decision,
    overhead: { choiceUs, reserveUs, cacheUs },
    ...(tokens && { tokens }),
  })
}

export async function chosen(ctx: AiCtx, call: Call): Promise<Choice> {
  const { config, actor, now } = ctx
  const standing = await standingOf(ctx, call)
  const isAway = (model: Attempt['model']) => isOpen(model, now())
  return choose({ config, id: ctx.newId('aic'), userId: actor.userId, standing, isAway }, call)
}

/** Which model would be asked, and what that costs at most; nobody is asked and nothing is held. */
export async function quote(ctx: AiCtx, call: Call): Promise<{ model: string; mostMicros: number }> {
  const [model] = (await chosen(ctx, call)).models
  return { model: model.name, mostMicros: worstMicros(model, call.request, ctx.now()) }
}

const microsSince = (began: number) => Math.round((performance.now() - began) * 1000)
