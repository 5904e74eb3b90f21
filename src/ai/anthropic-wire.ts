import type Anthropic from '@anthropic-ai/sdk'
import { ModelFailure, statusFailure } from './failure.ts'
import type { ModelMessage, ModelRequest, Usage } from './model.ts'
import { factsOf, JSON_ALONE, newestQuestion } from './reading.ts'

const BASE_URL = 'https://api.anthropic.com'
const VERSION = '2026-10-21'

export type Settings = { apiKey: string; baseUrl: string | undefined }

/** One request, with the headers of the SDK; an answer that refuses is a typed failure, as is none. */
export async function send(settings: Settings, path: string, signal: AbortSignal, body?: object): Promise<Response> {
  const base = (settings.baseUrl ?? BASE_URL).replace(/\/+$/, '')
  const headers = {
    accept: 'application/json',
    authorization: `Bearer ${settings.apiKey}`,
    'anthropic-version': VERSION,
    ...(body && { 'content-type': 'application/json' }),
  }
  const asked = body ? { method: 'POST', body: JSON.stringify(body) } : {}
  const response = await fetch(base + path, { ...asked, headers, signal }).catch((cause: unknown) => {
    throw signal.aborted ? signal.reason : new ModelFailure('unreachable', 'cannot be reached', { cause })
  })
  if (response.ok) return response
  throw statusFailure(response.status, response.headers, errorType(await response.text().catch(() => '')))
}

/** The body of an answer that is one JSON object. */
export async function jsonOf(response: Response): Promise<Record<string, unknown>> {
  const value: unknown = await response.json().catch((cause: unknown) => {
    throw new ModelFailure('garbage', 'an answer that is not JSON', { cause })
  })
  if (typeof value !== 'object' || value === null) throw new ModelFailure('garbage', 'an answer that is no object')
  return Object.fromEntries(Object.entries(value))
}

function errorType(text: string): string {
  return /"type"\s*:\s*"(\w{1,60}_error)"/.exec(text)?.[1] ?? ''
}

type Params = Anthropic.MessageCreateParamsNonStreaming

// The one model of the catalogue that does not think unless it is told to, and refuses to be told how much.
const WITHOUT_EFFORT = /^claude-haiku-4-5(?:-|$)/

const CACHED = { cache_control: { type: 'ephemeral' as const } }
type Mark = typeof CACHED | Record<string, never>

// Sampling parameters are refused by this version of the API, and the newer models refuse to be forced to a tool: what
// cannot be asked for is left out or said in words.
export function toParams(request: ModelRequest, model: string, mark: Mark = CACHED): Params {
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
    ...(index === offered.length - 1 && mark),
  }))
  const isFree = !isClosed && toolChoice !== 'none'
  return {
    model,
    max_tokens: request.maxOutputTokens,
    ...(request.system !== '' && { system: [{ type: 'text' as const, text: request.system, ...mark }] }),
    messages: toMessages(request.messages, [request.volatileSystem, ...inWords(request, isFree)].filter(Boolean), mark),
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
function toMessages(messages: ModelMessage[], facts: string[], mark: Mark): Anthropic.MessageParam[] {
  const newest = newestQuestion(messages)
  return messages.map((message, index) => {
    const content = message.parts.map(toBlock)
    const last = content.at(-1)
    if (last && (index === messages.length - 1 || index === newest - 1)) Object.assign(last, mark)
    if (index === newest && facts.length > 0) content.unshift({ type: 'text', text: factsOf(facts.join('\n')) })
    return { role: message.role, content }
  })
}

export const STOPS = {
  end_turn: 'done',
  stop_sequence: 'done',
  pause_turn: 'done',
  tool_use: 'tools',
  max_tokens: 'length',
  model_context_window_exceeded: 'length',
  refusal: 'refused',
} as const

export function usageOf(usage: Anthropic.Usage): Usage {
  return {
    inputTokens: usage.input_tokens,
    outputTokens: usage.output_tokens,
    cacheReadTokens: usage.cache_read_input_tokens ?? 0,
    cacheWriteTokens: usage.cache_creation?.ephemeral_5m_input_tokens ?? usage.cache_creation_input_tokens ?? 0,
    cacheWrite1hTokens: usage.cache_creation?.ephemeral_1h_input_tokens ?? 0,
  }
}

// The types of errors that come within a stream, with the status they have outside of one.
export const STATUSES: Record<string, number> = {
  overloaded_error: 529,
  rate_limit_error: 429,
  authentication_error: 401,
  permission_error: 403,
  invalid_request_error: 400,
  not_found_error: 404,
  request_too_large: 413,
}

/** As the gateway knows it. */
export function toFailure(error: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason
  if (error instanceof ModelFailure) return error
  // The wire has its own word: what is left is an event of another shape than Anthropic promises.
  return new ModelFailure('garbage', 'an event that cannot be read', { cause: error })
}
