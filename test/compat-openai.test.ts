import { LLMock } from '@copilotkit/aimock'
import OpenAI, { AuthenticationError, BadRequestError, InternalServerError, NotFoundError } from 'openai'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Person, startWorld, type World } from './world.ts'

const claude = new LLMock({ port: 0 })
const MODEL = 'claude-sonnet-5-5'
let world: World
let person: Person
let openai: OpenAI

beforeAll(async () => {
  await claude.start()
  world = await startWorld({
    // The rules answer as the assistant; Claude is there by its name.
    vars: { ANTHROPIC_API_KEY: 'test-key', ANTHROPIC_BASE_URL: claude.url, AI_PROVIDERS: 'offline,anthropic' },
  })
  person = await world.person()
  openai = clientOf(person)
}, 60_000)
afterAll(async () => {
  await world.stop()
  await claude.stop()
})

const clientOf = ({ accessToken }: Pick<Person, 'accessToken'>) =>
  new OpenAI({ apiKey: accessToken, baseURL: `${world.url}/compat/openai/v1`, maxRetries: 0 })
const failure = (asked: Promise<unknown>) =>
  asked.then(
    () => {
      throw new Error('it was answered')
    },
    (error: unknown) => error,
  )
const user = (content: string) => ({ role: 'user' as const, content })
const sentToClaude = () => Object(claude.getRequests().at(-1)?.body)

const WEATHER = {
  type: 'function' as const,
  function: {
    name: 'get_weather',
    description: 'The weather in a city',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
}

test("the assistant does what is said on the list of the person who says it, and on nobody else's", async () => {
  const stranger = await world.person()
  const { data, response } = await openai.chat.completions
    .create({ model: 'aurelius', messages: [user('remind me to call the dentist tomorrow at 9')] })
    .withResponse()
  expect(data).toMatchObject({ object: 'chat.completion', model: 'aurelius', choices: [{ finish_reason: 'stop' }] })
  expect(data.choices[0]?.message.content).toContain('dentist')
  expect(data.usage?.total_tokens).toBe((data.usage?.prompt_tokens ?? 0) + (data.usage?.completion_tokens ?? 0))
  expect(data.usage).toMatchObject({ cost_micros: 0 })
  expect(response.headers.get('aurelius-model')).toBe('offline-1')
  expect(response.headers.get('aurelius-provider')).toBe('offline')
  expect(response.headers.get('aurelius-cost-micros')).toBe('0')
  expect(response.headers.get('aurelius-decision')).toMatch(/^aic_/)
  expect(response.headers.get('server-timing')).toMatch(/choice;dur=.*reserve;dur=.*cache;dur=.*upstream;dur=/)
  expect(response.headers.get('x-ratelimit-remaining-requests')).toMatch(/^\d+$/)
  // Rules cost nothing: no number of tokens would be true.
  expect(response.headers.get('x-ratelimit-remaining-tokens')).toBeNull()
  expect((await person.api('GET', '/v1/tasks')).json).toMatchObject({ items: [{ title: 'Call the dentist' }] })
  expect((await stranger.api('GET', '/v1/tasks')).json).toMatchObject({ items: [] })
  const asked = await clientOf(stranger).chat.completions.create({
    model: 'aurelius',
    messages: [user('what is due tomorrow?')],
  })
  expect(asked.choices[0]?.message.content).not.toContain('entist')
  const own = await openai.chat.completions.create({ model: 'aurelius', messages: [user('what is due tomorrow?')] })
  expect(own.choices[0]?.message.content).toContain('Call the dentist')
})

test('nothing is deleted here: what would have to be asked first is not offered', async () => {
  await person.api('POST', '/v1/tasks', { body: { title: 'Water the ferns' } })
  const messages = [user('delete the task water the ferns')]
  const first = await openai.chat.completions.create({ model: 'aurelius', messages })
  expect(first.choices[0]?.message.content).toContain('not available')
  await openai.chat.completions.create({
    model: 'aurelius',
    messages: [...messages, first.choices[0]?.message ?? user(''), user('yes')],
  })
  expect((await person.api('GET', '/v1/tasks')).text).toContain('Water the ferns')
})

test('a stream is chunks with one id, the usage in the last one when asked for', async () => {
  claude.onMessage('good morning', {
    content: 'Good morning to you, and a fine day.',
    usage: { input_tokens: 10, output_tokens: 5 },
  })
  const messages = [{ role: 'system' as const, content: 'Be brief.' }, user('good morning')]
  const stream = await openai.chat.completions.create({
    model: MODEL,
    messages,
    stream: true,
    stream_options: { include_usage: true },
  })
  const chunks = await Array.fromAsync(stream)
  expect(chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('')).toBe(
    'Good morning to you, and a fine day.',
  )
  expect(chunks[0]?.choices[0]?.delta.role).toBe('assistant')
  expect(new Set(chunks.map(({ id }) => id)).size).toBe(1)
  expect(chunks.at(-2)?.choices[0]?.finish_reason).toBe('stop')
  expect(chunks.at(-1)).toMatchObject({
    choices: [],
    usage: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15, cost_micros: 10 * 2 + 5 * 10 },
  })
  const plain = await Array.fromAsync(await openai.chat.completions.create({ model: MODEL, messages, stream: true }))
  expect(plain.some(({ usage }) => usage)).toBe(false)
  expect(plain.at(-1)?.choices[0]?.finish_reason).toBe('stop')
})

test("the assistant's words stream too, through the client's own helper", async () => {
  const runner = openai.chat.completions.stream({
    model: 'aurelius',
    messages: [user('remind me to buy stamps on friday')],
  })
  expect(await runner.finalContent()).toContain('stamps')
  expect((await person.api('GET', '/v1/tasks')).text).toContain('uy stamps')
})

test('a tool of the client is called by a named model, run by the client, and its result is read', async () => {
  claude.on(
    { userMessage: 'weather in Oslo', hasToolResult: false },
    { toolCalls: [{ name: 'get_weather', arguments: '{"city":"Oslo"}' }] },
  )
  claude.on({ userMessage: 'weather in Oslo', hasToolResult: true }, { content: 'It rains in Oslo.' })
  const messages: OpenAI.ChatCompletionMessageParam[] = [user('weather in Oslo?')]
  const first = await openai.chat.completions.create({ model: MODEL, messages, tools: [WEATHER] })
  const [choice] = first.choices
  expect(choice?.finish_reason).toBe('tool_calls')
  const [call] = choice?.message.tool_calls ?? []
  expect(call).toMatchObject({ type: 'function', function: { name: 'get_weather', arguments: '{"city":"Oslo"}' } })
  if (!choice || !call) throw new Error('no call')
  messages.push(choice.message, { role: 'tool', tool_call_id: call.id, content: '{"sky":"rain"}' })
  const second = await openai.chat.completions.create({ model: MODEL, messages, tools: [WEATHER] })
  expect(second.choices[0]).toMatchObject({ finish_reason: 'stop', message: { content: 'It rains in Oslo.' } })
  expect(JSON.stringify(sentToClaude())).toContain('rain')
  const chunks = await Array.fromAsync(
    await openai.chat.completions.create({
      model: MODEL,
      messages: [user('weather in Oslo?')],
      tools: [WEATHER],
      stream: true,
    }),
  )
  const calls = chunks.flatMap(({ choices }) => choices[0]?.delta.tool_calls ?? [])
  expect(calls).toMatchObject([{ index: 0, function: { name: 'get_weather', arguments: '{"city":"Oslo"}' } }])
  expect(chunks.at(-1)?.choices[0]?.finish_reason).toBe('tool_calls')
})

test('a structured answer is parsed by the client', async () => {
  claude.onMessage('capital of France', { content: '{"city":"Paris"}' })
  const schema = {
    type: 'object',
    properties: { city: { type: 'string' } },
    required: ['city'],
    additionalProperties: false,
  }
  const completion = await openai.chat.completions.parse({
    model: MODEL,
    messages: [user('capital of France?')],
    response_format: { type: 'json_schema', json_schema: { name: 'capital', schema, strict: true } },
  })
  expect(completion.choices[0]?.message.parsed).toEqual({ city: 'Paris' })
})

test('a response and its events come in their order, each with its number', async () => {
  claude.onMessage('a haiku', { content: 'An old silent pond.', usage: { input_tokens: 7, output_tokens: 6 } })
  const whole = await openai.responses.create({ model: MODEL, instructions: 'Be brief.', input: 'a haiku' })
  expect(whole).toMatchObject({
    object: 'response',
    status: 'completed',
    output_text: 'An old silent pond.',
    usage: { input_tokens: 7, output_tokens: 6, total_tokens: 13 },
  })
  const events = await Array.fromAsync(
    await openai.responses.create({
      model: MODEL,
      input: [{ role: 'user', content: [{ type: 'input_text', text: 'a haiku' }] }],
      stream: true,
    }),
  )
  expect(events.map(({ sequence_number }) => sequence_number)).toEqual(events.map((_, index) => index))
  const types = events.map(({ type }) => type)
  expect([...new Set(types)]).toEqual([
    'response.created',
    'response.in_progress',
    'response.output_item.added',
    'response.content_part.added',
    'response.output_text.delta',
    'response.output_text.done',
    'response.content_part.done',
    'response.output_item.done',
    'response.completed',
  ])
  expect(events.at(-1)).toMatchObject({
    response: {
      status: 'completed',
      usage: { total_tokens: 13 },
      output: [{ content: [{ text: 'An old silent pond.' }] }],
    },
  })
  const told = await openai.responses
    .stream({ model: 'aurelius', input: 'remind me to feed the cat tomorrow' })
    .finalResponse()
  expect(told.output_text).toContain('cat')
})

test('a response calls a tool of the client and reads what it found', async () => {
  claude.on(
    { userMessage: 'weather in Rome', hasToolResult: false },
    { toolCalls: [{ name: 'get_weather', arguments: '{"city":"Rome"}' }] },
  )
  claude.on({ userMessage: 'weather in Rome', hasToolResult: true }, { content: 'Sun in Rome.' })
  const tools: OpenAI.Responses.Tool[] = [{ type: 'function', strict: false, ...WEATHER.function }]
  const first = await openai.responses.stream({ model: MODEL, input: 'weather in Rome?', tools }).finalResponse()
  const [call] = first.output
  if (call?.type !== 'function_call') throw new Error('no call')
  expect(call).toMatchObject({ name: 'get_weather', arguments: '{"city":"Rome"}' })
  const input: OpenAI.Responses.ResponseInput = [
    user('weather in Rome?'),
    call,
    { type: 'function_call_output', call_id: call.call_id, output: 'sun' },
  ]
  expect((await openai.responses.create({ model: MODEL, input, tools })).output_text).toBe('Sun in Rome.')
})

test('the assistant and the catalogue are listed as models', async () => {
  const ids = (await Array.fromAsync(openai.models.list())).map(({ id }) => id)
  expect(ids).toEqual(expect.arrayContaining(['aurelius', 'offline-1', MODEL]))
  expect(await openai.models.retrieve('aurelius')).toMatchObject({ id: 'aurelius', object: 'model' })
})

test('what cannot be done is an error of the class a client expects', async () => {
  const ask = (over: object) =>
    failure(openai.chat.completions.create({ model: MODEL, messages: [user('hi')], ...over }))
  const unknown = await ask({ model: 'gpt-9' })
  expect(unknown).toBeInstanceOf(NotFoundError)
  expect(unknown).toMatchObject({ code: 'model_not_found', requestID: expect.stringMatching(/^req_/) })
  expect(await failure(openai.models.retrieve('gpt-9'))).toMatchObject({ status: 404, code: 'model_not_found' })
  const image = { role: 'user', content: [{ type: 'image_url', image_url: { url: 'https://example.com/a.png' } }] }
  const refused: [object, string][] = [
    [{ n: 2 }, 'n'],
    [{ logprobs: true }, 'logprobs'],
    [{ messages: [image] }, 'messages[0].content[0]'],
    [{ modalities: ['audio'] }, 'modalities'],
    [{ messages: [] }, 'messages'],
    [{ messages: [user('hi'), { role: 'assistant', content: 'so' }] }, 'messages'],
    [{ messages: [{ role: 'tool', tool_call_id: 'nope', content: 'x' }] }, 'messages[0].tool_call_id'],
    [{ tools: [{ type: 'web_search' }] }, 'tools[0]'],
    [{ temperature: 7 }, 'temperature'],
    [{ response_format: { type: 'grammar' } }, 'response_format.type'],
  ]
  for (const [over, param] of refused) {
    const error = await ask(over)
    expect(error, param).toBeInstanceOf(BadRequestError)
    expect(error).toMatchObject({ param, type: 'invalid_request_error' })
  }
  const respond = (over: object) => failure(openai.responses.create({ model: MODEL, input: 'hi', ...over }))
  expect(await respond({ previous_response_id: 'resp_1' })).toMatchObject({
    status: 400,
    param: 'previous_response_id',
  })
  expect(await respond({ tools: [{ type: 'web_search' }] })).toMatchObject({ status: 400, param: 'tools[0]' })
  expect(await failure(clientOf({ accessToken: 'sk-none' }).models.list())).toBeInstanceOf(AuthenticationError)
  claude.onMessage('too busy', { error: { message: 'Overloaded', type: 'overloaded_error' }, status: 529 })
  const busy = await ask({ messages: [user('too busy')], stream: true })
  expect(busy).toBeInstanceOf(InternalServerError)
  expect(busy).toMatchObject({ status: 503, code: 'overloaded' })
})

test('fields of a newer client are no error', async () => {
  const newer = { reasoning: 'low', store: true, safety_identifier: 'x', brand_new: { a: 1 } }
  const answer = await openai.chat.completions.create(
    Object.assign(newer, { model: 'aurelius', messages: [user('hello')] }),
  )
  expect(Object(answer).choices[0].message.content).not.toBe('')
})

test("embeddings say in the clients' own words that they are not there", async () => {
  const error = await failure(openai.embeddings.create({ model: 'text-embedding-3-small', input: 'a' }))
  expect(error).toBeInstanceOf(InternalServerError)
  expect(error).toMatchObject({
    status: 503,
    message: expect.stringContaining('No model for embeddings is configured'),
  })
})
