import { expect, test } from 'vitest'
import { startOpenAiFake } from '#test/openai-fake'
import type { ModelEvent, ModelRequest } from './model.ts'
import { openaiProvider } from './openai.ts'

const at = '2026-11-23T09:00:00.000Z'
const ask = (more: Partial<ModelRequest> = {}): ModelRequest => ({
  system: 'You are Aurelius.',
  volatileSystem: '',
  messages: [{ role: 'user', at, parts: [{ type: 'text', text: 'hello' }] }],
  tools: [],
  maxOutputTokens: 100,
  ...more,
})
const never = new AbortController().signal

/** What one answer of the wire is read as; `sent` is what was asked. */
async function read(answer: BodyInit, init: ResponseInit = {}, request = ask(), baseUrl = 'http://127.0.0.1:1') {
  const real = globalThis.fetch
  const sent: { url: string; body: unknown; key: string | null }[] = []
  globalThis.fetch = async (url, options) => {
    const key = new Headers(options?.headers).get('authorization')
    sent.push({ url: String(url), body: JSON.parse(String(options?.body)), key })
    return new Response(answer, { headers: { 'content-type': 'text/event-stream' }, ...init })
  }
  const events: ModelEvent[] = []
  let failure: unknown
  try {
    const provider = openaiProvider({ baseUrl, apiKey: undefined })
    for await (const event of provider.generate('m', request, never)) events.push(event)
  } catch (error) {
    failure = error
  } finally {
    globalThis.fetch = real
  }
  return { events, failure, sent: sent[0] }
}

const streamOf = (parts: Uint8Array[]) =>
  new ReadableStream<Uint8Array>({
    start(controller) {
      for (const part of parts) controller.enqueue(part)
      controller.close()
    },
  })
const sse = (...chunks: (object | string)[]) =>
  chunks.map((chunk) => `data: ${typeof chunk === 'string' ? chunk : JSON.stringify(chunk)}\n\n`).join('')
const say = (delta: object, finish_reason: string | null = null) => ({ choices: [{ index: 0, delta, finish_reason }] })
const USAGE = {
  choices: [],
  usage: { prompt_tokens: 40, completion_tokens: 9, prompt_tokens_details: { cached_tokens: 30 } },
}
const callsOf = (events: ModelEvent[]) =>
  events.flatMap((event) =>
    event.type === 'tool_call' ? [[event.call.name, event.call.input, event.problem ?? null]] : [],
  )

test('the same is read wherever the bytes are split, with comments and any end of line', async () => {
  const body = sse(
    say({ role: 'assistant', content: null }),
    say({ content: 'Gr\u00fc\u00dfe \u{1f642}' }),
    say({}, 'stop'),
    USAGE,
    '[DONE]',
  )
  const noisy = `: keep-alive\n\nevent: message\nid: 1\n${body.replace('\n\n', '\n\n: still here\n\n')}`
  const expected = [
    { type: 'text', text: 'Gr\u00fc\u00dfe \u{1f642}' },
    {
      type: 'end',
      stop: 'done',
      model: 'm',
      isFinal: true,
      usage: { inputTokens: 10, cacheReadTokens: 30, outputTokens: 9, cacheWriteTokens: 0, cacheWrite1hTokens: 0 },
    },
  ]
  for (const text of [noisy, noisy.replaceAll('\n', '\r\n')]) {
    const bytes = new TextEncoder().encode(text)
    for (let split = 0; split <= bytes.length; split++) {
      const parts = [bytes.slice(0, split), bytes.slice(split)]
      const { events, failure } = await read(streamOf(parts))
      if (failure) throw failure
      expect(events).toEqual(expected)
    }
  }
})

const whole = { name: 'create_task', arguments: '{"title":"milk"}' }
const halves = [{ arguments: '{"title":' }, { arguments: '"milk"}' }]
const READ = ['create_task', { title: 'milk' }, null]
test.each<[string, object[], unknown[]]>([
  [
    'with an id at the beginning',
    [{ index: 0, id: 'a', function: { name: 'create_task' } }, ...halves.map((f) => ({ index: 0, function: f }))],
    [READ],
  ],
  [
    'with an id in each piece',
    [
      { index: 0, id: 'a', function: { name: 'create_task' } },
      ...halves.map((f) => ({ index: 0, id: 'a', function: f })),
    ],
    [READ],
  ],
  [
    'without an id',
    [{ index: 0, function: { name: 'create_task' } }, ...halves.map((f) => ({ index: 0, function: f }))],
    [READ],
  ],
  [
    'whole, two of one index',
    [
      { index: 0, id: 'a', function: whole },
      { index: 0, id: 'b', function: whole },
    ],
    [READ, READ],
  ],
  ['whole, without index and id', [{ function: whole }, { function: whole }], [READ, READ]],
  [
    'in turns',
    [
      { index: 0, id: 'a', function: { name: 'create_task', arguments: '{"title":' } },
      { index: 1, id: 'b', function: whole },
      { index: 0, function: { arguments: '"milk"}' } },
    ],
    [READ, READ],
  ],
  ['as an object', [{ index: 0, id: 'a', function: { name: 'create_task', arguments: { title: 'milk' } } }], [READ]],
  [
    'that is no JSON',
    [{ index: 0, id: 'a', function: { name: 'create_task', arguments: '{"title' } }],
    [['create_task', {}, 'The input was not a JSON object']],
  ],
])('a call said %s is one call', async (_name, pieces, expected) => {
  const { events } = await read(
    sse(...pieces.map((piece) => say({ tool_calls: [piece] })), say({}, 'stop'), USAGE, '[DONE]'),
  )
  expect(callsOf(events)).toEqual(expected)
  const ids = events.flatMap((event) => (event.type === 'tool_call' ? event.call.id : []))
  expect(new Set(ids).size).toBe(expected.length)
  expect(ids).not.toContain('')
  expect(events.at(-1)).toMatchObject({ stop: 'tools' })
})

test('a call in which the answer was cut off is not to be carried out', async () => {
  const call = { index: 0, id: 'a', function: whole }
  const { events } = await read(sse(say({ tool_calls: [call] }), say({}, 'length'), USAGE, '[DONE]'))
  expect(callsOf(events)).toMatchObject([['create_task', {}, expect.stringContaining('cut off')]])
})

test('an answer that is not streamed is read all the same', async () => {
  const message = { role: 'assistant', content: 'Hello.', tool_calls: [{ id: 'a', type: 'function', function: whole }] }
  const answer = { model: 'served', choices: [{ index: 0, message, finish_reason: 'tool_calls' }], usage: USAGE.usage }
  const { events } = await read(JSON.stringify(answer), { headers: { 'content-type': 'application/json' } })
  expect(events).toMatchObject([
    { type: 'text', text: 'Hello.' },
    { type: 'tool_call', call: { id: 'a', input: { title: 'milk' } } },
    { type: 'end', stop: 'tools', model: 'served', isFinal: true },
  ])
})

test('without a word on the usage the end is not final', async () => {
  const { events } = await read(sse(say({ content: 'Hi' }), say({}, 'stop'), '[DONE]'))
  expect(events.at(-1)).toMatchObject({ type: 'end', stop: 'done', isFinal: false })
})

test.each([
  [say({ refusal: 'I cannot help with that.' }), 'stop'],
  [say({ content: 'I' }), 'content_filter'],
])('a refusal is told as one', async (chunk, reason) => {
  const { events } = await read(sse(chunk, say({}, reason), USAGE, '[DONE]'))
  expect(events.at(-1)).toMatchObject({ type: 'end', stop: 'refused' })
})

const HTML = { headers: { 'content-type': 'text/html' } }
const JSON_TYPE = { headers: { 'content-type': 'application/json' } }
test.each<[string, string, ResponseInit, string]>([
  ['ends before its end', sse(say({ content: 'Hi' })), {}, 'cut'],
  ['ends inside an event', 'data: {"choices":[{"del', {}, 'cut'],
  ['is empty', '', {}, 'cut'],
  ['is not JSON', sse('<html>'), {}, 'garbage'],
  ['has another shape', sse({ choices: 'none' }), {}, 'garbage'],
  ['is a page', '<html>', HTML, 'garbage'],
  ['is half a JSON', '{"choices":[', JSON_TYPE, 'garbage'],
  ['is an error of limits', sse({ error: { message: 'x', type: 'rate_limit_error' } }), {}, 'rate_limited'],
  [
    'is an error of the server',
    sse(say({ content: 'Hi' }), { error: { message: 'x', code: 500 } }),
    {},
    'server_error',
  ],
  [
    'is an error in JSON',
    JSON.stringify({ error: { message: 'x', type: 'overloaded_error' } }),
    JSON_TYPE,
    'overloaded',
  ],
])('an answer that %s is a typed failure', async (_name, body, init, reason) => {
  const { events, failure } = await read(body, init)
  expect(failure).toMatchObject({ name: 'ModelFailure', reason })
  expect(events.filter(({ type }) => type === 'end').length).toBeLessThanOrEqual(1)
  expect(events.every((event) => event.type !== 'end' || (event.stop === 'aborted' && !event.isFinal))).toBe(true)
})

test('what breaks after the answer said that it is whole takes nothing back', async () => {
  const { events, failure } = await read(sse(say({ content: 'Hi' }), say({}, 'stop'), USAGE, '<html>'))
  expect(failure).toBeUndefined()
  expect(events.at(-1)).toMatchObject({ type: 'end', stop: 'done', isFinal: true })
})

test.each([
  [{ 'retry-after': '7' }, 7],
  [{ 'retry-after-ms': '1500' }, 1.5],
  [{ 'retry-after': 'Mon, 23 Nov 2026 09:00:20 GMT', date: 'Mon, 23 Nov 2026 09:00:00 GMT' }, 20],
  [{ 'retry-after': 'soon' }, undefined],
])('the time to wait is read from %o', async (headers, retryAfterS) => {
  const { failure } = await read('{}', { status: 429, headers })
  expect(failure).toMatchObject({ reason: 'rate_limited', retryAfterS })
})

test.each([
  ['http://127.0.0.1:11434', 'http://127.0.0.1:11434/v1/chat/completions'],
  ['http://127.0.0.1:11434/', 'http://127.0.0.1:11434/v1/chat/completions'],
  ['https://api.openai.com/v1', 'https://api.openai.com/v1/chat/completions'],
  ['https://openrouter.ai/api/v1/', 'https://openrouter.ai/api/v1/chat/completions'],
  ['https://a.test/v1beta/openai', 'https://a.test/v1beta/openai/chat/completions'],
])('the base %s is asked at %s, without a key where there is none', async (baseUrl, url) => {
  const { sent } = await read('', {}, ask(), baseUrl)
  expect(sent).toMatchObject({ url, key: null })
  const limit = baseUrl.includes('openai.com') ? 'max_completion_tokens' : 'max_tokens'
  expect(sent?.body).toMatchObject({ [limit]: 100, stream: true, stream_options: { include_usage: true } })
})

test('the real checks of the protocol let every field of a request through', async () => {
  const fake = await startOpenAiFake({ models: ['m'] })
  const provider = openaiProvider({ baseUrl: fake.url, apiKey: undefined })
  const schema = { type: 'object', properties: {}, additionalProperties: false }
  const tools = [{ name: 'create_task', description: 'd', inputSchema: { type: 'object' } }]
  const requests: Partial<ModelRequest>[] = [
    { temperature: 0.2, topP: 0.9, stopSequences: ['END'], volatileSystem: 'It is Monday.' },
    { format: 'json' },
    { format: { name: 'answer', schema } },
    { format: { name: 'answer', schema: { type: 'object' } } },
    { tools, toolChoice: 'required' },
    { tools, toolChoice: { name: 'create_task' } },
    { tools, toolChoice: 'none' },
    { tools: [], closedTools: tools, toolChoice: 'required' },
  ]
  for (const more of requests)
    expect((await Array.fromAsync(provider.generate('m', ask(more), never))).at(-1)).toMatchObject({ stop: 'done' })
  await fake.stop()
  expect(fake.requests).toMatchObject([
    {
      temperature: 0.2,
      top_p: 0.9,
      stop: ['END'],
      messages: [{}, { content: '<facts>\nIt is Monday.\n</facts>\n\nhello' }],
    },
    { response_format: { type: 'json_object' } },
    { response_format: { type: 'json_schema', json_schema: { name: 'answer', strict: true } } },
    { response_format: { type: 'json_schema', json_schema: { schema: { type: 'object' } } } },
    { tool_choice: 'required', tools: [{ function: { name: 'create_task', parameters: { type: 'object' } } }] },
    { tool_choice: { type: 'function', function: { name: 'create_task' } } },
    { tool_choice: 'none' },
    {},
  ])
  expect(fake.requests.at(-1)).not.toHaveProperty('tools')
})
