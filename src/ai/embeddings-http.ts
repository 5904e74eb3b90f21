import { z } from 'zod'
import type { AiConfig } from '#config'
import { s } from '#core'
import { statusFailure } from './failure.ts'
import { answered, parsed } from './whole.ts'
import { toFailure } from './workers-ai.ts'

type Embedder = NonNullable<AiConfig['embeddings']>

const TIMEOUT_MS = 10_000
// The ledger's columns take two thousand million, and a call has 21 batches at most.
const MAX_TOKENS = 100_000_000
const Vector = s.later(() => z.array(z.number()).max(10_000))
const Answer = s.later(() =>
  z.object({
    data: z.array(z.object({ index: z.int().min(0), embedding: Vector() })).max(1000),
    usage: z.object({ prompt_tokens: z.int().min(0).max(MAX_TOKENS) }).optional(),
  }),
)
const BindingAnswer = s.later(() => z.object({ data: z.array(Vector()).max(1000) }))

/** As a provider gave them: `inputTokens` is null where it did not count. */
export type RawEmbedded = { vectors: number[][]; model: string; inputTokens: number | null }

/** Vectors from any server that speaks OpenAI's `/embeddings`. Throws a `ModelFailure`, or what the caller aborted with. */
export async function embedOverHttp(embedder: Embedder, texts: string[], signal: AbortSignal): Promise<RawEmbedded> {
  const url = `${(embedder.baseUrl ?? '').replace(/\/$/, '')}/embeddings`
  const body = await answered(signal, TIMEOUT_MS, async (ending) => {
    const response = await fetch(url, {
      method: 'POST',
      signal: ending,
      headers: {
        'content-type': 'application/json',
        ...(embedder.apiKey && { authorization: `Bearer ${embedder.apiKey}` }),
      },
      body: JSON.stringify({ model: embedder.model.name, input: texts, encoding_format: 'float' }),
    })
    const text = await response.text()
    if (!response.ok) throw statusFailure(response.status, response.headers, '', new Error(text.slice(0, 500)))
    return text
  })
  const { data, usage } = parsed(Answer(), () => JSON.parse(body))
  const vectors = data.toSorted((a, b) => a.index - b.index).map(({ embedding }) => embedding)
  return { vectors, model: embedder.model.name, inputTokens: usage?.prompt_tokens ?? null }
}

/** Vectors from the Workers AI binding; it does not say how many tokens it read. */
export async function embedByBinding(
  ai: { run(model: string, input: { text: string[] }): Promise<unknown> },
  embedder: Embedder,
  texts: string[],
  signal: AbortSignal,
): Promise<RawEmbedded> {
  const { name } = embedder.model
  const run = () =>
    ai.run(name, { text: texts }).catch((error: unknown) => {
      throw toFailure(error, signal)
    })
  const said = await answered(signal, TIMEOUT_MS, run)
  return { vectors: parsed(BindingAnswer(), () => said).data, model: name, inputTokens: null }
}
