/** What crosses between the gateway and a model provider. One shape for every vendor. */
export type TextPart = { type: 'text'; text: string }
export type ToolCall = { type: 'tool_call'; id: string; name: string; input: unknown }
export type ToolResult = { type: 'tool_result'; callId: string; name: string; output: unknown; isError: boolean }

/** `at` is when the person said it (RFC 3339, UTC); a model reads "tomorrow" against it. */
export type ModelMessage =
  | { role: 'user'; at: string; parts: (TextPart | ToolResult)[] }
  | { role: 'assistant'; parts: (TextPart | ToolCall)[] }

/** `inputSchema` is JSON Schema 2020-12, made from the verb's own zod schema. */
export type ModelTool = { name: string; description: string; inputSchema: Record<string, unknown> }

/** What the prompt says of the person, structured: a rule-based provider reads it as data. */
export type PersonFacts = {
  now: string
  timeZone: string
  locale: string
  displayName: string
  projects: { id: string; name: string }[]
  memories: { id: string; text: string }[]
}

export type ToolChoice = 'auto' | 'none' | 'required' | { name: string }

/** How much a model may think before it answers: what it thinks counts against the limit of its output. */
export type Effort = 'low' | 'medium' | 'high'

/** `json`: an object of any shape, or one of this JSON Schema. */
export type Format = 'text' | 'json' | { name: string; schema: Record<string, unknown> }

/** `system` is split so that the part before `volatileSystem` can be cached by the provider. */
export type ModelRequest = {
  system: string
  volatileSystem: string
  messages: ModelMessage[]
  tools: ModelTool[]
  /** Tools the history may speak of and that may not be called now. */
  closedTools?: ModelTool[]
  maxOutputTokens: number
  /** Absent where a client brings its own prompt and the assistant is not asked. */
  person?: PersonFacts
  toolChoice?: ToolChoice
  format?: Format
  /** Absent: as much as the model does by itself. */
  effort?: Effort
  temperature?: number
  topP?: number
  stopSequences?: string[]
}

/** Tokens as the provider counts them, each in one place only: `inputTokens` leaves out what the cache took or kept. */
export type Usage = {
  inputTokens: number
  outputTokens: number
  cacheReadTokens: number
  /** Written to a cache that lives five minutes. */
  cacheWriteTokens: number
  /** Written to a cache that lives an hour. */
  cacheWrite1hTokens: number
}

export const NO_USAGE: Usage = {
  inputTokens: 0,
  outputTokens: 0,
  cacheReadTokens: 0,
  cacheWriteTokens: 0,
  cacheWrite1hTokens: 0,
}

export type Stop = 'done' | 'tools' | 'length' | 'refused' | 'aborted'

/**
 * A text event is a delta; a tool_call event is whole, and one with a `problem` must not be carried out. `end` comes
 * exactly once, last; with `aborted` it is what is known of the usage before the stream throws. `isFinal` is false
 * where the provider did not say its last word on the usage: what was spent may be more.
 */
export type ModelEvent =
  | { type: 'text'; text: string }
  | { type: 'tool_call'; call: ToolCall; problem?: string }
  | { type: 'end'; stop: Stop; model: string; usage: Usage; isFinal: boolean }

export type ProviderName = 'anthropic' | 'openai-compatible' | 'workers-ai' | 'offline'

/** A sign of life: the headers of the answer came (`open`), or a piece of it, though it may not be an event yet. */
export type Heard = (what: 'open' | 'piece') => void

/** How one call of a batch went. `unpaid`: it was not answered, and is not billed. */
export type BatchResult = { id: string } & (
  | { type: 'said'; text: string; calls: ToolCall[]; stop: Stop; model: string; usage: Usage; isFinal: boolean }
  | { type: 'unpaid'; reason: string; mayRetry: boolean }
)

/** Calls that may wait. Each of these throws a `ModelFailure`, or what the signal was aborted with. */
export type ModelBatches = {
  /** Answers the batch's id; each call keeps its own. */
  send(calls: { id: string; model: string; request: ModelRequest }[], signal: AbortSignal): Promise<string>
  /** In any order; undefined while it runs. */
  read(batchId: string, signal: AbortSignal): Promise<AsyncIterable<BatchResult> | undefined>
  /** Those made since then, whoever made them. */
  list(since: Date, signal: AbortSignal): Promise<{ id: string; createdAt: Date; isEnded: boolean }[]>
}

/** Throws a `ModelFailure`, or what the signal was aborted with; nothing else. Retries are the gateway's. */
export type ModelProvider = {
  name: ProviderName
  generate(model: string, request: ModelRequest, signal: AbortSignal, heard?: Heard): AsyncIterable<ModelEvent>
  /** Where it has a price for work that waits. */
  batches?: ModelBatches
}
