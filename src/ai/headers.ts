import { findAppError } from '#core'
import type { CacheState, Overhead, TokensLeft } from './call.ts'
import { BudgetExhausted } from './refusals.ts'

/** What is told of an answer beside it; `overhead` is null of one that is found again. */
type Told = {
  model: string | null
  provider: string | null
  callId: string | null
  /** Undefined while it is not known. */
  costMicros: number | undefined
  upstreamMs: number
  overhead: (Overhead & { cache: CacheState }) | null
}

/** As headers: which model answered and why, what it cost, what the gateway took. */
export function answerHeaders({ model, provider, callId, costMicros, upstreamMs, overhead }: Told) {
  const about: Record<string, string> = {
    'Aurelius-Model': model ?? '',
    'Aurelius-Provider': provider ?? '',
    ...(callId !== null && { 'Aurelius-Decision': callId }),
    ...(costMicros !== undefined && { 'Aurelius-Cost-Micros': String(costMicros) }),
  }
  if (!overhead) return about
  const { choiceUs, reserveUs, cacheUs, cache } = overhead
  const parts = { choice: choiceUs, reserve: reserveUs, cache: cacheUs, upstream: upstreamMs * 1000 }
  return {
    ...about,
    'Aurelius-Cache': cache,
    'Aurelius-Overhead-Us': String(choiceUs + reserveUs + cacheUs),
    'Server-Timing': Object.entries(parts)
      .map(([name, us]) => `${name};dur=${(us / 1000).toFixed(2)}`)
      .join(', '),
  }
}

/** What a refusal says is left of the budget; undefined where it was refused for something else. */
export function refusedTokens(error: unknown): TokensLeft | undefined {
  const known = findAppError(error)
  return known instanceof BudgetExhausted ? known.tokens : undefined
}
