import type Anthropic from '@anthropic-ai/sdk'
import { AnthropicError, APIConnectionError, APIError } from '@anthropic-ai/sdk'
import { BaseAnthropic } from '@anthropic-ai/sdk/client'
import { Messages } from '@anthropic-ai/sdk/resources/messages'
import { ModelFailure, statusFailure } from './failure.ts'
import type { Heard, ModelEvent, ModelMessage, ModelProvider, ModelRequest } from './model.ts'
import { factsOf, JSON_ALONE, type Known, newestQuestion, startKnown, toCall, withEnd } from './reading.ts'

// The deadlines are the gateway's; this one only ends what nobody waits for any more.
const TIMEOUT_MS = 600_000

type Settings = { apiKey: string; baseUrl: string | undefined }
type Params = Anthropic.MessageCreateParamsStreaming

/** Claude. What stays the same from turn to turn (tools, first part of the system prompt, history) is cached by the provider. */
export function anthropicProvider(settings: Settings): ModelProvider {
  // The whole client would bring all it can do into the bundle: 260 kB that every isolate reads at its start.
  const client = new BaseAnthropic({
    apiKey: settings.apiKey,
    baseURL: settings.baseUrl ?? null,
    timeout: TIMEOUT_MS,
    maxRetries: 0,
    // It logs what it cannot read, which may be what a person said.
    logLevel: 'off',
    // The global fetch is looked up when called: tests stand in on the wire.
    fetch: (input, init) => fetch(input, init).then(streamOnly),
  })
  const messages = new Messages(client)
  return {
    name: 'anthropic',
    async *generate(model, request, signal, heard) {
      try {
        const stream = await messages.create(toParams(request, model), { signal })
        heard?.('open')
        const known = startKnown(model)
        yield* withEnd(known, readEvents(wire(stream, signal), known, heard))
      } catch (error) {
        throw toFailure(error, signal)
      }
    },
  }
}

// The SDK reads whatever comes as a stream of events, and finds none in a page.
async function streamOnly(response: Response): Promise<Response> {
  const type = response.headers.get('content-type') ?? 'nothing'
  if (!response.ok || type.startsWith('text/event-stream')) return response
  await response.body?.cancel()
  throw new ModelFailure('garbage', `answered with ${type.slice(0, 50)}`)
}

// The one model of the catalogue that does not think unless it is told to, and refuses to be told how much.
const WITHOUT_EFFORT = /^claude-haiku-4-5(?:-|$)/

const CACHED = { cache_control: { type: 'ephemeral' as const } }

// Sampling parameters are refused by this version of the API, and the newer models refuse to be forced to a tool: what
// cannot be asked for is left out or said in words.
function toParams(request: ModelRequest, model: string): Params {
  const { toolChoice, format, stopSequences } = request
  const effort = WITHOUT_EFFORT.test(model) ? undefined : request.effort
  const schema = typeof format === 'object' ? format.schema : undefined
  const isClosed = request.tools.length === 0
  const named = typeof toolChoice === 'object' ? request.tools.filter(({ name }) => name === toolChoice.name) : []
  const open = named.length > 0 ? named : request.tools
  const offered = isClosed ? (request.closedTools ?? []) : open
  const tools = offered.map(({ name, description, inputSchema }, index) => ({
    name,
    description,
    input_schema: { ...inputSchema, type: 'object' as const },
    ...(index === offered.length - 1 && CACHED),
  }))
  const isFree = !isClosed && toolChoice !== 'none'
  return {
    model,
    stream: true,
    max_tokens: request.maxOutputTokens,
    ...(request.system !== '' && { system: [{ type: 'text' as const, text: request.system, ...CACHED }] }),
    messages: toMessages(request.messages, [request.volatileSystem, ...inWords(request, isFree)].filter(Boolean)),
    ...(tools.length > 0 && { tools }),
    // The calls in the history are of these tools: they are named, and closed.
    ...(tools.length > 0 && !isFree && { tool_choice: { type: 'none' as const } }),
    ...((effort || schema) && {
      output_config: { ...(effort && { effort }), ...(schema && { format: { type: 'json_schema' as const, schema } }) },
    }),
    ...(stopSequences && stopSequences.length > 0 && { stop_sequences: stopSequences }),
  }
}

function inWords({ toolChoice, format }: ModelRequest, isFree: boolean): string[] {
  const words: string[] = []
  if (isFree && toolChoice === 'required') words.push('Answer by calling a tool.')
  if (isFree && typeof toolChoice === 'object') words.push(`Answer by calling the tool ${toolChoice.name}.`)
  if (format === 'json') words.push(JSON_ALONE)
  return words
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

/**
 * What changes from turn to turn stands before the newest question, so that all before it is the same next time and is
 * read from the cache. Two marks: the end of the history, and the end of this turn so far.
 */
function toMessages(messages: ModelMessage[], facts: string[]): Anthropic.MessageParam[] {
  const newest = newestQuestion(messages)
  return messages.map((message, index) => {
    const content = message.parts.map(toBlock)
    const last = content.at(-1)
    if (last && (index === messages.length - 1 || index === newest - 1)) Object.assign(last, CACHED)
    if (index === newest && facts.length > 0) content.unshift({ type: 'text', text: factsOf(facts.join('\n')) })
    return { role: message.role, content }
  })
}

type Stream = AsyncGenerator<Anthropic.RawMessageStreamEvent>
const STOPS = {
  end_turn: 'done',
  stop_sequence: 'done',
  pause_turn: 'done',
  tool_use: 'tools',
  max_tokens: 'length',
  model_context_window_exceeded: 'length',
  refusal: 'refused',
} as const

async function* readEvents(stream: Stream, known: Known, heard: Heard | undefined): AsyncGenerator<ModelEvent> {
  // A call is told once the next thing begins: whether the last one is whole, only the end of the answer says.
  let call: { id: string; name: string; json: string } | undefined
  for await (const event of stream) {
    if (event.type !== 'message_start') heard?.('piece')
    switch (event.type) {
      case 'message_start': {
        const { model, usage } = event.message
        known.model = model
        known.usage = {
          inputTokens: usage.input_tokens,
          outputTokens: usage.output_tokens,
          cacheReadTokens: usage.cache_read_input_tokens ?? 0,
          cacheWriteTokens: usage.cache_creation?.ephemeral_5m_input_tokens ?? usage.cache_creation_input_tokens ?? 0,
          cacheWrite1hTokens: usage.cache_creation?.ephemeral_1h_input_tokens ?? 0,
        }
        break
      }
      case 'content_block_start':
        if (call) yield toCall(call)
        call = event.content_block.type === 'tool_use' ? { ...event.content_block, json: '' } : undefined
        break
      case 'content_block_delta':
        if (event.delta.type === 'text_delta') yield { type: 'text', text: event.delta.text }
        else if (event.delta.type === 'input_json_delta' && call) call.json += event.delta.partial_json
        break
      case 'message_delta':
        known.usage.outputTokens = event.usage.output_tokens
        known.stop = event.delta.stop_reason ? (STOPS[event.delta.stop_reason] ?? 'done') : known.stop
        known.isFinal = true
        break
      case 'content_block_stop':
      case 'message_stop':
        break
    }
  }
  if (call && known.stop) yield toCall(call, known.stop === 'length')
}

// What breaks while it is read is the wire's fault; an abort ends the SDK's stream without a word.
async function* wire(stream: AsyncIterable<Anthropic.RawMessageStreamEvent>, signal: AbortSignal): Stream {
  try {
    yield* stream
  } catch (cause) {
    if (cause instanceof APIError) throw cause
    if (cause instanceof SyntaxError) throw new ModelFailure('garbage', 'an event that is not JSON', { cause })
    throw new ModelFailure('cut', 'the stream broke', { cause })
  }
  signal.throwIfAborted()
}

// The types of errors that come within a stream, with the status they have outside of one.
const STATUSES: Record<string, number> = {
  overloaded_error: 529,
  rate_limit_error: 429,
  authentication_error: 401,
  permission_error: 403,
  invalid_request_error: 400,
  not_found_error: 404,
  request_too_large: 413,
}

function toFailure(error: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason
  const known = findFailure(error)
  if (known) return known
  if (error instanceof APIConnectionError) return new ModelFailure('unreachable', 'cannot be reached', { cause: error })
  if (error instanceof APIError) {
    const status = error.status ?? STATUSES[error.type ?? ''] ?? 500
    return statusFailure(status, error.headers, error.type ?? '', error)
  }
  if (error instanceof AnthropicError)
    return new ModelFailure('rejected', 'the SDK refused the request', { cause: error })
  // The wire has its own word: what is left is an event of another shape than the SDK promises.
  return new ModelFailure('garbage', 'an event that cannot be read', { cause: error })
}

// The SDK wraps what the fetch it was given throws.
function findFailure(error: unknown): ModelFailure | undefined {
  for (let at = error, depth = 0; at instanceof Error && depth < 4; at = at.cause, depth++)
    if (at instanceof ModelFailure) return at
  return undefined
}
