import type { ModelMessage, ToolCall, ToolChoice } from '#ai'
import { requireSession } from '#auth'
import type { UserCtx } from '#core'
import type { Asked, End, Said, Whole } from './ask.ts'
import type { Frame } from './openai-chat.ts'
import { formatOf, partsText, readOutput } from './read.ts'
import { type MessagesRequest, refuse } from './schema.ts'
import { errorIn } from './speak.ts'
import { sse, type Teller } from './stream.ts'

type Counted = Pick<MessagesRequest, 'model' | 'system' | 'messages' | 'tools' | 'tool_choice'>
type Part = ModelMessage['parts'][number]

// What a model thought is its vendor's own, and sealed.
const THOUGHTS = new Set(['thinking', 'redacted_thinking'])
const BYTES_PER_TOKEN = 3.5

/** What is asked, refusing what cannot be honoured. */
export function readMessagesRequest(body: MessagesRequest, at: string): Asked {
  if (typeof body.top_k === 'number') throw refuse('/top_k', 'not supported; leave it out')
  if (body.container) throw refuse('/container', 'not supported')
  if (body.mcp_servers && body.mcp_servers.length > 0) throw refuse('/mcp_servers', 'not supported here')
  const { temperature, top_p: topP, stop_sequences: stopSequences } = body
  const shape = body.output_config?.format
  const format = formatOf(shape?.type, shape ?? undefined, '/output_config/format')
  const toolChoice = readChoice(body)
  return {
    model: body.model,
    ...readConversation(body, at),
    maxOutputTokens: body.max_tokens,
    isParallel: body.tool_choice?.disable_parallel_tool_use !== true,
    ...(toolChoice && { toolChoice }),
    ...(format && { format }),
    ...(typeof temperature === 'number' && { temperature }),
    ...(typeof topP === 'number' && { topP }),
    ...(stopSequences && stopSequences.length > 0 && { stopSequences }),
  }
}

function readChoice({ tool_choice: choice, tools }: Counted): ToolChoice | undefined {
  if (!choice) return undefined
  if (choice.type === 'any') return 'required'
  if (choice.type !== 'tool') return choice.type
  const tool = tools?.find(({ name }) => name === choice.name)
  if (!tool) throw refuse('/tool_choice/name', 'must name one of the tools')
  return { name: tool.name }
}

function readConversation(body: Counted, at: string): Pick<Asked, 'system' | 'messages' | 'tools'> {
  const names = new Map<string, string>()
  const tools = (body.tools ?? []).map(({ type, name, description, input_schema: schema }, index) => {
    if ((type && type !== 'custom') || !schema)
      throw refuse(`/tools/${index}`, `${type ?? name}: only tools with an input_schema, that you run, are taken`)
    return { name, description: description ?? '', inputSchema: schema }
  })
  const messages = body.messages.map(({ role, content }, index): ModelMessage => {
    const blocks = typeof content === 'string' ? [{ type: 'text', text: content }] : content
    const place = `/messages/${index}/content`
    const parts = blocks.flatMap((block, number) => readBlock(block, `${place}/${number}`, names) ?? [])
    // Narrowed by the role that each kind of part belongs to.
    if (role === 'user') {
      const said = parts.filter((part) => part.type !== 'tool_call')
      if (said.length < parts.length) throw refuse(place, 'a user calls no tools')
      // Results come first: a model refuses them behind other words.
      return { role, at, parts: said.sort((a, b) => Number(a.type === 'text') - Number(b.type === 'text')) }
    }
    const said = parts.filter((part) => part.type !== 'tool_result')
    if (said.length < parts.length) throw refuse(place, 'an assistant gives no results of tools')
    return { role, parts: said }
  })
  return { system: partsText(body.system, '/system'), messages, tools }
}

type Block = Exclude<MessagesRequest['messages'][number]['content'], string>[number]

function readBlock(block: Block, place: string, names: Map<string, string>): Part | undefined {
  const { type, id, name, tool_use_id: callId } = block
  if (THOUGHTS.has(type)) return undefined
  if (type === 'tool_use') {
    if (!id || !name) throw refuse(place, 'a tool_use needs its id and name')
    names.set(id, name)
    return { type: 'tool_call', id, name, input: block.input ?? {} }
  }
  if (type === 'tool_result') {
    const called = names.get(callId ?? '')
    if (!callId || called === undefined) throw refuse(`${place}/tool_use_id`, 'names no tool_use made before')
    const output = readOutput(partsText(block.content, `${place}/content`))
    return { type: 'tool_result', callId, name: called, output, isError: block.is_error === true }
  }
  return { type: 'text', text: partsText([block], place) }
}

/** What it would be as input, estimated from its length and rather too much than too little. One trip, for the session. */
export async function countTokens(ctx: Pick<UserCtx, 'db' | 'actor' | 'now'>, body: Counted): Promise<object> {
  const { system, messages, tools } = readConversation(body, ctx.now().toISOString())
  await requireSession(ctx)
  const bytes = new TextEncoder().encode(JSON.stringify([system, messages.map(({ parts }) => parts), tools])).length
  return { input_tokens: Math.ceil(bytes / BYTES_PER_TOKEN) }
}

const STOPS = {
  done: 'end_turn',
  tools: 'tool_use',
  length: 'max_tokens',
  refused: 'refusal',
  aborted: 'end_turn',
} as const

function usageOf(end: End | undefined) {
  const receipt = end?.receipt
  return {
    input_tokens: receipt?.inputTokens ?? 0,
    cache_creation_input_tokens: receipt?.cacheWriteTokens ?? 0,
    cache_read_input_tokens: receipt?.cacheReadTokens ?? 0,
    output_tokens: receipt?.outputTokens ?? 0,
    ...(receipt && { cost_micros: receipt.costMicros }),
  }
}

const toolUse = ({ id, name }: ToolCall, input: unknown) => ({ type: 'tool_use', id, name, input })

function toObject({ id, model }: Frame, content: object[], end?: End): object {
  return {
    id: `msg_${id}`,
    type: 'message',
    role: 'assistant',
    model,
    content,
    stop_reason: end ? STOPS[end.stop] : null,
    stop_sequence: null,
    usage: usageOf(end),
  }
}

/** `message`. */
export function toMessage(frame: Frame, { text, calls, end }: Whole): object {
  const said = text === '' ? [] : [{ type: 'text', text, citations: null }]
  return toObject(frame, [...said, ...calls.map((call) => toolUse(call, call.input))], end)
}

/** A message as its events: one block after the other. What it took is known, and told, at its end. */
export function messageTeller(frame: Frame): Teller {
  let index = 0
  let isInText = false
  const event = (type: string, data: object = {}) => sse({ type, ...data }, type)
  const begin = (block: object) => event('content_block_start', { index, content_block: block })
  const delta = (data: object) => event('content_block_delta', { index, delta: data })
  const stop = () => event('content_block_stop', { index: index++ })
  const closeText = () => {
    const told = isInText ? stop() : ''
    isInText = false
    return told
  }
  return {
    open: () => event('message_start', { message: toObject(frame, []) }) + event('ping'),
    tell(said: Said) {
      if (said.type === 'text') {
        const opened = isInText ? '' : begin({ type: 'text', text: '', citations: null })
        isInText = true
        return opened + delta({ type: 'text_delta', text: said.text })
      }
      if (said.type === 'tool_call') {
        // In this order: each bears the number of its block.
        const opened = closeText() + begin(toolUse(said.call, {}))
        return opened + delta({ type: 'input_json_delta', partial_json: JSON.stringify(said.call.input) }) + stop()
      }
      if (said.type === 'working') return event('ping')
      const ended = { stop_reason: STOPS[said.stop], stop_sequence: null }
      return closeText() + event('message_delta', { delta: ended, usage: usageOf(said) }) + event('message_stop')
    },
    fail: (problem) => sse(errorIn('anthropic', problem, frame.path), 'error'),
  }
}
