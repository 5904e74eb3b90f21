import type { ModelMessage, ToolCall, ToolChoice } from '#ai'
import type { Asked, End, Said, Whole } from './ask.ts'
import type { Frame } from './openai-chat.ts'
import { formatOf, openaiTools, partsText, readArguments, readOutput } from './read.ts'
import { type ResponsesRequest, refuse } from './schema.ts'
import { errorIn } from './speak.ts'
import { sse, type Teller } from './stream.ts'

const MESSAGE_TYPES = new Set<unknown>(['message', undefined, null])

/** What is asked, refusing what cannot be honoured: nothing is kept here that an id could name. */
export function readResponses(body: ResponsesRequest, at: string): Asked {
  if (body.previous_response_id)
    throw refuse('/previous_response_id', 'responses are not kept here; send the conversation as input')
  if (body.conversation) throw refuse('/conversation', 'conversations are not kept here; send them as input')
  if (body.prompt) throw refuse('/prompt', 'prompts are not kept here; send instructions')
  if (body.background) throw refuse('/background', 'not supported; wait for the answer')
  if (body.top_logprobs) throw refuse('/top_logprobs', 'log probabilities are not given')
  const { temperature, top_p: topP, instructions } = body
  const tools = (body.tools ?? []).map(({ type, name, ...tool }, index) => {
    if (type !== 'function' || !name) throw refuse(`/tools/${index}`, `${type}: only tools of type function are run`)
    return { ...tool, name }
  })
  const toolChoice = readChoice(body.tool_choice, tools)
  const shape = body.text?.format
  const format = formatOf(shape?.type, shape ?? undefined, '/text/format')
  const { system, messages } = readInput(body.input, at)
  return {
    model: body.model,
    system: [instructions ?? '', ...system].filter(Boolean).join('\n\n'),
    messages,
    tools: openaiTools(tools),
    maxOutputTokens: body.max_output_tokens ?? undefined,
    isParallel: body.parallel_tool_calls !== false,
    ...(toolChoice && { toolChoice }),
    ...(format && { format }),
    ...(typeof temperature === 'number' && { temperature }),
    ...(typeof topP === 'number' && { topP }),
  }
}

function readChoice(choice: ResponsesRequest['tool_choice'], tools: { name: string }[]): ToolChoice | undefined {
  if (typeof choice !== 'object' || choice === null) return choice ?? undefined
  const name = choice.type === 'function' ? choice.name : undefined
  if (!tools.some((tool) => tool.name === name)) throw refuse('/tool_choice', 'must name a function among the tools')
  return name === undefined ? undefined : { name }
}

function readInput(input: ResponsesRequest['input'], at: string) {
  if (typeof input === 'string') {
    const messages: ModelMessage[] = [{ role: 'user', at, parts: [{ type: 'text', text: input }] }]
    return { system: [], messages }
  }
  const system: string[] = []
  const messages: ModelMessage[] = []
  const names = new Map<string, string>()
  for (const [index, { type, role, content, call_id: callId, name, ...item }] of input.entries()) {
    const place = `/input/${index}`
    if (type === 'function_call') {
      if (!callId || !name) throw refuse(place, 'a function_call needs its call_id and name')
      names.set(callId, name)
      const call: ToolCall = { type: 'tool_call', id: callId, name, input: readArguments(item.arguments ?? '') }
      messages.push({ role: 'assistant', parts: [call] })
    } else if (type === 'function_call_output') {
      const called = names.get(callId ?? '')
      if (!callId || called === undefined) throw refuse(`${place}/call_id`, 'names no call made before')
      const output = readOutput(partsText(item.output, `${place}/output`))
      messages.push({
        role: 'user',
        at,
        parts: [{ type: 'tool_result', callId, name: called, output, isError: false }],
      })
    } else if (MESSAGE_TYPES.has(type) && role) {
      const text = partsText(content, `${place}/content`)
      if (role === 'assistant') messages.push({ role, parts: [{ type: 'text', text }] })
      else if (role === 'user') messages.push({ role, at, parts: [{ type: 'text', text }] })
      else system.push(text)
    }
    // What a model thought is its vendor's own, and sealed.
    else if (type !== 'reasoning') throw refuse(`${place}/type`, `${type ?? 'an item without a role'} is not supported`)
  }
  return { system, messages }
}

function usageOf({ receipt }: End) {
  const { inputTokens, outputTokens, cacheReadTokens, cacheWriteTokens, costMicros } = receipt
  const input = inputTokens + cacheReadTokens + cacheWriteTokens
  return {
    input_tokens: input,
    input_tokens_details: { cached_tokens: cacheReadTokens, cache_write_tokens: cacheWriteTokens },
    output_tokens: outputTokens,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: input + outputTokens,
    cost_micros: costMicros,
  }
}

const textPart = (text: string) => ({ type: 'output_text', text, annotations: [], logprobs: [] })
const messageItem = (id: string, text: string | undefined, status: string) => ({
  type: 'message',
  id,
  role: 'assistant',
  status,
  content: text === undefined ? [] : [textPart(text)],
})
const callItem = (id: string, call: ToolCall, isDone: boolean) => ({
  type: 'function_call',
  id,
  call_id: call.id,
  name: call.name,
  arguments: isDone ? JSON.stringify(call.input) : '',
  status: isDone ? 'completed' : 'in_progress',
})

const INCOMPLETE: Partial<Record<End['stop'], string>> = { length: 'max_output_tokens', refused: 'content_filter' }

function toObject({ id, model, createdS }: Frame, body: ResponsesRequest, output: object[], end?: End) {
  const reason = end && INCOMPLETE[end.stop]
  return {
    id: `resp_${id}`,
    object: 'response',
    created_at: createdS,
    status: !end ? 'in_progress' : reason ? 'incomplete' : 'completed',
    background: false,
    error: null,
    incomplete_details: reason ? { reason } : null,
    instructions: body.instructions ?? null,
    max_output_tokens: body.max_output_tokens ?? null,
    metadata: body.metadata ?? {},
    model,
    output,
    parallel_tool_calls: body.parallel_tool_calls !== false,
    previous_response_id: null,
    store: false,
    temperature: body.temperature ?? null,
    text: { format: body.text?.format ?? { type: 'text' } },
    tool_choice: body.tool_choice ?? 'auto',
    tools: body.tools ?? [],
    top_p: body.top_p ?? null,
    truncation: 'disabled',
    usage: end ? usageOf(end) : null,
  }
}

/** `response`. */
export function toResponse(frame: Frame, body: ResponsesRequest, { text, calls, end }: Whole): object {
  const status = INCOMPLETE[end.stop] ? 'incomplete' : 'completed'
  const said = text === '' ? [] : [messageItem(`msg_${frame.id}_0`, text, status)]
  const made = calls.map((call, index) => callItem(`fc_${frame.id}_${said.length + index}`, call, true))
  return toObject(frame, body, [...said, ...made], end)
}

/** The events of a response, each with its number, an item begun and ended before the next. */
export function responseTeller(frame: Frame, body: ResponsesRequest): Teller {
  const output: object[] = []
  let number = 0
  let text: string | undefined
  const event = (type: string, data: object) => sse({ type, ...data, sequence_number: number++ }, type)
  const at = () => ({ output_index: output.length })
  const inText = () => ({ item_id: `msg_${frame.id}_${output.length}`, ...at(), content_index: 0 })

  function begin(): string {
    text = ''
    const item = messageItem(inText().item_id, undefined, 'in_progress')
    return (
      event('response.output_item.added', { ...at(), item }) +
      event('response.content_part.added', { ...inText(), part: textPart('') })
    )
  }

  function finish(status = 'completed'): string {
    if (text === undefined) return ''
    const item = messageItem(inText().item_id, text, status)
    const told =
      event('response.output_text.done', { ...inText(), text, logprobs: [] }) +
      event('response.content_part.done', { ...inText(), part: textPart(text) }) +
      event('response.output_item.done', { ...at(), item })
    output.push(item)
    text = undefined
    return told
  }

  function call(made: ToolCall): string {
    const id = `fc_${frame.id}_${output.length}`
    const input = JSON.stringify(made.input)
    const item = callItem(id, made, true)
    const told =
      event('response.output_item.added', { ...at(), item: callItem(id, made, false) }) +
      event('response.function_call_arguments.delta', { item_id: id, ...at(), delta: input }) +
      event('response.function_call_arguments.done', { item_id: id, ...at(), name: made.name, arguments: input }) +
      event('response.output_item.done', { ...at(), item })
    output.push(item)
    return told
  }

  function tell(said: Said): string {
    if (said.type === 'text') {
      const opened = text === undefined ? begin() : ''
      text += said.text
      return opened + event('response.output_text.delta', { ...inText(), delta: said.text, logprobs: [] })
    }
    if (said.type === 'tool_call') return finish() + call(said.call)
    if (said.type === 'working') return `: ${said.tool}\n\n`
    const name = INCOMPLETE[said.stop] ? 'incomplete' : 'completed'
    const last = finish(name)
    return last + event(`response.${name}`, { response: toObject(frame, body, output, said) })
  }

  return {
    open: () =>
      event('response.created', { response: toObject(frame, body, []) }) +
      event('response.in_progress', { response: toObject(frame, body, []) }),
    tell,
    fail(problem) {
      const error = Object.values(errorIn('openai', problem, frame.path))[0]
      return event('error', { ...error, type: 'error' })
    },
  }
}
