import { z } from 'zod'
import { s } from '#core'
import { ModelFailure } from './failure.ts'
import type { Heard, ModelEvent, ModelMessage, ModelRequest, Stop, ToolChoice } from './model.ts'
import { factsOf, JSON_ALONE, type Known, newestQuestion, startKnown, toCall, withEnd } from './reading.ts'

const chunkSchema = s.later(() => {
  const ToolDelta = z.object({
    index: z.number().nullish(),
    id: z.string().nullish(),
    function: z.object({ name: z.string().nullish(), arguments: z.unknown().optional() }).nullish(),
    // As the older models of Workers AI say it: whole, without an id.
    name: z.string().nullish(),
    arguments: z.unknown().optional(),
  })
  const Said = z.object({
    content: z.string().nullish(),
    refusal: z.string().nullish(),
    reasoning: z.string().nullish(),
    reasoning_content: z.string().nullish(),
    tool_calls: z.array(ToolDelta).nullish(),
  })
  const count = z.number().int().min(0)
  return z.object({
    model: z.string().nullish(),
    choices: z
      .array(z.object({ delta: Said.nullish(), message: Said.nullish(), finish_reason: z.string().nullish() }))
      .nullish(),
    usage: z
      .object({
        prompt_tokens: count.nullish(),
        completion_tokens: count.nullish(),
        prompt_tokens_details: z.object({ cached_tokens: count.nullish() }).nullish(),
      })
      .nullish(),
    error: z.unknown().optional(),
    // Workers AI: a number where the token was one, an object where JSON was asked for.
    response: z.union([z.string(), z.number(), z.record(z.string(), z.unknown())]).nullish(),
    tool_calls: z.array(ToolDelta).nullish(),
  })
})
type Chunk = z.infer<ReturnType<typeof chunkSchema>>
type ToolDelta = NonNullable<Chunk['tool_calls']>[number]

/** The request in the words of the Chat Completions protocol, without what names the model and asks for a stream. */
export function toCompletion(request: ModelRequest) {
  const { tools, toolChoice, format, temperature, topP, stopSequences } = request
  return {
    messages: toMessages(request),
    // The calls in the history need no tools here: closed ones are not named.
    ...(tools.length > 0 && {
      tools: tools.map(({ name, description, inputSchema }) => ({
        type: 'function' as const,
        function: { name, description, parameters: inputSchema },
      })),
      ...(toolChoice && { tool_choice: toChoice(toolChoice) }),
    }),
    ...(format && format !== 'text' && { response_format: toFormat(format) }),
    ...(temperature !== undefined && { temperature }),
    ...(topP !== undefined && { top_p: topP }),
    ...(stopSequences && stopSequences.length > 0 && { stop: stopSequences }),
  }
}

const toChoice = (choice: ToolChoice) =>
  typeof choice === 'string' ? choice : { type: 'function' as const, function: { name: choice.name } }

function toFormat(format: 'json' | { name: string; schema: Record<string, unknown> }) {
  if (format === 'json') return { type: 'json_object' as const }
  const { name, schema } = format
  // A strict schema must say that nothing else is in the object.
  return {
    type: 'json_schema' as const,
    json_schema: { name, schema, ...(schema['additionalProperties'] === false && { strict: true }) },
  }
}

type Message = ReturnType<typeof fromAssistant> | ReturnType<typeof fromUser>[number]

function toMessages({ system, volatileSystem, messages, format }: ModelRequest) {
  const newest = newestQuestion(messages)
  const facts = [volatileSystem, format === 'json' ? JSON_ALONE : ''].filter(Boolean).join('\n')
  const told = messages.flatMap((message, index): Message[] =>
    message.role === 'assistant' ? [fromAssistant(message)] : fromUser(message, index === newest ? facts : ''),
  )
  return system === '' ? told : [{ role: 'system' as const, content: system }, ...told]
}

const textOf = (message: ModelMessage) =>
  message.parts.flatMap((part) => (part.type === 'text' ? part.text : [])).join('\n\n')

function fromAssistant(message: ModelMessage) {
  const calls = message.parts.flatMap((part) => (part.type === 'tool_call' ? part : []))
  return {
    role: 'assistant' as const,
    content: textOf(message),
    ...(calls.length > 0 && {
      tool_calls: calls.map(({ id, name, input }) => ({
        id,
        type: 'function' as const,
        function: { name, arguments: JSON.stringify(input) ?? '{}' },
      })),
    }),
  }
}

function fromUser(message: ModelMessage, facts: string) {
  const results = message.parts.flatMap((part) => (part.type === 'tool_result' ? part : []))
  const text = [...(facts === '' ? [] : [factsOf(facts)]), textOf(message)].filter(Boolean).join('\n\n')
  return [
    ...results.map(({ callId, output, isError }) => ({
      role: 'tool' as const,
      tool_call_id: callId,
      content: `${isError ? 'Error: ' : ''}${JSON.stringify(output) ?? 'null'}`,
    })),
    ...(text === '' ? [] : [{ role: 'user' as const, content: text }]),
  ]
}

const DONE = '[DONE]'

/** One event's data as a value; the last word of the stream stays what it is. */
export function toValue(data: string): unknown {
  if (data.trim() === DONE) return DONE
  try {
    return JSON.parse(data)
  } catch {
    throw new ModelFailure('garbage', 'an event that is not JSON')
  }
}

type Asked = { model: string; maxOutputTokens: number }
type Pending = { index: number | undefined; id: string | undefined; name: string; json: string }
type Answer = Known & { calls: Pending[]; hasRefused: boolean }

/** What the chunks of a completion say, or one whole completion; in the shape of OpenAI or of Workers AI. */
export function readCompletion(chunks: AsyncIterable<unknown>, asked: Asked, heard?: Heard): AsyncIterable<ModelEvent> {
  const answer: Answer = { ...startKnown(asked.model), calls: [], hasRefused: false }
  return withEnd(answer, readChunks(chunks, answer, asked, heard))
}

async function* readChunks(chunks: AsyncIterable<unknown>, answer: Answer, asked: Asked, heard: Heard | undefined) {
  try {
    for await (const value of chunks) {
      // What follows is read and dropped: only a body read to its end gives its connection back.
      if (value === DONE) answer.stop ??= unsaidStop(answer, asked)
      else {
        const { text, isPiece } = takeChunk(answer, value)
        if (isPiece) heard?.('piece')
        if (text !== '') yield { type: 'text' as const, text }
      }
    }
  } catch (error) {
    // Whatever breaks after the answer said that it is whole.
    if (!answer.stop) throw error
  }
  if (!answer.stop) return
  if (answer.hasRefused) answer.stop = 'refused'
  // Some servers say "stop" after a call.
  if (answer.stop === 'done' && answer.calls.length > 0) answer.stop = 'tools'
  for (const [index, { id, name, json }] of answer.calls.entries()) {
    const isCut = answer.stop === 'length' && index === answer.calls.length - 1
    yield toCall({ id: id ?? `call_${crypto.randomUUID()}`, name, json }, isCut)
  }
}

// Workers AI's own shape says no reason: that the limit was reached is seen by the count.
const unsaidStop = ({ usage }: Answer, { maxOutputTokens }: Asked): Stop =>
  usage.outputTokens >= maxOutputTokens ? 'length' : 'done'

function takeChunk(answer: Answer, value: unknown): { text: string; isPiece: boolean } {
  const parsed = chunkSchema().safeParse(value)
  if (!parsed.success) throw new ModelFailure('garbage', 'an answer of an unknown shape')
  const chunk = parsed.data
  if (chunk.error) throw errorIn(chunk.error)
  if (chunk.model) answer.model = chunk.model
  takeUsage(answer, chunk.usage)
  const choice = chunk.choices?.[0]
  const said = choice?.delta ?? choice?.message
  const calls = said?.tool_calls ?? chunk.tool_calls ?? []
  for (const call of calls) takeCall(answer.calls, call)
  const own = typeof chunk.response === 'object' ? chunk.response && JSON.stringify(chunk.response) : chunk.response
  const text = `${said?.content ?? ''}${said?.refusal ?? ''}${own ?? ''}`
  if (choice?.finish_reason) answer.stop = STOPS[choice.finish_reason] ?? 'done'
  answer.hasRefused ||= Boolean(said?.refusal)
  const thought = said?.reasoning_content ?? said?.reasoning ?? ''
  return { text, isPiece: text !== '' || thought !== '' || calls.length > 0 }
}

const STOPS: Record<string, Stop> = {
  stop: 'done',
  length: 'length',
  tool_calls: 'tools',
  function_call: 'tools',
  content_filter: 'refused',
}

function takeUsage(answer: Answer, usage: Chunk['usage']): void {
  if (!usage || (usage.prompt_tokens == null && usage.completion_tokens == null)) return
  const cached = Math.min(usage.prompt_tokens_details?.cached_tokens ?? 0, usage.prompt_tokens ?? 0)
  answer.usage.inputTokens = (usage.prompt_tokens ?? 0) - cached
  answer.usage.cacheReadTokens = cached
  answer.usage.outputTokens = usage.completion_tokens ?? 0
  answer.isFinal = true
}

// Servers differ: an id only at the beginning, in each piece or never; the same index for each call, or none at all.
function takeCall(calls: Pending[], delta: ToolDelta): void {
  const index = delta.index ?? undefined
  const id = delta.id || undefined
  const name = delta.function?.name || delta.name || ''
  const input = delta.function?.arguments ?? delta.arguments ?? ''
  const json = typeof input === 'string' ? input : JSON.stringify(input)
  const isSame = (call: Pending) =>
    index === undefined && id === undefined
      ? name === ''
      : (index === undefined || call.index === index) && (id === undefined || (call.id ?? id) === id)
  const known = calls.findLast(isSame)
  if (known) {
    known.id ??= id
    known.name ||= name
    known.json += json
  } else if (name !== '' || id !== undefined) calls.push({ index, id, name, json })
}

const Told = z.object({
  type: z.string().nullish(),
  code: z.union([z.string(), z.number()]).nullish(),
})

function errorIn(error: unknown): ModelFailure {
  const { type, code } = Told.safeParse(error).data ?? {}
  const said = `${type ?? ''} ${code ?? ''}`.trim()
  if (/rate_limit|\b429\b/.test(said)) return new ModelFailure('rate_limited', `an error in the stream: ${said}`)
  if (/overloaded|\b(?:503|529)\b/.test(said)) return new ModelFailure('overloaded', `an error in the stream: ${said}`)
  if (/invalid_request|context_length|\b400\b/.test(said))
    return new ModelFailure('rejected', `an error in the stream: ${said}`)
  return new ModelFailure('server_error', `an error in the stream: ${said}`)
}

/** The provider's own word for an error: its type and code, which never hold what a person said. */
export function errorWord(body: string): string {
  try {
    const { error }: { error?: unknown } = Object(JSON.parse(body))
    const { type, code } = Told.safeParse(error).data ?? {}
    return `${type ?? ''} ${code ?? ''}`.trim().slice(0, 100)
  } catch {
    return ''
  }
}
