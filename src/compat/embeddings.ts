import { Buffer } from 'node:buffer'
import { embed, type TokensLeft } from '#ai'
import { requireSession } from '#auth'
import { AppError, type UserCtx } from '#core'
import type { EmbeddingsRequest } from './schema.ts'

type Embedded = {
  vectors: number[][]
  model: string
  inputTokens: number
  costMicros: number
  tokens: TokensLeft | undefined
}

/** A vector for each text. `unavailable`: no model for it is configured; `not_found`: it is another one. */
export async function embedTexts(ctx: UserCtx, asked: EmbeddingsRequest): Promise<Embedded> {
  await requireSession(ctx)
  const { embeddings } = ctx.config.ai
  if (!embeddings) throw new AppError('unavailable', 'No model for embeddings is configured')
  if (asked.model !== embeddings.model.name) throw new AppError('not_found', `There is no model ${asked.model}`)
  if (asked.dimensions && asked.dimensions !== embeddings.dimensions)
    throw new AppError('invalid_request', `Its vectors have ${embeddings.dimensions} dimensions`)
  const texts = typeof asked.input === 'string' ? [asked.input] : asked.input
  const answer = await embed(ctx, { texts, feature: 'compat.openai' })
  if (!answer.ok) throw new AppError('unavailable', 'No model for embeddings is configured')
  const { model, inputTokens, costMicros } = answer.receipt
  return { vectors: answer.vectors, model, inputTokens, costMicros, tokens: answer.tokens }
}

/** The list as it was asked for: numbers, or the bytes of 32-bit floats. */
export function toEmbeddings(embedded: Omit<Embedded, 'tokens'>, format: 'float' | 'base64') {
  const { vectors, model, inputTokens, costMicros } = embedded
  const encode = (vector: number[]) => Buffer.from(Float32Array.from(vector).buffer).toString('base64')
  return {
    object: 'list',
    data: vectors.map((vector, index) => ({
      object: 'embedding',
      index,
      embedding: format === 'base64' ? encode(vector) : vector,
    })),
    model,
    usage: { prompt_tokens: inputTokens, total_tokens: inputTokens, cost_micros: costMicros },
  }
}
