import { readCompletion, toCompletion, toValue } from './completions.ts'
import { type FailureReason, ModelFailure } from './failure.ts'
import type { ModelProvider } from './model.ts'
import { eventsOf } from './sse.ts'

/** Of the binding `AI`, what is used: its overloads know some models by name, and ours come from configuration. */
export type AiBinding = {
  run(model: string, inputs: Record<string, unknown>, options: { signal: AbortSignal }): Promise<unknown>
}

/** Cloudflare's own models, over the binding. */
export function workersAiProvider(ai: AiBinding): ModelProvider {
  return {
    name: 'workers-ai',
    async *generate(model, request, signal, heard) {
      const { maxOutputTokens } = request
      try {
        const inputs = { ...toCompletion(request), max_tokens: maxOutputTokens, stream: true }
        const answer = await ai.run(model, inputs, { signal })
        heard?.('open')
        yield* readCompletion(values(answer, signal), { model, maxOutputTokens }, heard)
      } catch (error) {
        throw toFailure(error, signal)
      }
    },
  }
}

async function* values(answer: unknown, signal: AbortSignal): AsyncGenerator<unknown> {
  if (!(answer instanceof ReadableStream)) {
    // A model that cannot stream answers whole; what has nothing of an answer is no empty one.
    if (!isAnswer(answer)) throw new ModelFailure('garbage', 'an answer of an unknown shape')
    yield answer
    yield toValue('[DONE]')
    return
  }
  for await (const data of eventsOf(answer, signal)) yield toValue(data)
}

const isAnswer = (value: unknown) =>
  typeof value === 'object' &&
  value !== null &&
  ['response', 'tool_calls', 'choices', 'error'].some((name) => name in value)

// https://developers.cloudflare.com/workers-ai/platform/errors/
const REASONS: Record<string, FailureReason> = {
  3036: 'rate_limited',
  3040: 'overloaded',
  3007: 'server_error',
  3008: 'server_error',
  5016: 'unauthorized',
  5018: 'unauthorized',
  3023: 'unauthorized',
  3041: 'unauthorized',
  5007: 'rejected',
  5004: 'rejected',
  5005: 'rejected',
  5019: 'rejected',
  3003: 'rejected',
  3006: 'rejected',
  3039: 'rejected',
  3042: 'rejected',
}

/** What the binding threw, as the gateway knows it. */
export function toFailure(error: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason
  if (error instanceof ModelFailure) return error
  // The binding throws `<internal code>: <description>`; a network failure has no code.
  const code = error instanceof Error ? /^(?:\w+: )?(\d{4}):/.exec(error.message)?.[1] : undefined
  if (code === undefined) return new ModelFailure('unreachable', 'the binding failed', { cause: error })
  return new ModelFailure(REASONS[code] ?? 'server_error', `answered ${code}`, { cause: error })
}
