import { LLMock } from '@copilotkit/aimock'
import OpenAI from 'openai'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startEmbeddings } from '../local/embeddings.ts'
import { type Person, startWorld, type World } from './world.ts'

const MODEL = 'claude-sonnet-5-5'
const EMBEDDER = 'use-lite'
const claude = new LLMock({ port: 0 })
let embeddings: Awaited<ReturnType<typeof startEmbeddings>>
let world: World

beforeAll(async () => {
  await claude.start()
  embeddings = await startEmbeddings()
  const vars = { ANTHROPIC_API_KEY: 'k', ANTHROPIC_BASE_URL: claude.url, AI_PROVIDERS: 'offline,anthropic' }
  world = await startWorld({ vars: { ...vars, ...embeddings.vars, EMBEDDINGS_MODEL: `${EMBEDDER}=1/0` } })
}, 60_000)
afterAll(async () => {
  await world.stop()
  await embeddings.stop()
  await claude.stop()
})

const clientOf = ({ accessToken }: Person) =>
  new OpenAI({ apiKey: accessToken, baseURL: `${world.url}/compat/openai/v1`, maxRetries: 0 })

/** Asks Claude itself; what was answered, and what its headers say of it. */
async function ask(person: Person, content: string, headers: Record<string, string> = {}, temperature = 0) {
  const messages = [{ role: 'user' as const, content }]
  const { data, response } = await clientOf(person)
    .chat.completions.create({ model: MODEL, messages, temperature }, { headers })
    .withResponse()
  const told = (name: string) => response.headers.get(`aurelius-${name}`)
  return {
    text: data.choices[0]?.message.content,
    cache: told('cache'),
    cost: Number(told('cost-micros')),
    decision: told('decision'),
  }
}
const upstreamCalls = (text: string) =>
  claude.getRequests().filter(({ body }) => JSON.stringify(body).includes(text)).length

test('what was asked before is answered again at no cost, to the person who asked and to nobody else', async () => {
  const [owner, stranger] = [await world.person(), await world.person()]
  claude.onMessage('capital of Peru', { content: 'Lima.', usage: { input_tokens: 20, output_tokens: 5 } })
  const question = 'What is the capital of Peru?'
  expect(await ask(owner, question)).toMatchObject({ text: 'Lima.', cache: 'miss', cost: 90 })
  await expect.poll(async () => (await ask(owner, question)).cache).toBe('exact')
  const calls = upstreamCalls('capital of Peru')
  const again = await ask(owner, question)
  expect(again).toMatchObject({ text: 'Lima.', cache: 'exact', cost: 0 })
  expect(upstreamCalls('capital of Peru')).toBe(calls)
  expect(await ask(owner, question, { 'cache-control': 'no-cache' })).toMatchObject({ cache: 'off', cost: 90 })
  expect(await ask(owner, question, {}, 1)).toMatchObject({ cache: 'off', cost: 90 })
  expect(await ask(stranger, question)).toMatchObject({ cache: 'miss', cost: 90 })
  await expect
    .poll(async () => (await owner.api('GET', `/v1/ai/usage`)).json)
    .toMatchObject({ total: { costMicros: expect.any(Number) } })
  await expect
    .poll(async () => (await owner.api('GET', `/v1/ai/decisions/${again.decision}`)).json)
    .toMatchObject({ cache: 'exact', cacheReason: expect.stringContaining('asked before in the same words') })
})

test('the same in other words is found by its meaning, and cleared when the person clears it', async () => {
  const person = await world.person()
  claude.onMessage('boil an egg', { content: 'Seven minutes.' })
  await ask(person, 'How long should I boil an egg?')
  const vectors = 'select 1 from embeddings where user_id = $1 and vector is not null'
  await expect.poll(() => world.query(vectors, [person.userId])).toHaveLength(1)
  expect(await ask(person, 'please, how long should I boil an egg?')).toMatchObject({
    text: 'Seven minutes.',
    cache: 'semantic',
  })
  expect((await person.api('DELETE', '/v1/ai/cache')).status).toBe(204)
  expect(await ask(person, 'How long should I boil an egg?')).toMatchObject({ cache: 'miss' })
})

test('five who ask the same at once are one call, and one of them pays', async () => {
  const person = await world.person()
  claude.onMessage(
    'a haiku about rain',
    { content: 'Soft rain on the roof. '.repeat(20), usage: { input_tokens: 10, output_tokens: 80 } },
    { latency: 60, chunkSize: 20 },
  )
  const answers = await Promise.all(Array.from({ length: 5 }, () => ask(person, 'Write a haiku about rain')))
  expect(new Set(answers.map(({ text }) => text)).size).toBe(1)
  expect(answers.map(({ cache }) => cache).toSorted()).toEqual(['miss', 'shared', 'shared', 'shared', 'shared'])
  expect(answers.filter(({ cost }) => cost > 0)).toHaveLength(1)
  expect(upstreamCalls('a haiku about rain')).toBe(1)
})

test('a failure of a shared call is told as what it is', async () => {
  const person = await world.person()
  claude.onMessage('fail please', { error: { message: 'no', type: 'invalid_request_error' }, status: 400 })
  await expect(ask(person, 'fail please')).rejects.toMatchObject({ status: 502 })
})

test("an unmodified client's texts become vectors, as numbers or as bytes, and are paid for", async () => {
  const person = await world.person()
  const openai = clientOf(person)
  expect((await openai.models.list()).data.map(({ id }) => id)).toContain(EMBEDDER)
  const asked = { model: EMBEDDER, input: ['buy milk', 'how long to boil an egg'] }
  const { data, response } = await openai.embeddings.create({ ...asked, encoding_format: 'float' }).withResponse()
  const size = Number(embeddings.vars.EMBEDDINGS_DIMENSIONS)
  expect(data.data.map(({ index, embedding }) => [index, embedding.length])).toEqual([
    [0, size],
    [1, size],
  ])
  const told = ['model', 'provider', 'cost-micros'].map((header) => response.headers.get(`aurelius-${header}`))
  expect(told).toEqual([EMBEDDER, 'openai-compatible', expect.stringMatching(/^\d+$/)])
  // At a dollar for a million tokens: what is left of the day, less what was held for this.
  const { own } = JSON.parse((await person.api('GET', '/v1/ai/budget')).text)
  const tokens = ['limit', 'remaining'].map((what) => Number(response.headers.get(`x-ratelimit-${what}-tokens`)))
  const held = asked.input.join('').length
  expect(tokens).toEqual([own.day.limitMicros, own.day.limitMicros - held])
  expect(response.headers.get('x-ratelimit-reset-tokens')).toMatch(/^\d+s$/)
  // Where nothing is said of it the client asks for bytes, and reads them.
  const bytes = await openai.embeddings.create(asked)
  expect(bytes.data[0]?.embedding.map((x) => x.toFixed(5))).toEqual(data.data[0]?.embedding.map((x) => x.toFixed(5)))
})

test('what the budget refuses says what is left of it in tokens of the model that was asked, in each protocol', async () => {
  const person = await world.person()
  const none = { dayMicros: null, monthMicros: null }
  const capMicros = 25
  const caps = { own: { ...none, dayMicros: capMicros }, background: none }
  expect((await person.api('PUT', '/v1/ai/budget', { body: { isPaused: false, caps } })).status).toBe(200)
  const asks: [string, object][] = [
    ['openai/v1/chat/completions', { model: MODEL, messages: [{ role: 'user', content: 'hi' }] }],
    ['openai/v1/responses', { model: MODEL, input: 'hi', stream: true }],
    ['openai/v1/embeddings', { model: EMBEDDER, input: 'more than what is left of the budget' }],
    ['anthropic/v1/messages', { model: MODEL, max_tokens: 9, messages: [{ role: 'user', content: 'hi' }] }],
    // One that may be shared is asked in the person's object. Last: to look for one like it costs something.
    ['openai/v1/chat/completions', { model: MODEL, temperature: 0, messages: [{ role: 'user', content: 'hi' }] }],
  ]
  const day = JSON.parse((await person.api('GET', '/v1/ai/budget')).text).own.day
  for (const [path, body] of asks) {
    const origin = world.vars.PUBLIC_URL ?? ''
    const { status, headers } = await person.api('POST', `/compat/${path}`, { body, headers: { origin } })
    const exposed = headers.get('access-control-expose-headers')?.split(', ') ?? []
    const limits = [...headers.keys()].filter((name) => /^x-ratelimit-\w+-\w+$|^anthropic-ratelimit-/.test(name))
    expect(limits.length).toBeGreaterThanOrEqual(6)
    expect([path, limits.filter((name) => !exposed.includes(name))]).toEqual([path, []])
    // Sonnet takes 2 dollars for a million tokens in and 10 out.
    const dollars = path.endsWith('embeddings') ? 1 : 10
    const any = String(Math.floor(capMicros / dollars))
    const said =
      path === 'anthropic/v1/messages'
        ? ['tokens-limit', 'tokens-remaining', 'input-tokens-remaining', 'tokens-reset'].map((name) =>
            headers.get(`anthropic-ratelimit-${name}`),
          )
        : ['limit', 'remaining'].map((what) => headers.get(`x-ratelimit-${what}-tokens`))
    const expected =
      path === 'anthropic/v1/messages' ? [any, any, '12', day.resetsAt.replace(/\.\d+Z$/, 'Z')] : [any, any]
    expect([path, status, ...said]).toEqual([path, 429, ...expected])
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0)
  }
})
