import type { ModelMessage, ToolChoice } from '#ai'
import type { Asked, End, Said, Whole } from './ask.ts'
import { formatOf, openaiTools, partsText, readArguments, readOutput } from './read.ts'
import { type ChatRequest, refuse } from './schema.ts'
import { errorIn } from './speak.ts'
import { sse, type Teller } from './stream.ts'

/** What every piece of one answer bears. */
export type Frame = { id: string; model: string; createdS: number; path: string }

const MAX_CHOICES = 1

/** What is asked, refusing what cannot be honoured. */
export function readChat(body: ChatRequest, at: string): Asked {
  if ((body.n ?? 1) > MAX_CHOICES) throw refuse('/n', 'only one choice is given')
  if (body.logprobs || body.top_logprobs) throw refuse('/logprobs', 'log probabilities are not given')
  if (body.modalities?.some((name) => name !== 'text')) throw refuse('/modalities', 'only text is given')
  if (body.functions) throw refuse('/functions', 'not supported; send tools')
  if (body.presence_penalty) throw refuse('/presence_penalty', 'not supported; leave it out')
  if (body.frequency_penalty) throw refuse('/frequency_penalty', 'not supported; leave it out')
  if (body.logit_bias && Object.keys(body.logit_bias).length > 0) throw refuse('/logit_bias', 'not supported')
  const { temperature, top_p: topP, stop } = body
  const tools = (body.tools ?? []).map((tool, index) => {
    if (tool.type !== 'function' || !tool.function) throw refuse(`/tools/${index}`, 'only tools of type function')
    return tool.function
  })
  const toolChoice = readChoice(body.tool_choice, tools)
  const format = formatOf(body.response_format?.type, body.response_format?.json_schema, '/response_format')
  const maxOutputTokens = body.max_completion_tokens ?? body.max_tokens
  return {
    model: body.model,
    ...readMessages(body.messages, at),
    tools: openaiTools(tools),
    maxOutputTokens: maxOutputTokens ?? undefined,
    isParallel: body.parallel_tool_calls !== false,
    ...(toolChoice && { toolChoice }),
    ...(format && { format }),
    ...(typeof temperature === 'number' && { temperature }),
    ...(typeof topP === 'number' && { topP }),
    ...(stop && { stopSequences: typeof stop === 'string' ? [stop] : stop }),
  }
}

function readChoice(choice: ChatRequest['tool_choice'], tools: { name: string }[]): ToolChoice | undefined {
  if (typeof choice !== 'object' || choice === null) return choice ?? undefined
  const name = choice.type === 'function' ? choice.function?.name : undefined
  if (!tools.some((tool) => tool.name === name)) throw refuse('/tool_choice', 'must name a function among the tools')
  return name === undefined ? undefined : { name }
}

function readMessages(given: ChatRequest['messages'], at: string) {
  const system: string[] = []
  const messages: ModelMessage[] = []
  const names = new Map<string, string>()
  for (const [index, { role, content, tool_calls: calls, tool_call_id: callId }] of given.entries()) {
    const place = `/messages/${index}`
    const text = partsText(content, `${place}/content`)
    if (role === 'system' || role === 'developer') system.push(text)
    else if (role === 'user') messages.push({ role, at, parts: [{ type: 'text', text }] })
    else if (role === 'assistant') {
      const made = (calls ?? []).map((call, number) => {
        if (!call.function) throw refuse(`${place}/tool_calls/${number}`, 'only calls of functions')
        names.set(call.id, call.function.name)
        const input = readArguments(call.function.arguments)
        return { type: 'tool_call' as const, id: call.id, name: call.function.name, input }
      })
      messages.push({ role, parts: [{ type: 'text', text }, ...made] })
    } else {
      const name = names.get(callId ?? '')
      if (!callId || name === undefined) throw refuse(`${place}/tool_call_id`, 'names no call made before')
      const output = readOutput(text)
      messages.push({ role: 'user', at, parts: [{ type: 'tool_result', callId, name, output, isError: false }] })
    }
  }
  return { system: system.join('\n\n'), messages }
}

const FINISH = {
  done: 'stop',
  tools: 'tool_calls',
  length: 'length',
  refused: 'content_filter',
  aborted: 'stop',
} as const

function usageOf({ receipt }: End) {
  const { inputTokens, outputTokens, cacheReadTokens, cacheWriteTokens, costMicros } = receipt
  const prompt = inputTokens + cacheReadTokens + cacheWriteTokens
  return {
    prompt_tokens: prompt,
    completion_tokens: outputTokens,
    total_tokens: prompt + outputTokens,
    prompt_tokens_details: { cached_tokens: cacheReadTokens, audio_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: 0, audio_tokens: 0 },
    cost_micros: costMicros,
  }
}

const toCall = (call: { id: string; name: string; input: unknown }) => ({
  id: call.id,
  type: 'function',
  function: { name: call.name, arguments: JSON.stringify(call.input) },
})

/** `chat.completion`. */
export function toCompletion({ id, model, createdS }: Frame, { text, calls, end }: Whole): object {
  const message = {
    role: 'assistant',
    content: text === '' ? null : text,
    refusal: null,
    annotations: [],
    ...(calls.length > 0 && { tool_calls: calls.map(toCall) }),
  }
  return {
    id: `chatcmpl-${id}`,
    object: 'chat.completion',
    created: createdS,
    model,
    choices: [{ index: 0, message, logprobs: null, finish_reason: FINISH[end.stop] }],
    usage: usageOf(end),
    service_tier: 'default',
    system_fingerprint: null,
  }
}

/** `chat.completion.chunk`, and `[DONE]`. */
export function chatTeller({ id, model, createdS, path }: Frame, wantsUsage: boolean): Teller {
  const base = { id: `chatcmpl-${id}`, object: 'chat.completion.chunk', created: createdS, model }
  const chunk = (delta: object, finish: string | null = null) =>
    sse({
      ...base,
      service_tier: 'default',
      system_fingerprint: null,
      choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
      ...(wantsUsage && { usage: null }),
    })
  let calls = 0
  const end = (said: End) => {
    const usage = wantsUsage ? sse({ ...base, choices: [], usage: usageOf(said) }) : ''
    return `${chunk({}, FINISH[said.stop])}${usage}data: [DONE]\n\n`
  }
  return {
    open: () => chunk({ role: 'assistant', content: '', refusal: null }),
    tell(said: Said) {
      if (said.type === 'text') return chunk({ content: said.text })
      if (said.type === 'tool_call') return chunk({ tool_calls: [{ index: calls++, ...toCall(said.call) }] })
      if (said.type === 'working') return `: ${said.tool}\n\n`
      return end(said)
    },
    fail: (problem) => sse(errorIn('openai', problem, path)),
  }
}
