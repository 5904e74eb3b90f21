import { errorWord, readCompletion, toCompletion, toValue } from './completions.ts'
import { ModelFailure, statusFailure } from './failure.ts'
import type { ModelProvider, ModelRequest } from './model.ts'
import { eventsOf } from './sse.ts'

type Settings = { baseUrl: string; apiKey: string | undefined }

/** Any server that speaks OpenAI's Chat Completions: a person's Ollama or vLLM, or a vendor. */
export function openaiProvider(settings: Settings): ModelProvider {
  return {
    name: 'openai-compatible',
    async *generate(model, request, signal, heard) {
      const body = {
        ...toCompletion(request),
        ...limit(settings, request),
        model,
        stream: true,
        stream_options: { include_usage: true },
      }
      try {
        const response = await post(settings, 'chat/completions', body, signal)
        heard?.('open')
        yield* readCompletion(values(response, signal), { model, maxOutputTokens: request.maxOutputTokens }, heard)
      } catch (error) {
        throw toFailure(error, signal)
      }
    },
  }
}

/** A base may be given with its version or without: `http://127.0.0.1:11434` is `http://127.0.0.1:11434/v1`. */
function endpoint(baseUrl: string, path: string): string {
  const base = baseUrl.replace(/\/+$/, '')
  return /\/v\d[^/]*(?:\/|$)/.test(new URL(base).pathname) ? `${base}/${path}` : `${base}/v1/${path}`
}

// OpenAI's newer models refuse the older name of the limit; other servers may know no other.
function limit({ baseUrl }: Settings, { maxOutputTokens }: ModelRequest) {
  return new URL(baseUrl).hostname === 'api.openai.com'
    ? { max_completion_tokens: maxOutputTokens }
    : { max_tokens: maxOutputTokens }
}

async function post(settings: Settings, path: string, body: object, signal: AbortSignal): Promise<Response> {
  const response = await fetch(endpoint(settings.baseUrl, path), {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(settings.apiKey !== undefined && { authorization: `Bearer ${settings.apiKey}` }),
    },
    body: JSON.stringify(body),
    signal,
  })
  if (response.ok) return response
  throw statusFailure(response.status, response.headers, errorWord(await response.text()))
}

async function wholeOf(response: Response): Promise<string> {
  return await response.text().catch((cause: unknown) => {
    throw new ModelFailure('cut', 'the answer broke off', { cause })
  })
}

/** A server that does not stream answers with one JSON object. */
async function* values(response: Response, signal: AbortSignal): AsyncGenerator<unknown> {
  const type = response.headers.get('content-type') ?? 'text/event-stream'
  if (type.startsWith('application/json')) yield toValue(await wholeOf(response))
  else if (type.startsWith('text/event-stream') && response.body) {
    for await (const data of eventsOf(response.body, signal)) yield toValue(data)
  } else {
    await response.body?.cancel()
    throw new ModelFailure('garbage', `answered with ${type.slice(0, 50)}`)
  }
}

function toFailure(error: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason
  if (error instanceof ModelFailure) return error
  return new ModelFailure('unreachable', 'cannot be reached', { cause: error })
}
