import { Buffer } from 'node:buffer'
import { requireSession } from '#auth'
import { AppError, type UserCtx } from '#core'
import type { EmbeddingsRequest } from './schema.ts'

type Embedded = { vectors: number[][]; model: string; inputTokens: number; costMicros: number }

/** A vector for each text. `unavailable`: no model for it can be called through the gateway. */
export async function embedTexts(ctx: Pick<UserCtx, 'db' | 'actor'>, _asked: EmbeddingsRequest): Promise<Embedded> {
  await requireSession(ctx)
  throw new AppError('unavailable', 'No model for embeddings is configured')
}

/** The list as it was asked for: numbers, or the bytes of 32-bit floats. */
export function toEmbeddings({ vectors, model, inputTokens, costMicros }: Embedded, format: 'float' | 'base64') {
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
