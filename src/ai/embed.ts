import type { Config } from '#config'
import { AppError, type UserCtx } from '#core'
import { isUnpaid } from './attempt.ts'
import type { Decision, Feature } from './call.ts'
import type { Model } from './catalogue.ts'
import { embedByBinding, embedOverHttp, type RawEmbedded } from './embeddings-http.ts'
import { asAppError, ModelFailure } from './failure.ts'
import { NO_USAGE } from './model.ts'
import { costMicros, price } from './prices.ts'
import { type Hold, hold, settle } from './spending.ts'

export type EmbedCtx = Pick<UserCtx, 'actor' | 'config' | 'env' | 'now' | 'newId' | 'log'>
export type EmbedInput = { texts: string[]; feature: Feature; background?: boolean; signal?: AbortSignal }

/** `isEstimated`: the provider did not count, and the most it can have read is charged. */
export type EmbedReceipt = { model: string; inputTokens: number; costMicros: number; isEstimated: boolean }
export type EmbedAnswer = { ok: true; vectors: number[][]; receipt: EmbedReceipt } | { ok: false; reason: 'off' }

const BATCH = 96
const MAX_TEXTS = 2000
const MAX_CHARS = 8000
const PRICED_FROM = '2026-01-01'

/** One vector for each text, in order; `off` where no embeddings are configured. Texts are cut at 8,000 characters. */
export async function embed(ctx: EmbedCtx, input: EmbedInput): Promise<EmbedAnswer> {
  const { embeddings } = ctx.config.ai
  const { texts, signal = new AbortController().signal } = input
  if (!embeddings) return { ok: false, reason: 'off' }
  if (texts.length > MAX_TEXTS) throw new AppError('invalid_request', `At most ${MAX_TEXTS} texts at a time`)
  const bounded = texts.map(bound)
  const held = await holdFor(ctx, input, bounded)
  const startedMs = ctx.now().getTime()
  const vectors: number[][] = []
  let inputTokens = 0
  let isEstimated = false
  let outcome: 'done' | 'failed' = 'failed'
  let isAsking = false
  try {
    for (let at = 0; at < bounded.length; at += BATCH) {
      const batch = bounded.slice(at, at + BATCH)
      signal.throwIfAborted()
      held.isSent = true
      isAsking = true
      const answer = checked(await ask(ctx, batch, signal), batch.length, embeddings.dimensions)
      vectors.push(...answer.vectors)
      inputTokens += answer.inputTokens ?? mostTokens(batch)
      isEstimated ||= answer.inputTokens === null
      isAsking = false
    }
    outcome = 'done'
  } catch (error) {
    // Of a batch that failed nothing is known but what it may have cost; one that was refused cost nothing.
    if (isAsking && !isUnpaid(error)) {
      inputTokens = mostTokens(bounded)
      isEstimated = true
    }
    throw error instanceof ModelFailure ? asAppError(error) : error
  } finally {
    const { name: model } = held.model
    const cost = costMicros(held.model.prices, { ...NO_USAGE, inputTokens }, new Date(held.startedMs))
    const took = { firstTokenMs: null, totalMs: ctx.now().getTime() - startedMs }
    const usage = { ...NO_USAGE, inputTokens }
    const { id: callId, provider } = held.decision
    const receipt = { callId, provider, model, ...usage, costMicros: cost, isEstimated, ...took }
    held.end = { receipt, usage, outcome }
    await settle(ctx, held, signal.aborted)
  }
  const cost = costMicros(held.model.prices, { ...NO_USAGE, inputTokens }, new Date(held.startedMs))
  return { ok: true, vectors, receipt: { model: embeddings.model.name, inputTokens, costMicros: cost, isEstimated } }
}

/** Each text at its most tokens. */
async function holdFor(ctx: EmbedCtx, input: EmbedInput, texts: string[]): Promise<Hold> {
  const { feature, background = false } = input
  const model = modelOf(ctx.config)
  const decision: Decision = {
    id: ctx.newId('aic'),
    provider: model.provider,
    model: model.name,
    kind: 'embed',
    difficulty: 0,
    parts: {},
    reasons: ['the one model for embeddings'],
    cache: 'off',
    cacheReason: '',
    experiment: null,
  }
  const worst = costMicros(model.prices, { ...NO_USAGE, inputTokens: mostTokens(texts) }, ctx.now())
  return await hold(ctx, { kind: 'embed', feature, background }, decision, [{ model, worst }])
}

function modelOf({ ai }: Config): Model {
  if (!ai.embeddings) throw new AppError('unavailable', 'No model for embeddings is configured')
  const { provider, model } = ai.embeddings
  const { name, inputDollars, contextTokens } = model
  const prices: Model['prices'] = [price(PRICED_FROM, inputDollars, 0)]
  return { name, provider, tier: 1, contextTokens, maxOutputTokens: 0, prices }
}

/** For `/health/ready`. */
export function embeddingsHealth({ ai }: Config): { status: 'ok' | 'off'; provider: string; detail: string } {
  return ai.embeddings
    ? { status: 'ok', provider: ai.embeddings.provider, detail: 'configured; not probed' }
    : { status: 'off', provider: 'none', detail: 'EMBEDDINGS_PROVIDER is not set' }
}

function ask({ config, env }: EmbedCtx, texts: string[], signal: AbortSignal): Promise<RawEmbedded> {
  const { embeddings } = config.ai
  if (!embeddings) throw new ModelFailure('unreachable', 'no embeddings are configured')
  switch (embeddings.provider) {
    case 'openai-compatible':
      return embedOverHttp(embeddings, texts, signal)
    case 'workers-ai': {
      if (!env.AI) throw new ModelFailure('unreachable', 'the binding AI is missing')
      // biome-ignore lint/nursery/noUnsafeTypeAssertion: the model is a setting, so its name is no literal of theirs
      const ai = env.AI as unknown as Parameters<typeof embedByBinding>[0]
      return embedByBinding(ai, embeddings, texts, signal)
    }
  }
}

// A vector of another length would be compared with nothing, and one without a direction with everything.
function checked(answer: RawEmbedded, count: number, dimensions: number): RawEmbedded {
  const { vectors } = answer
  if (vectors.length !== count) throw new ModelFailure('garbage', `${vectors.length} vectors came for ${count} texts`)
  for (const vector of vectors) {
    if (vector.length !== dimensions)
      throw new ModelFailure('garbage', `a vector of ${vector.length} came; EMBEDDINGS_DIMENSIONS is ${dimensions}`)
    if (vector.every((value) => value === 0)) throw new ModelFailure('garbage', 'a vector without a direction came')
  }
  return answer
}

// An empty text is refused by some and has no meaning to any.
function bound(text: string): string {
  const cut = text.slice(0, MAX_CHARS).toWellFormed()
  return cut.trim() === '' ? '.' : cut
}

// No tokenizer makes more tokens than there are bytes.
function mostTokens(texts: string[]): number {
  const encoder = new TextEncoder()
  return texts.reduce((sum, text) => sum + encoder.encode(text).length, 0)
}
