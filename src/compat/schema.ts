import { z } from 'zod'
import { AppError, s } from '#core'

const MAX_TEXT = 1_000_000
const MAX_MESSAGES = 4000
const MAX_PARTS = 1000
const MAX_TOOLS = 256

// Made when first asked for, never at an isolate's start.
const late = <T>(make: () => T) => {
  let made: T | undefined
  return () => {
    made ??= make()
    return made
  }
}

const text = late(() => s.text(MAX_TEXT))
const name = late(() => z.string().regex(/^[\w-]{1,128}$/, 'must be 1 to 128 letters, digits, _ or -'))
const id = late(() => s.text(500, 1))
const json = late(() => z.record(z.string(), z.unknown()))
const model = late(() => s.text(200, 1))
const tokens = late(() => z.number().int().min(1).max(10_000_000).nullish())
const bool = late(() => z.boolean().nullish())
const sampling = late(() => ({
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
}))

/** A part of a message, of any protocol: what a kind of part needs is looked for where it is read. */
const Part = late(() => z.looseObject({ type: s.text(64, 1), text: text().nullish() }))
const content = late(() =>
  z.union([text(), z.array(Part()).max(MAX_PARTS)], { error: 'must be text or a list of parts' }),
)
const kind = late(() => z.looseObject({ type: s.text(64, 1) }))

const ChatTool = late(() =>
  z.looseObject({
    type: s.text(64, 1),
    function: z.looseObject({ name: name(), description: text().nullish(), parameters: json().nullish() }).optional(),
  }),
)
const ChatCall = late(() =>
  z.looseObject({ id: id(), function: z.looseObject({ name: name(), arguments: text() }).optional() }),
)
const ChatMessage = late(() =>
  z.looseObject({
    role: z.enum(['system', 'developer', 'user', 'assistant', 'tool']),
    content: content().nullish(),
    tool_calls: z.array(ChatCall()).max(MAX_PARTS).nullish(),
    tool_call_id: id().nullish(),
  }),
)
const Named = late(() => z.looseObject({ name: name() }))
const JsonSchemaFormat = late(() => z.looseObject({ name: name(), schema: json().optional() }))

/** `POST /v1/chat/completions`. Loose throughout: a newer client's fields are no error. */
export const ChatRequest = late(() =>
  z.looseObject({
    ...sampling(),
    model: model(),
    messages: z.array(ChatMessage()).min(1).max(MAX_MESSAGES),
    stream: bool(),
    stream_options: z.looseObject({ include_usage: bool() }).nullish(),
    tools: z.array(ChatTool()).max(MAX_TOOLS).nullish(),
    tool_choice: z
      .union([z.enum(['auto', 'none', 'required']), z.looseObject({ type: s.text(64), function: Named().optional() })])
      .nullish(),
    parallel_tool_calls: bool(),
    response_format: z.looseObject({ type: s.text(64), json_schema: JsonSchemaFormat().optional() }).nullish(),
    max_tokens: tokens(),
    max_completion_tokens: tokens(),
    stop: z.union([s.text(1000), z.array(s.text(1000)).max(16)]).nullish(),
    n: z.number().nullish(),
    logprobs: bool(),
    top_logprobs: z.number().nullish(),
    presence_penalty: z.number().nullish(),
    frequency_penalty: z.number().nullish(),
    logit_bias: json().nullish(),
    modalities: z.array(s.text(64)).max(10).nullish(),
    functions: z.array(z.unknown()).max(MAX_TOOLS).nullish(),
  }),
)
export type ChatRequest = z.infer<ReturnType<typeof ChatRequest>>

const ResponseItem = late(() =>
  z.looseObject({
    type: s.text(64).nullish(),
    role: z.enum(['system', 'developer', 'user', 'assistant']).nullish(),
    content: content().nullish(),
    call_id: id().nullish(),
    name: s.text(128).nullish(),
    arguments: text().nullish(),
    output: content().nullish(),
  }),
)

/** `POST /v1/responses`. */
export const ResponsesRequest = late(() =>
  z.looseObject({
    ...sampling(),
    model: model(),
    input: z.union([text(), z.array(ResponseItem()).min(1).max(MAX_MESSAGES)], {
      error: 'must be text or a list of items',
    }),
    instructions: text().nullish(),
    stream: bool(),
    tools: z
      .array(
        z.looseObject({
          type: s.text(64),
          name: s.text(128).nullish(),
          description: text().nullish(),
          parameters: json().nullish(),
        }),
      )
      .max(MAX_TOOLS)
      .nullish(),
    tool_choice: z
      .union([z.enum(['auto', 'none', 'required']), z.looseObject({ type: s.text(64), name: name().optional() })])
      .nullish(),
    parallel_tool_calls: bool(),
    text: z
      .looseObject({
        format: z.looseObject({ type: s.text(64), name: name().optional(), schema: json().optional() }).nullish(),
      })
      .nullish(),
    max_output_tokens: tokens(),
    metadata: json().nullish(),
    previous_response_id: s.text(500).nullish(),
    conversation: z.unknown().optional(),
    prompt: z.unknown().optional(),
    background: bool(),
    top_logprobs: z.number().nullish(),
  }),
)
export type ResponsesRequest = z.infer<ReturnType<typeof ResponsesRequest>>

const Block = late(() =>
  z.looseObject({
    type: s.text(64, 1),
    text: text().nullish(),
    id: id().nullish(),
    name: s.text(128).nullish(),
    input: json().nullish(),
    tool_use_id: id().nullish(),
    content: content().nullish(),
    is_error: bool(),
  }),
)
const Blocks = late(() =>
  z.union([text(), z.array(Block()).max(MAX_PARTS)], { error: 'must be text or a list of blocks' }),
)
const counted = late(() => ({
  model: model(),
  system: content().nullish(),
  messages: z
    .array(z.looseObject({ role: z.enum(['user', 'assistant']), content: Blocks() }))
    .min(1)
    .max(MAX_MESSAGES),
  tools: z
    .array(
      z.looseObject({
        type: s.text(64).nullish(),
        name: name(),
        description: text().nullish(),
        input_schema: json().optional(),
      }),
    )
    .max(MAX_TOOLS)
    .nullish(),
  tool_choice: z
    .looseObject({
      type: z.enum(['auto', 'any', 'tool', 'none']),
      name: name().optional(),
      disable_parallel_tool_use: bool(),
    })
    .nullish(),
}))

/** `POST /v1/messages/count_tokens`. */
export const CountRequest = late(() => z.looseObject(counted()))

/** `POST /v1/messages`. */
export const MessagesRequest = late(() =>
  z.looseObject({
    ...counted(),
    ...sampling(),
    max_tokens: z.number().int().min(1).max(10_000_000),
    stream: bool(),
    stop_sequences: z.array(s.text(1000)).max(64).nullish(),
    top_k: z.number().nullish(),
    output_config: z.looseObject({ format: kind().extend({ schema: json().optional() }).nullish() }).nullish(),
    mcp_servers: z.array(z.unknown()).max(MAX_TOOLS).nullish(),
    container: z.unknown().optional(),
  }),
)
export type MessagesRequest = z.infer<ReturnType<typeof MessagesRequest>>

/** `POST /v1/embeddings`. */
export const EmbeddingsRequest = late(() =>
  z.looseObject({
    model: model(),
    input: z.union([s.text(8000, 1), z.array(s.text(8000, 1)).min(1).max(2000)], {
      error: 'must be text or a list of texts',
    }),
    dimensions: z.number().int().min(1).max(1536).nullish(),
    encoding_format: z.enum(['float', 'base64']).nullish(),
  }),
)
export type EmbeddingsRequest = z.infer<ReturnType<typeof EmbeddingsRequest>>

/** The value as the schema has it; `invalid_request` with a pointer to each place where it does not fit. */
export function parse<T extends z.ZodType>(schema: T, value: unknown): z.output<T> {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const errors = parsed.error.issues.slice(0, 50).map(({ path, message }) => ({
    pointer: `/${path.map(String).join('/')}`.slice(0, 200),
    detail: message.slice(0, 500),
  }))
  throw new AppError(
    'invalid_request',
    errors
      .map(({ pointer, detail }) => `${placeOf(pointer)}: ${detail}`)
      .join('; ')
      .slice(0, 500),
    { errors },
  )
}

/** What cannot be honoured is refused, never left out in silence. */
export function refuse(pointer: string, detail: string): AppError {
  return new AppError('invalid_request', `${placeOf(pointer)}: ${detail}`, { errors: [{ pointer, detail }] })
}

/** `/messages/0/content` as these protocols write it: `messages[0].content`. */
export function placeOf(pointer: string): string {
  return pointer
    .slice(1)
    .split('/')
    .map((part, index) => (/^\d+$/.test(part) ? `[${part}]` : index === 0 ? part : `.${part}`))
    .join('')
}
