import type { Config } from '#config'
import { AppError } from '#core'
import { isOpen } from './breaker.ts'
import type { Feature, TokensLeft } from './call.ts'
import type { Model } from './catalogue.ts'
import { embedByBinding, embedOverHttp, type RawEmbedded } from './embeddings-http.ts'
import { ModelFailure } from './failure.ts'
import { NO_USAGE } from './model.ts'
import { price } from './prices.ts'
import { type WholeCtx, whole } from './whole.ts'

export type EmbedInput = { texts: string[]; feature: Feature; background?: boolean; signal?: AbortSignal }

/** `isEstimated`: the provider did not count, and the most it can have read is charged. */
export type EmbedReceipt = { model: string; inputTokens: number; costMicros: number; isEstimated: boolean }
export type EmbedAnswer =
  | { ok: true; vectors: number[][]; receipt: EmbedReceipt; tokens: TokensLeft | undefined }
  | { ok: false; reason: 'off' }

const BATCH = 96
const MAX_TEXTS = 2000
const MAX_CHARS = 8000
const PRICED_FROM = '2026-01-01'

/** One vector for each text, in order, cut at 8,000 characters; `off` where no embeddings are configured. `unavailable`: not bound. */
export async function embed(ctx: WholeCtx, input: EmbedInput): Promise<EmbedAnswer> {
  const { embeddings } = ctx.config.ai
  const { texts, signal = new AbortController().signal } = input
  if (!embeddings) return { ok: false, reason: 'off' }
  if (texts.length > MAX_TEXTS) throw new AppError('invalid_request', `At most ${MAX_TEXTS} texts at a time`)
  // Where nobody can be asked, nothing is held.
  if (embeddings.provider === 'workers-ai' && !ctx.env.AI)
    throw new AppError('unavailable', 'The model for embeddings is not bound here')
  const bounded = texts.map(bound)
  const model = modelOf(ctx.config)
  const usageOf = (inputTokens: number) => ({ ...NO_USAGE, inputTokens })
  const call = { kind: 'embed', ...input, signal, model, most: mostTokens(bounded), usageOf } as const
  const {
    value: vectors,
    bill,
    tokens,
  } = await whole(ctx, call, async (asking) => {
    const made: number[][] = []
    for (let at = 0; at < bounded.length; at += BATCH) {
      const batch = bounded.slice(at, at + BATCH)
      const asked = asking(mostTokens(batch), async () => {
        const raw = await ask(ctx, batch, signal)
        return { value: checked(raw, batch.length, embeddings.dimensions).vectors, units: raw.inputTokens }
      })
      made.push(...(await asked))
    }
    return made
  })
  const { units: inputTokens, costMicros, isEstimated } = bill
  return { ok: true, vectors, receipt: { model: model.name, inputTokens, costMicros, isEstimated }, tokens }
}

function modelOf({ ai }: Config): Model {
  if (!ai.embeddings) throw new AppError('unavailable', 'No model for embeddings is configured')
  const { provider, model } = ai.embeddings
  const { name, inputDollars, contextTokens } = model
  const prices: Model['prices'] = [price(PRICED_FROM, inputDollars, 0)]
  return { name, provider, tier: 1, contextTokens, maxOutputTokens: 0, abilities: [], prices }
}

/** For `/health/ready`: `down` while they are left alone, or not bound. */
export function embeddingsHealth({ config, env, now }: Pick<WholeCtx, 'config' | 'env' | 'now'>) {
  if (!config.ai.embeddings)
    return { status: 'off' as const, provider: 'none', detail: 'EMBEDDINGS_PROVIDER is not set' }
  const { provider } = config.ai.embeddings
  if (provider === 'workers-ai' && !env.AI)
    return { status: 'down' as const, provider, detail: 'the binding AI is missing' }
  const isLeft = isOpen(modelOf(config), now())
  return isLeft
    ? { status: 'down' as const, provider, detail: 'open: it failed lately' }
    : { status: 'ok' as const, provider, detail: 'configured; not probed' }
}

function ask({ config, env }: WholeCtx, texts: string[], signal: AbortSignal): Promise<RawEmbedded> {
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
