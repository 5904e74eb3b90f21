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

/** `system` is split so that the part before `volatileSystem` can be cached by the provider. */
export type ModelRequest = {
  system: string
  volatileSystem: string
  messages: ModelMessage[]
  tools: ModelTool[]
  /** Tools the history may speak of and that may not be called now. */
  closedTools?: ModelTool[]
  maxOutputTokens: number
  person: PersonFacts
}

export type Usage = { inputTokens: number; outputTokens: number; cacheReadTokens: number; cacheWriteTokens: number }

/**
 * A text event is a delta; a tool_call event is whole, and one with a `problem` must not be carried out. `end` comes
 * exactly once, last; with `aborted` it is what is known of the usage before the stream throws.
 */
export type ModelEvent =
  | { type: 'text'; text: string }
  | { type: 'tool_call'; call: ToolCall; problem?: string }
  | { type: 'end'; stop: 'done' | 'tools' | 'length' | 'refused' | 'aborted'; model: string; usage: Usage }

export type ModelProvider = {
  name: string
  generate(request: ModelRequest, signal: AbortSignal): AsyncIterable<ModelEvent>
}
