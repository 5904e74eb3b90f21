import { expect, test } from 'vitest'
import { toProblem } from '#core'
import { readMessagesRequest } from './anthropic-messages.ts'
import { toEmbeddings } from './embeddings.ts'
import { readChat } from './openai-chat.ts'
import { readResponses } from './openai-responses.ts'
import { ChatRequest, MessagesRequest, parse, ResponsesRequest } from './schema.ts'
import { refusalIn, setHeadersIn, tokenHeadersIn } from './speak.ts'

const AT = '2026-11-22T09:00:00.000Z'
const chat = (body: object) =>
  readChat(parse(ChatRequest(), { model: 'm', messages: [{ role: 'user', content: 'hi' }], ...body }), AT)
const schema = { type: 'object', properties: { a: { type: 'string' } } }
const tool = { type: 'function', function: { name: 'look', description: 'Looks', parameters: schema } }

test('every setting of a chat reaches the model', () => {
  const settings = { temperature: 0.2, top_p: 0.9, stop: 'END', max_completion_tokens: 77, max_tokens: 5 }
  expect(
    chat({ ...settings, response_format: { type: 'json_schema', json_schema: { name: 'x', schema } } }),
  ).toMatchObject({
    temperature: 0.2,
    topP: 0.9,
    stopSequences: ['END'],
    maxOutputTokens: 77,
    format: { name: 'x', schema },
    isParallel: true,
  })
  expect(chat({ response_format: { type: 'json_object' }, max_tokens: 5, stop: ['a', 'b'] })).toMatchObject({
    format: 'json',
    maxOutputTokens: 5,
    stopSequences: ['a', 'b'],
  })
  const none = {
    temperature: null,
    top_p: null,
    stop: null,
    tools: null,
    tool_choice: null,
    response_format: { type: 'text' },
  }
  expect(chat(none)).toEqual({
    model: 'm',
    system: '',
    messages: [{ role: 'user', at: AT, parts: [{ type: 'text', text: 'hi' }] }],
    tools: [],
    maxOutputTokens: undefined,
    isParallel: true,
  })
})

test('tools and the choice among them are told alike by each protocol', () => {
  const tools = [{ name: 'look', description: 'Looks', inputSchema: schema }]
  const named = { type: 'function', function: { name: 'look' } }
  expect(chat({ tools: [tool], tool_choice: named, parallel_tool_calls: false })).toMatchObject({
    tools,
    toolChoice: { name: 'look' },
    isParallel: false,
  })
  expect(chat({ tools: [tool], tool_choice: 'required' })).toMatchObject({ toolChoice: 'required' })
  const response = parse(ResponsesRequest(), {
    model: 'm',
    input: 'hi',
    tools: [{ type: 'function', ...tool.function }],
    tool_choice: { type: 'function', name: 'look' },
  })
  expect(readResponses(response, AT)).toMatchObject({ tools, toolChoice: { name: 'look' } })
  const claude = {
    model: 'm',
    max_tokens: 9,
    messages: [{ role: 'user', content: 'hi' }],
    tools: [{ name: 'look', description: 'Looks', input_schema: schema }],
  }
  const choose = (choice: object) =>
    readMessagesRequest(parse(MessagesRequest(), { ...claude, tool_choice: choice }), AT).toolChoice
  expect([
    choose({ type: 'any' }),
    choose({ type: 'auto' }),
    choose({ type: 'none' }),
    choose({ type: 'tool', name: 'look' }),
  ]).toEqual(['required', 'auto', 'none', { name: 'look' }])
})

test('a history with tools is the same history in each protocol', () => {
  const call = { type: 'tool_call', id: 'c1', name: 'look', input: { a: 'b' } }
  const result = { type: 'tool_result', callId: 'c1', name: 'look', output: { seen: 1 }, isError: false }
  const expected = [
    { role: 'user', at: AT, parts: [{ type: 'text', text: 'hi' }] },
    { role: 'assistant', parts: expect.arrayContaining([call]) },
    { role: 'user', at: AT, parts: [result] },
  ]
  const made = { id: 'c1', type: 'function', function: { name: 'look', arguments: '{"a":"b"}' } }
  const said = { role: 'user', content: 'hi' }
  const given = chat({
    messages: [
      { role: 'developer', content: 'Be brief.' },
      said,
      { role: 'assistant', content: null, tool_calls: [made] },
      { role: 'tool', tool_call_id: 'c1', content: '{"seen":1}' },
    ],
  })
  expect(given).toMatchObject({ system: 'Be brief.', messages: expected })
  const items = [
    said,
    { type: 'function_call', call_id: 'c1', name: 'look', arguments: '{"a":"b"}' },
    { type: 'function_call_output', call_id: 'c1', output: '{"seen":1}' },
  ]
  const response = parse(ResponsesRequest(), { model: 'm', instructions: 'Be brief.', input: items })
  expect(readResponses(response, AT)).toMatchObject({ system: 'Be brief.', messages: expected })
  const used = {
    role: 'assistant',
    content: [
      { type: 'thinking', thinking: 'hm', signature: 'x' },
      { type: 'tool_use', id: 'c1', name: 'look', input: { a: 'b' } },
    ],
  }
  const answered = {
    role: 'user',
    content: [{ type: 'tool_result', tool_use_id: 'c1', content: [{ type: 'text', text: '{"seen":1}' }] }],
  }
  const message = parse(MessagesRequest(), {
    model: 'm',
    max_tokens: 9,
    system: 'Be brief.',
    messages: [said, used, answered],
  })
  expect(readMessagesRequest(message, AT)).toMatchObject({ system: 'Be brief.', messages: expected })
})

test('vectors are given as numbers or as bytes of floats', () => {
  const embedded = { vectors: [[0.5, -2]], model: 'm', inputTokens: 3, costMicros: 1 }
  expect(toEmbeddings(embedded, 'float')).toMatchObject({
    data: [{ embedding: [0.5, -2] }],
    usage: { prompt_tokens: 3, total_tokens: 3 },
  })
  const [one] = toEmbeddings(embedded, 'base64').data
  const bytes = Uint8Array.from(atob(String(one?.embedding)), (char) => char.charCodeAt(0))
  expect([...new Float32Array(bytes.buffer)]).toEqual([0.5, -2])
})

test('a refusal is said in the words of its path, and only there', () => {
  const problem = { ...toProblem(new Error('x'), 'req_1'), status: 503, code: 'unavailable' as const, detail: 'gone' }
  expect(refusalIn('/v1/me', problem, undefined)).toBeUndefined()
  expect(refusalIn('/compatible/openai', problem, undefined)).toBeUndefined()
  expect(refusalIn('/compat/openai/v1/models', problem, undefined)).toMatchObject({
    status: 503,
    body: { error: { message: 'gone', type: 'server_error', param: null, code: 'unavailable' } },
    headers: { 'X-Should-Retry': 'false' },
  })
  expect(refusalIn('/compat/anthropic/v1/models', problem, 2)?.headers).not.toHaveProperty('X-Should-Retry')
  const busy = { ...problem, code: 'model_overloaded' as const }
  expect(refusalIn('/compat/anthropic/v1/messages', busy, 10)).toMatchObject({
    status: 529,
    body: { type: 'error', error: { type: 'overloaded_error', message: 'gone' }, request_id: 'req_1' },
  })
})

test('what is left of the budget is told in tokens, as each protocol tells it; where they cost nothing, it is not', () => {
  const resetAtMs = Date.parse(AT) + 90_500
  const [input, output] = [
    { limit: 500, remaining: 100 },
    { limit: 50, remaining: 10 },
  ]
  const told = (protocol: 'openai' | 'anthropic') =>
    tokenHeadersIn(protocol, { input, output, any: output, resetAtMs }, new Date(AT))
  expect(told('openai')).toEqual({
    'x-ratelimit-limit-tokens': '50',
    'x-ratelimit-remaining-tokens': '10',
    'x-ratelimit-reset-tokens': '91s',
  })
  expect(told('anthropic')).toMatchObject({
    'anthropic-ratelimit-tokens-limit': '50',
    'anthropic-ratelimit-tokens-remaining': '10',
    'anthropic-ratelimit-input-tokens-remaining': '100',
    'anthropic-ratelimit-output-tokens-remaining': '10',
    'anthropic-ratelimit-tokens-reset': '2026-11-22T09:01:30Z',
  })
  expect(tokenHeadersIn('openai', undefined, new Date(AT))).toEqual({})
})

test('what is left of the limit is told as each protocol tells it', () => {
  const told = (path: string) => {
    const headers = new Headers({ 'x-ratelimit-limit': '40', 'x-ratelimit-remaining': '7', 'x-ratelimit-reset': '30' })
    setHeadersIn(path, headers, 'req_1', new Date(AT))
    return Object.fromEntries(headers)
  }
  expect(told('/compat/openai/v1/models')).toMatchObject({
    'x-ratelimit-limit-requests': '40',
    'x-ratelimit-remaining-requests': '7',
    'x-ratelimit-reset-requests': '30s',
  })
  expect(told('/compat/anthropic/v1/models')).toMatchObject({
    'request-id': 'req_1',
    'anthropic-ratelimit-requests-limit': '40',
    'anthropic-ratelimit-requests-remaining': '7',
    'anthropic-ratelimit-requests-reset': '2026-11-22T09:00:30Z',
  })
  expect(Object.keys(told('/v1/me'))).toHaveLength(3)
})
