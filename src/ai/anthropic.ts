import type Anthropic from '@anthropic-ai/sdk'
import { APIConnectionError, APIError, APIUserAbortError } from '@anthropic-ai/sdk'
import { BaseAnthropic } from '@anthropic-ai/sdk/client'
import { Messages } from '@anthropic-ai/sdk/resources/messages'
import { ModelFailure } from './failure.ts'
import {
  type ModelEvent,
  type ModelMessage,
  type ModelProvider,
  type ModelRequest,
  NO_USAGE,
  type Usage,
} from './model.ts'

const TIMEOUT_MS = 120_000

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
    // The global fetch is looked up when called: tests stand in on the wire.
    fetch: (input, init) => fetch(input, init),
  })
  const messages = new Messages(client)
  return {
    name: 'anthropic',
    async *generate(model, request, signal) {
      try {
        const stream = await messages.create(toParams(request, model), { signal })
        yield* read(stream, model)
      } catch (error) {
        throw toFailure(error)
      }
    },
  }
}

const CACHED = { cache_control: { type: 'ephemeral' as const } }

function toParams(request: ModelRequest, model: string): Params {
  const isClosed = request.tools.length === 0
  const offered = isClosed ? (request.closedTools ?? []) : request.tools
  const tools = offered.map(({ name, description, inputSchema }, index) => ({
    name,
    description,
    input_schema: { ...inputSchema, type: 'object' as const },
    ...(index === offered.length - 1 && CACHED),
  }))
  return {
    model,
    stream: true,
    max_tokens: request.maxOutputTokens,
    system: [{ type: 'text', text: request.system, ...CACHED }],
    messages: toMessages(request.messages, request.volatileSystem),
    ...(tools.length > 0 && { tools }),
    // The calls in the history are of these tools: they are named, and closed.
    ...(tools.length > 0 && isClosed && { tool_choice: { type: 'none' as const } }),
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

/**
 * What changes from turn to turn stands before the newest question, so that all before it is the same next time and is
 * read from the cache. Two marks: the end of the history, and the end of this turn so far.
 */
function toMessages(messages: ModelMessage[], facts: string): Anthropic.MessageParam[] {
  const isQuestion = ({ role, parts }: ModelMessage) => role === 'user' && parts.some(({ type }) => type === 'text')
  const newest = messages.findLastIndex(isQuestion)
  return messages.map((message, index) => {
    const content = message.parts.map(toBlock)
    const last = content.at(-1)
    if (last && (index === messages.length - 1 || index === newest - 1)) Object.assign(last, CACHED)
    if (index === newest) content.unshift({ type: 'text', text: `<facts>\n${facts}\n</facts>` })
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
  const known: Known = { model: asked, usage: { ...NO_USAGE }, stop: undefined }
  let failure: unknown
  try {
    yield* readEvents(stream, known)
  } catch (error) {
    failure = error
  }
  // What was read and written until a stream broke off is paid for too.
  const { model, usage, stop = 'aborted' } = known
  const isFinal = !failure && known.stop !== undefined
  yield { type: 'end', stop: failure ? 'aborted' : stop, model, usage, isFinal }
  if (failure) throw failure
  if (!known.stop) throw new ModelFailure('cut', 'the stream ended before its end')
}

type Known = { model: string; usage: Usage; stop: (typeof STOPS)[keyof typeof STOPS] | undefined }

async function* readEvents(stream: Stream, known: Known): AsyncGenerator<ModelEvent> {
  // A call is told once the next thing begins: whether the last one is whole, only the end of the answer says.
  let call: { id: string; name: string; json: string } | undefined
  for await (const event of stream) {
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
        known.stop = event.delta.stop_reason ? STOPS[event.delta.stop_reason] : known.stop
        break
      case 'content_block_stop':
      case 'message_stop':
        break
    }
  }
  if (call && known.stop) yield toCall(call, known.stop === 'length')
}

/** Only an object is ever the input of a call: what is kept is sent back to the model, which refuses all else. */
function toCall({ id, name, json }: { id: string; name: string; json: string }, isCut = false): ModelEvent {
  const input = parse(json)
  const call = { type: 'tool_call' as const, id, name, input: isCut ? {} : (input ?? {}) }
  if (isCut) return { type: 'tool_call', call, problem: 'The answer was cut off inside this call; make it shorter' }
  return input ? { type: 'tool_call', call } : { type: 'tool_call', call, problem: 'The input was not a JSON object' }
}

function parse(json: string): object | undefined {
  try {
    const value: unknown = json === '' ? {} : JSON.parse(json)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined
  } catch {
    return undefined
  }
}

const OVERLOADED = 529

function toFailure(error: unknown): unknown {
  if (error instanceof APIUserAbortError) return error
  if (error instanceof APIConnectionError) return new ModelFailure('unreachable', 'cannot be reached', { cause: error })
  if (!(error instanceof APIError)) return error
  const { status, type } = error
  const retryAfterS = Number(error.headers?.get('retry-after'))
  const options = { cause: error, ...(retryAfterS > 0 && { retryAfterS }) }
  const said = `answered ${status ?? type ?? 'with an error in the stream'}`
  if (status === 429) return new ModelFailure('rate_limited', said, options)
  if (status === OVERLOADED || type === 'overloaded_error') return new ModelFailure('overloaded', said, options)
  if (status === 401 || status === 403) return new ModelFailure('unauthorized', said, options)
  if (status === undefined || status >= 500) return new ModelFailure('server_error', said, options)
  return new ModelFailure('rejected', said, options)
}
