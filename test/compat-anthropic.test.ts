import Anthropic, { AuthenticationError, BadRequestError, NotFoundError } from '@anthropic-ai/sdk'
import { LLMock } from '@copilotkit/aimock'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Person, startWorld, type World } from './world.ts'

const claude = new LLMock({ port: 0 })
const MODEL = 'claude-sonnet-5-5'
let world: World
let person: Person
let anthropic: Anthropic

beforeAll(async () => {
  await claude.start()
  world = await startWorld({
    // Claude is the assistant too: what the client's tools and ours do together needs a model that calls both.
    vars: {
      ANTHROPIC_API_KEY: 'test-key',
      ANTHROPIC_BASE_URL: claude.url,
      AI_PROVIDERS: 'anthropic,offline',
      ANTHROPIC_MODEL: MODEL,
    },
  })
  person = await world.person()
  anthropic = clientOf(person)
}, 60_000)
afterAll(async () => {
  await world.stop()
  await claude.stop()
})

const clientOf = ({ accessToken }: Pick<Person, 'accessToken'>) =>
  new Anthropic({ apiKey: accessToken, baseURL: `${world.url}/compat/anthropic`, maxRetries: 0 })
const failure = (asked: Promise<unknown>) =>
  asked.then(
    () => {
      throw new Error('it was answered')
    },
    (error: unknown) => error,
  )
const said = (content: string) => [{ role: 'user' as const, content }]
const lastSent = () => JSON.stringify(claude.getRequests().at(-1)?.body)

const LAMP: Anthropic.Tool = {
  name: 'set_lamp',
  description: 'Switch the lamp',
  input_schema: { type: 'object', properties: { on: { type: 'boolean' } }, required: ['on'] },
}

test('a message is answered in blocks, with its usage and what it cost', async () => {
  claude.onMessage('good evening', { content: 'Good evening.', usage: { input_tokens: 12, output_tokens: 3 } })
  const { data, response } = await anthropic.messages
    .create({
      model: MODEL,
      max_tokens: 100,
      system: [{ type: 'text', text: 'Be brief.' }],
      messages: said('good evening'),
    })
    .withResponse()
  expect(data).toMatchObject({
    type: 'message',
    role: 'assistant',
    model: MODEL,
    content: [{ type: 'text', text: 'Good evening.' }],
    stop_reason: 'end_turn',
    usage: { input_tokens: 12, output_tokens: 3, cost_micros: 12 * 2 + 3 * 10 },
  })
  expect(response.headers.get('aurelius-cost-micros')).toBe('54')
  expect(response.headers.get('request-id')).toMatch(/^req_/)
  expect(response.headers.get('anthropic-ratelimit-requests-remaining')).toMatch(/^\d+$/)
  // A day of the free plan, less what is held for this; Sonnet at 2 dollars a million in, 10 out.
  const { own } = JSON.parse((await person.api('GET', '/v1/ai/budget')).text)
  const tokens = (kind: string, what: string) => Number(response.headers.get(`anthropic-ratelimit-${kind}-${what}`))
  expect(tokens('input-tokens', 'limit')).toBe(Math.floor(own.day.limitMicros / 2))
  expect(tokens('output-tokens', 'limit')).toBe(Math.floor(own.day.limitMicros / 10))
  expect(tokens('tokens', 'remaining')).toBe(tokens('output-tokens', 'remaining'))
  expect(tokens('tokens', 'remaining')).toBeGreaterThan(0)
  // What was held is given back but for what it cost.
  expect(tokens('tokens', 'remaining') * 10).toBeLessThan(own.day.leftMicros)
  expect(response.headers.get('anthropic-ratelimit-tokens-reset')).toBe(own.day.resetsAt.replace(/\.\d+Z$/, 'Z'))
  expect(response.headers.get('anthropic-ratelimit-requests-reset')).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
})

test('the events of a stream come in their order, and the helper makes the message of them', async () => {
  claude.on(
    { userMessage: 'lamp on please' },
    {
      content: 'I switch it on.',
      toolCalls: [{ name: 'set_lamp', arguments: '{"on":true}' }],
      usage: { input_tokens: 20, output_tokens: 9 },
    },
  )
  const asked = { model: MODEL, max_tokens: 100, messages: said('lamp on please'), tools: [LAMP] }
  const raw = await fetch(`${world.url}/compat/anthropic/v1/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-api-key': person.accessToken, 'anthropic-version': '2023-06-01' },
    body: JSON.stringify({ ...asked, stream: true }),
  })
  const names = [...(await raw.text()).matchAll(/^event: (.+)$/gm)].map(([, name]) => name)
  expect(names.filter((name, index) => name !== names[index - 1])).toEqual([
    'message_start',
    'ping',
    'content_block_start',
    'content_block_delta',
    'content_block_stop',
    'content_block_start',
    'content_block_delta',
    'content_block_stop',
    'message_delta',
    'message_stop',
  ])
  const message = await anthropic.messages.stream(asked).finalMessage()
  expect(message).toMatchObject({
    content: [
      { type: 'text', text: 'I switch it on.' },
      { type: 'tool_use', name: 'set_lamp', input: { on: true } },
    ],
    stop_reason: 'tool_use',
    usage: { input_tokens: 20, output_tokens: 9 },
  })
})

test('the assistant uses its own tools on the server and hands over the calls of the tools of the client', async () => {
  const input = { title: 'Buy bulbs', due: { date: '2027-03-01' } }
  claude.on(
    { userMessage: 'bulbs and lamp', hasToolResult: false },
    { toolCalls: [{ name: 'create_task', arguments: JSON.stringify(input) }] },
  )
  claude.on(
    { userMessage: 'bulbs and lamp', toolResultContains: 'Buy bulbs' },
    { content: 'Noted.', toolCalls: [{ name: 'set_lamp', arguments: '{"on":false}' }] },
  )
  claude.on(
    { userMessage: 'bulbs and lamp', hasToolResult: true },
    { content: 'The lamp is off, the bulbs are on your list.' },
  )
  const messages: Anthropic.MessageParam[] = said('bulbs and lamp')
  const asked = { model: 'aurelius', max_tokens: 500, system: 'You sit in a lamp.', tools: [LAMP] }
  const first = await anthropic.messages.create({ ...asked, messages })
  expect((await person.api('GET', '/v1/tasks')).json).toMatchObject({ items: [{ title: 'Buy bulbs' }] })
  expect(first).toMatchObject({ model: 'aurelius', stop_reason: 'tool_use' })
  const [words, call] = first.content
  // The client brings this back: without it the model would not know that the task is there already.
  expect(words).toMatchObject({
    type: 'text',
    text: expect.stringContaining('[Already done: create_task {"title":"Buy bulbs"'),
  })
  if (call?.type !== 'tool_use') throw new Error('no call')
  expect(call).toMatchObject({ name: 'set_lamp', input: { on: false } })
  const sent = lastSent()
  expect(sent).toContain('You sit in a lamp.')
  expect(sent).toContain('create_task')
  expect(sent).not.toContain('"delete_task"')
  messages.push(
    { role: 'assistant', content: first.content },
    { role: 'user', content: [{ type: 'tool_result', tool_use_id: call.id, content: 'off' }] },
  )
  const second = await anthropic.messages.create({ ...asked, messages })
  expect(second).toMatchObject({
    stop_reason: 'end_turn',
    content: [{ type: 'text', text: 'The lamp is off, the bulbs are on your list.' }],
  })
  expect((await person.api('GET', '/v1/tasks')).json).toMatchObject({ items: [{ title: 'Buy bulbs' }] })
})

test('a client that wants a call of its own tools is offered no others, and its tool of a name is the one meant', async () => {
  claude.onMessage('just the lamp', { toolCalls: [{ name: 'set_lamp', arguments: '{"on":true}' }] })
  const asked = { model: 'aurelius', max_tokens: 100, messages: said('just the lamp') }
  const message = await anthropic.messages.create({ ...asked, tools: [LAMP], tool_choice: { type: 'any' } })
  expect(message.stop_reason).toBe('tool_use')
  expect(lastSent()).not.toContain('create_task')
  claude.onMessage('their task', { toolCalls: [{ name: 'create_task', arguments: '{"on":true}' }] })
  const tools = [{ ...LAMP, name: 'create_task' }]
  const theirs = await anthropic.messages.create({ ...asked, messages: said('their task'), tools })
  expect(theirs.content).toMatchObject([{ type: 'tool_use', name: 'create_task', input: { on: true } }])
})

test("what is remembered of a person is in their own prompt and in nobody else's", async () => {
  const stranger = await world.person()
  await person.api('POST', '/v1/memories', { body: { text: 'Plays the viola', kind: 'fact' } })
  claude.onMessage('what do i play', { content: 'Music.' })
  const asked = { model: 'aurelius', max_tokens: 100, messages: said('what do i play') }
  await clientOf(stranger).messages.create(asked)
  expect(lastSent()).not.toContain('viola')
  await anthropic.messages.create(asked)
  expect(lastSent()).toContain('viola')
  await anthropic.messages.create({ ...asked, model: MODEL })
  expect(lastSent()).not.toContain('viola')
})

test('tokens are counted without a model', async () => {
  const count = (content: string) =>
    anthropic.messages.countTokens({ model: MODEL, messages: said(content), system: 'Be brief.', tools: [LAMP] })
  const [short, long] = [await count('hello'), await count('hello '.repeat(1000))]
  expect(short.input_tokens).toBeGreaterThan(10)
  expect(long.input_tokens).toBeGreaterThan(short.input_tokens + 1000)
  expect(long.input_tokens).toBeLessThan(short.input_tokens + 3000)
})

test('the models are listed in pages', async () => {
  const all = await Array.fromAsync(anthropic.models.list())
  expect(all.map(({ id }) => id)).toEqual(['aurelius', MODEL, 'offline-1'])
  expect((await Array.fromAsync(anthropic.models.list({ limit: 1 }))).map(({ id }) => id)).toEqual(
    all.map(({ id }) => id),
  )
  const before = await anthropic.models.list({ limit: 1, before_id: 'offline-1' })
  expect(before).toMatchObject({ data: [{ id: MODEL }], has_more: true })
  expect(await anthropic.models.retrieve(MODEL)).toMatchObject({ type: 'model', id: MODEL, max_tokens: 128_000 })
})

test('what cannot be done is an error of the class a client expects', async () => {
  const ask = (over: object) =>
    failure(anthropic.messages.create(Object.assign({ model: MODEL, max_tokens: 10, messages: said('hi') }, over)))
  const unknown = await ask({ model: 'claude-9' })
  expect(unknown).toBeInstanceOf(NotFoundError)
  expect(unknown).toMatchObject({ type: 'not_found_error', requestID: expect.stringMatching(/^req_/) })
  const image = {
    role: 'user',
    content: [{ type: 'image', source: { type: 'url', url: 'https://example.com/a.png' } }],
  }
  const refused = [
    { max_tokens: undefined },
    { max_tokens: 200_000, stream: true },
    { messages: [image] },
    { tools: [{ type: 'web_search_20250305', name: 'web_search' }] },
    { tool_choice: { type: 'tool', name: 'nothing' } },
    { messages: [{ role: 'user', content: [{ type: 'tool_result', tool_use_id: 'nope', content: 'x' }] }] },
    {
      messages: [
        ...said('hi'),
        { role: 'assistant', content: [{ type: 'tool_use', id: 't1', name: 'x', input: {} }] },
        ...said('so?'),
      ],
    },
  ]
  for (const over of refused) {
    const error = await ask(over)
    expect(error, JSON.stringify(over)).toBeInstanceOf(BadRequestError)
    expect(error).toMatchObject({ type: 'invalid_request_error' })
  }
  expect(await failure(clientOf({ accessToken: 'none' }).models.list())).toBeInstanceOf(AuthenticationError)
  claude.onMessage('too busy', { error: { message: 'Overloaded', type: 'overloaded_error' }, status: 529 })
  for (const stream of [true, false]) {
    const busy = await ask({ messages: said('too busy'), stream })
    expect(busy).toMatchObject({ status: 529, type: 'overloaded_error' })
    expect(Object(busy).headers.get('retry-after')).toBe('10')
  }
})

test('a session that has ended costs nothing: no model is asked', async () => {
  const gone = await world.person()
  await gone.api('POST', '/v1/auth/logout')
  const before = claude.getRequests().length
  for (const model of [MODEL, 'aurelius']) {
    const asked = clientOf(gone).messages.create({ model, max_tokens: 9, messages: said('hello') })
    expect(await failure(asked)).toBeInstanceOf(AuthenticationError)
  }
  expect(claude.getRequests()).toHaveLength(before)
})
