import { LLMock } from '@copilotkit/aimock'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { anthropicProvider } from './anthropic.ts'
import type { ModelEvent, ModelRequest } from './model.ts'

const mock = new LLMock({ port: 0 })
beforeAll(() => mock.start())
afterAll(() => mock.stop())

const provider = (baseUrl = mock.url) => anthropicProvider({ apiKey: 'test-key', baseUrl })
const ask = (text: string, more: Partial<ModelRequest> = {}): ModelRequest => ({
  system: 'You are Aurelius.',
  volatileSystem: 'It is Monday.',
  messages: [{ role: 'user', at: '2026-11-23T09:00:00.000Z', parts: [{ type: 'text', text }] }],
  tools: [
    {
      name: 'create_task',
      description: 'Create a task',
      inputSchema: { type: 'object', properties: { title: { type: 'string' } } },
    },
  ],
  maxOutputTokens: 500,
  person: {
    now: '2026-11-23T09:00:00.000Z',
    timeZone: 'UTC',
    locale: 'en-US',
    displayName: 'Sam',
    projects: [],
    memories: [],
  },
  ...more,
})

async function collect(
  request: ModelRequest,
  signal = new AbortController().signal,
  from = provider(),
): Promise<ModelEvent[]> {
  return await Array.fromAsync(from.generate('claude-sonnet-5-5', request, signal))
}

test('an answer streams as text and ends with its usage', async () => {
  mock.onMessage('say hello', { content: 'Hello there, Sam.', usage: { input_tokens: 12, output_tokens: 7 } })
  const events = await collect(ask('say hello'))
  expect(events.flatMap((event) => (event.type === 'text' ? event.text : [])).join('')).toBe('Hello there, Sam.')
  expect(events.at(-1)).toMatchObject({ type: 'end', stop: 'done', usage: { inputTokens: 12, outputTokens: 7 } })
})

test('tool calls arrive whole, and several in one answer', async () => {
  mock.onMessage('two tasks', {
    toolCalls: [
      { name: 'create_task', arguments: '{"title":"milk"}' },
      { name: 'create_task', arguments: '{"title":"eggs"}' },
    ],
  })
  const events = await collect(ask('two tasks'))
  const calls = events.flatMap((event) => (event.type === 'tool_call' ? event.call : []))
  expect(calls.map(({ name, input }) => [name, input])).toEqual([
    ['create_task', { title: 'milk' }],
    ['create_task', { title: 'eggs' }],
  ])
  expect(new Set(calls.map(({ id }) => id)).size).toBe(2)
  expect(events.at(-1)).toMatchObject({ type: 'end', stop: 'tools' })
})

/** What goes over the wire meanwhile; with `events`, they are what comes back. */
async function onWire(work: () => Promise<unknown>, events?: object[]) {
  const real = globalThis.fetch
  const sent: string[] = []
  const body = events
    ?.map((event) => `event: ${Reflect.get(event, 'type')}\ndata: ${JSON.stringify(event)}\n\n`)
    .join('')
  globalThis.fetch = async (input, init) => {
    sent.push(String(init?.body))
    return body === undefined
      ? await real(input, init)
      : new Response(body, { headers: { 'content-type': 'text/event-stream' } })
  }
  try {
    await work()
  } finally {
    globalThis.fetch = real
  }
  return JSON.parse(sent[0] ?? '{}')
}

const at = '2026-11-23T09:00:00.000Z'
const user = (text: string) => ({ role: 'user' as const, at, parts: [{ type: 'text' as const, text }] })
const isMarked = (block: object) => 'cache_control' in block

test('the prompt, the tools, the history and the turn so far are marked for the cache; what changes stands after', async () => {
  mock.onMessage('cached', { content: 'ok' })
  const past = [user('hello'), { role: 'assistant' as const, parts: [{ type: 'text' as const, text: 'hi' }] }]
  const call = { type: 'tool_call' as const, id: 't1', name: 'create_task', input: {} }
  const result = { type: 'tool_result' as const, callId: 't1', name: 'create_task', output: {}, isError: false }
  const now = [
    user('cached'),
    { role: 'assistant' as const, parts: [call] },
    { role: 'user' as const, at, parts: [result] },
  ]
  const wire = await onWire(() => collect(ask('', { messages: [...past, ...now] })))
  expect(wire.system).toMatchObject([{ text: 'You are Aurelius.', cache_control: {} }])
  expect(wire.tools.map(isMarked)).toEqual([true])
  const marked = wire.messages.map(({ content }: { content: object[] }) => content.map(isMarked))
  expect(marked).toEqual([[false], [true], [false, false], [false], [true]])
  expect(wire.messages[2].content).toMatchObject([
    { text: expect.stringContaining('It is Monday.') },
    { text: 'cached' },
  ])
  expect(wire.messages[4].content[0].type).toBe('tool_result')
  const next = await onWire(() =>
    collect(ask('', { volatileSystem: 'It is Tuesday.', messages: [...past, user('cached')] })),
  )
  expect(JSON.stringify(next.messages.slice(0, 2))).toBe(JSON.stringify(wire.messages.slice(0, 2)))
})

test('tools that may not be called any more are still named, for the calls in the history', async () => {
  mock.onMessage('the end', { content: 'ok' })
  const { tools } = ask('')
  const wire = await onWire(() => collect(ask('the end', { tools: [], closedTools: tools })))
  expect(wire.tools).toMatchObject([{ name: 'create_task' }])
  expect(wire.tool_choice).toEqual({ type: 'none' })
})

const START = {
  type: 'message_start',
  message: {
    id: 'm',
    type: 'message',
    role: 'assistant',
    model: 'claude-sonnet-5-5',
    content: [],
    usage: { input_tokens: 90, output_tokens: 1 },
  },
}
const callOf = (index: number, json: string) => [
  {
    type: 'content_block_start',
    index,
    content_block: { type: 'tool_use', id: `t${index}`, name: 'create_task', input: {} },
  },
  { type: 'content_block_delta', index, delta: { type: 'input_json_delta', partial_json: json } },
  { type: 'content_block_stop', index },
]
const END = (stop_reason: string) => [
  { type: 'message_delta', delta: { stop_reason }, usage: { output_tokens: 40 } },
  { type: 'message_stop' },
]

async function calls(events: object[]) {
  const seen: ModelEvent[] = []
  await onWire(async () => seen.push(...(await collect(ask('x')))), events)
  return seen.flatMap((event) => (event.type === 'tool_call' ? [[event.call.input, event.problem !== undefined]] : []))
}

test.each(['{"title":"mi', '"milk"', '[1]', 'null', 'not json'])(
  'the input %s is given as {} with its problem',
  async (json) => {
    expect(await calls([START, ...callOf(0, '{"title":"eggs"}'), ...callOf(1, json), ...END('tool_use')])).toEqual([
      [{ title: 'eggs' }, false],
      [{}, true],
    ])
  },
)

test('a call in which the answer was cut off has a problem, also where what there is of it can be read', async () => {
  expect(await calls([START, ...callOf(0, '{"title":"eggs"}'), ...callOf(1, ''), ...END('max_tokens')])).toEqual([
    [{ title: 'eggs' }, false],
    [{}, true],
  ])
})

test('a stream that breaks off tells what it has used before it fails', async () => {
  const seen: ModelEvent[] = []
  const broken = onWire(async () => {
    for await (const event of provider().generate('claude-sonnet-5-5', ask('x'), new AbortController().signal))
      seen.push(event)
  }, [START, ...callOf(0, '{"title":"eggs"}')])
  await expect(broken).rejects.toMatchObject({ reason: 'cut' })
  expect(seen).toMatchObject([{ type: 'end', stop: 'aborted', usage: { inputTokens: 90, outputTokens: 1 } }])
})

const text = { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }
const wireOf = (...events: object[]) =>
  events.map((event) => `event: ${Reflect.get(event, 'type')}\ndata: ${JSON.stringify(event)}\n\n`).join('')
const errorOf = (type: string) => ({ type: 'error', error: { type, message: 'x' } })
const SSE = { headers: { 'content-type': 'text/event-stream' } }

/** The failure an answer of the wire is. */
async function failureOf(body: string, init: ResponseInit): Promise<unknown> {
  const real = globalThis.fetch
  globalThis.fetch = async () => new Response(body, init)
  try {
    await collect(ask('x'))
    return undefined
  } catch (error) {
    return error
  } finally {
    globalThis.fetch = real
  }
}

test.each<[string, string, ResponseInit, object]>([
  ['is an error of 529', '{}', { status: 529 }, { reason: 'overloaded' }],
  ['names a time', '{}', { status: 429, headers: { 'retry-after': '7' } }, { reason: 'rate_limited', retryAfterS: 7 }],
  ['names milliseconds', '{}', { status: 429, headers: { 'retry-after-ms': '1500' } }, { retryAfterS: 1.5 }],
  ['is an error of 401', '{}', { status: 401 }, { reason: 'unauthorized' }],
  ['is an error of 400', '{}', { status: 400 }, { reason: 'rejected' }],
  ['is an error of 500', '<html>', { status: 500 }, { reason: 'server_error' }],
  ['is a page', '<html>', { headers: { 'content-type': 'text/html' } }, { reason: 'garbage' }],
  ['is one JSON', '{}', { headers: { 'content-type': 'application/json' } }, { reason: 'garbage' }],
  ['is not JSON', 'event: message_start\ndata: <html>\n\n', SSE, { reason: 'garbage' }],
  ['has another shape', wireOf({ type: 'message_start' }), SSE, { reason: 'garbage' }],
  ['is empty', '', SSE, { reason: 'cut' }],
  ['ends in the middle', wireOf(START, text), SSE, { reason: 'cut' }],
  ['breaks as overloaded', wireOf(START, errorOf('overloaded_error')), SSE, { reason: 'overloaded' }],
  ['breaks as limited', wireOf(START, errorOf('rate_limit_error')), SSE, { reason: 'rate_limited' }],
  ['breaks', wireOf(START, errorOf('api_error')), SSE, { reason: 'server_error' }],
])('an answer that %s is a typed failure', async (_name, body, init, expected) => {
  expect(await failureOf(body, init)).toMatchObject({ name: 'ModelFailure', ...expected })
})

test('a provider that is not there is a typed failure', async () => {
  const gone = collect(ask('x'), undefined, provider('http://127.0.0.1:9'))
  await expect(gone).rejects.toMatchObject({ name: 'ModelFailure', reason: 'unreachable' })
})

test('what the API takes is sent, and what it refuses is said in words', async () => {
  mock.onMessage('fields', { content: '{}' })
  const { tools } = ask('')
  const schema = { type: 'object', properties: {}, additionalProperties: false }
  const other = { name: 'find_tasks', description: 'Find', inputSchema: { type: 'object' } }
  const wire = (more: Partial<ModelRequest>) => onWire(() => collect(ask('fields', more)))
  const said = ({ messages }: { messages: { content: { text: string }[] }[] }) => messages[0]?.content[0]?.text
  const plain = await wire({ temperature: 0.5, topP: 0.9, stopSequences: ['END'], format: { name: 'a', schema } })
  expect(plain).toMatchObject({ stop_sequences: ['END'], output_config: { format: { type: 'json_schema', schema } } })
  expect(plain).not.toHaveProperty('temperature')
  expect(plain).not.toHaveProperty('top_p')
  expect(said(await wire({ format: 'json' }))).toContain('JSON')
  expect(await wire({ toolChoice: 'none' })).toMatchObject({ tool_choice: { type: 'none' }, tools: [{}] })
  const required = await wire({ toolChoice: 'required' })
  expect(required).not.toHaveProperty('tool_choice')
  expect(said(required)).toContain('calling a tool')
  const named = await wire({ tools: [...tools, other], toolChoice: { name: 'find_tasks' } })
  expect(named.tools).toMatchObject([{ name: 'find_tasks' }])
  expect(said(named)).toContain('find_tasks')
  const bare = await wire({ system: '', volatileSystem: '', tools: [] })
  expect(bare).not.toHaveProperty('system')
  expect(bare.messages).toMatchObject([{ content: [{ text: 'fields' }] }])
})

test('an abort ends the stream', async () => {
  mock.onMessage('long', { content: 'word '.repeat(400) }, { latency: 20, chunkSize: 5 })
  const controller = new AbortController()
  const seen: ModelEvent[] = []
  await expect(async () => {
    for await (const event of provider().generate('claude-sonnet-5-5', ask('long'), controller.signal)) {
      seen.push(event)
      if (seen.length === 3) controller.abort()
    }
  }).rejects.toThrow()
  expect(seen.length).toBeLessThan(20)
  expect(seen.at(-1)).toMatchObject({ type: 'end', stop: 'aborted', model: 'claude-sonnet-5-5' })
})

test('how much is thought is told where the model can be told, beside a format, and changes no limit', async () => {
  mock.onMessage('think', { content: 'ok' })
  const sent = async (model: string, more: Partial<ModelRequest>) =>
    await onWire(() => Array.fromAsync(provider().generate(model, ask('think', more), new AbortController().signal)))
  expect(await sent('claude-sonnet-5-5', { effort: 'low' })).toMatchObject({
    max_tokens: 500,
    output_config: { effort: 'low' },
  })
  const schema = { type: 'object' }
  const both = await sent('claude-opus-5-5', { effort: 'high', format: { name: 'x', schema } })
  expect(both.output_config).toEqual({ effort: 'high', format: { type: 'json_schema', schema } })
  for (const model of ['claude-haiku-4-5', 'claude-haiku-4-5-20251001'])
    expect(await sent(model, { effort: 'low' })).not.toHaveProperty('output_config')
  expect(await sent('claude-sonnet-5-5', {})).not.toHaveProperty('output_config')
  expect(await sent('claude-sonnet-5-5', { effort: 'low' })).not.toHaveProperty('thinking')
})
