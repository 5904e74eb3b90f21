import Anthropic, { APIConnectionError, APIError, APIUserAbortError } from '@anthropic-ai/sdk'
import { AppError } from '#core'
import type { ModelEvent, ModelMessage, ModelProvider, ModelRequest, Usage } from './model.ts'

const TIMEOUT_MS = 120_000
const MAX_RETRIES = 2

type Settings = { apiKey: string; baseUrl: string | undefined; model: string }
type Params = Anthropic.MessageCreateParamsStreaming

/** Claude. What stays the same from turn to turn (tools, first part of the system prompt, history) is cached by the provider. */
export function anthropicProvider(settings: Settings): ModelProvider {
  const client = new Anthropic({
    apiKey: settings.apiKey,
    baseURL: settings.baseUrl ?? null,
    timeout: TIMEOUT_MS,
    maxRetries: MAX_RETRIES,
    // The global fetch is looked up when called: tests stand in on the wire.
    fetch: (input, init) => fetch(input, init),
  })
  return {
    name: 'anthropic',
    async *generate(request, signal) {
      try {
        const stream = await client.messages.create(toParams(request, settings.model), { signal })
        yield* read(stream, settings.model)
      } catch (error) {
        throw toAppError(error)
      }
    },
  }
}

const CACHED = { cache_control: { type: 'ephemeral' as const } }

function toParams(request: ModelRequest, model: string): Params {
  const tools = request.tools.map(({ name, description, inputSchema }, index) => ({
    name,
    description,
    input_schema: { ...inputSchema, type: 'object' as const },
    ...(index === request.tools.length - 1 && CACHED),
  }))
  return {
    model,
    stream: true,
    max_tokens: request.maxOutputTokens,
    system: [
      { type: 'text', text: request.system, ...CACHED },
      { type: 'text', text: request.volatileSystem },
    ],
    messages: toMessages(request.messages),
    ...(tools.length > 0 && { tools }),
  }
}

function toBlock(part: ModelMessage['parts'][number]): Anthropic.ContentBlockParam {
  if (part.type === 'text') return { type: 'text', text: part.text }
  if (part.type === 'tool_call') return { type: 'tool_use', id: part.id, name: part.name, input: part.input }
  return {
    type: 'tool_result',
    tool_use_id: part.callId,
    content: JSON.stringify(part.output),
    is_error: part.isError,
  }
}

function toMessages(messages: ModelMessage[]): Anthropic.MessageParam[] {
  return messages.map((message, index) => {
    const content = message.parts.map(toBlock)
    const last = content.at(-1)
    if (index === messages.length - 1 && last) Object.assign(last, CACHED)
    return { role: message.role, content }
  })
}

type Stream = AsyncIterable<Anthropic.RawMessageStreamEvent>
const STOPS = {
  end_turn: 'done',
  stop_sequence: 'done',
  pause_turn: 'done',
  tool_use: 'tools',
  max_tokens: 'length',
  model_context_window_exceeded: 'length',
  refusal: 'refused',
} as const

async function* read(stream: Stream, asked: string): AsyncGenerator<ModelEvent> {
  const calls = new Map<number, { id: string; name: string; json: string }>()
  const usage: Usage = { inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0 }
  let model = asked
  let stop: (typeof STOPS)[keyof typeof STOPS] | undefined
  for await (const event of stream) {
    switch (event.type) {
      case 'message_start':
        model = event.message.model
        usage.inputTokens = event.message.usage.input_tokens
        usage.outputTokens = event.message.usage.output_tokens
        usage.cacheReadTokens = event.message.usage.cache_read_input_tokens ?? 0
        usage.cacheWriteTokens = event.message.usage.cache_creation_input_tokens ?? 0
        break
      case 'content_block_start':
        if (event.content_block.type === 'tool_use')
          calls.set(event.index, { id: event.content_block.id, name: event.content_block.name, json: '' })
        break
      case 'content_block_delta': {
        const call = calls.get(event.index)
        if (event.delta.type === 'text_delta') yield { type: 'text', text: event.delta.text }
        else if (event.delta.type === 'input_json_delta' && call) call.json += event.delta.partial_json
        break
      }
      case 'content_block_stop': {
        const call = calls.get(event.index)
        if (call)
          yield {
            type: 'tool_call',
            call: { type: 'tool_call', id: call.id, name: call.name, input: parse(call.json) },
          }
        break
      }
      case 'message_delta':
        usage.outputTokens = event.usage.output_tokens
        stop = event.delta.stop_reason ? STOPS[event.delta.stop_reason] : stop
        break
      case 'message_stop':
        break
    }
  }
  if (!stop) throw new AppError('model_failed', 'The model stopped in the middle of its answer')
  yield { type: 'end', stop, model, usage }
}

function parse(json: string): unknown {
  try {
    return json === '' ? {} : JSON.parse(json)
  } catch {
    return json
  }
}

function toAppError(error: unknown): unknown {
  if (error instanceof APIUserAbortError) return error
  if (error instanceof APIConnectionError)
    return new AppError('model_failed', 'The model cannot be reached', { cause: error })
  if (!(error instanceof APIError)) return error
  if (error.status === 429 || error.status === 529 || error.type === 'overloaded_error') {
    const retryAfterS = Number(error.headers?.get('retry-after')) || 10
    return new AppError('model_overloaded', 'The model is overloaded; try again in a moment', {
      cause: error,
      retryAfterS,
    })
  }
  return new AppError(
    'model_failed',
    `The model refused the request (${error.status ?? error.type ?? 'stream error'})`,
    { cause: error },
  )
}
