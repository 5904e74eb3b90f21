import { createServer, type ServerResponse } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import Anthropic from '@anthropic-ai/sdk'
import OpenAI, { RateLimitError } from 'openai'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Person, startWorld, type World } from './world.ts'

const MODEL = 'claude-sonnet-5-5'
const AI_QUOTA = 40
const event = (type: string, data: object) => `event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`
const delta = (text: string) => event('content_block_delta', { index: 0, delta: { type: 'text_delta', text } })
const BEGINNING =
  event('message_start', {
    message: {
      id: 'msg_1',
      type: 'message',
      role: 'assistant',
      content: [],
      model: MODEL,
      stop_reason: null,
      usage: { input_tokens: 5, output_tokens: 1 },
    },
  }) + event('content_block_start', { index: 0, content_block: { type: 'text', text: '' } })

const ENDING =
  event('content_block_stop', { index: 0 }) +
  event('message_delta', { delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 2 } }) +
  event('message_stop', {})

/** A Claude whose answers are told by the test. */
type Upstream = { answer: ServerResponse; closed: Promise<void> }
const waiting: ((upstream: Upstream) => void)[] = []
const next = () => new Promise<Upstream>((resolve) => waiting.push(resolve))
const claude = createServer((request, answer) => {
  request.resume()
  answer.writeHead(200, { 'content-type': 'text/event-stream' })
  answer.write(BEGINNING)
  const closed = new Promise<void>((resolve) => answer.once('close', resolve))
  waiting.shift()?.({ answer, closed })
})

let world: World
let person: Person
let openai: OpenAI
let anthropic: Anthropic
beforeAll(async () => {
  await new Promise<void>((resolve) => claude.listen(0, '127.0.0.1', resolve))
  const { port } = claude.address() as AddressInfo
  world = await startWorld({
    vars: {
      ANTHROPIC_API_KEY: 'test-key',
      ANTHROPIC_BASE_URL: `http://127.0.0.1:${port}`,
      RATE_LIMIT_FACTOR: '1',
      AI_PLAN: 'max',
    },
  })
  const [made] = await world.people(1)
  if (!made) throw new Error('no person')
  person = made
  const options = { apiKey: person.accessToken, maxRetries: 0 }
  openai = new OpenAI({ ...options, baseURL: `${world.url}/compat/openai/v1` })
  anthropic = new Anthropic({ ...options, baseURL: `${world.url}/compat/anthropic` })
}, 60_000)
afterAll(async () => {
  await world.stop()
  claude.closeAllConnections()
  claude.close()
})

const messages = [{ role: 'user' as const, content: 'hi' }]

/** Goes on speaking until nobody listens: a runtime on loopback hears of a closed socket when it writes to it. */
async function speakUntilClosed({ answer, closed }: Upstream): Promise<void> {
  const timer = setInterval(() => answer.write(delta('one')), 5)
  await closed.finally(() => clearInterval(timer))
}

test('a client that leaves in the middle of a stream ends the call of the model', async () => {
  const upstream = next()
  const stream = openai.chat.completions.create({ model: MODEL, messages, stream: true })
  const gone = upstream.then(speakUntilClosed)
  for await (const chunk of await stream) if (chunk.choices[0]?.delta.content === 'one') break
  await gone
  const other = next()
  const helper = anthropic.messages.stream({ model: 'aurelius', max_tokens: 10, messages })
  const left = expect(helper.finalMessage()).rejects.toThrow('aborted')
  helper.on('text', () => helper.abort())
  await speakUntilClosed(await other)
  await left
})

test('a client that leaves before a whole answer ends the call of the model', async () => {
  const upstream = next()
  const { hostname, port } = new URL(world.url)
  const body = JSON.stringify({ model: MODEL, messages })
  const head = `POST /compat/openai/v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nauthorization: Bearer ${person.accessToken}\r\ncontent-length: ${body.length}\r\n\r\n`
  const socket = connect(Number(port), hostname)
  socket.write(head + body)
  const { closed } = await upstream
  socket.resetAndDestroy()
  await closed
})

test('an answer that breaks off is an error of the protocol, never a silent end', async () => {
  const cut = async (ask: () => Promise<AsyncIterable<unknown>>) => {
    const upstream = next()
    const asked = ask()
    const { answer } = await upstream
    answer.end(delta('one'))
    return await Array.fromAsync(await asked).catch((error: unknown) => error)
  }
  const message = expect.stringContaining('stopped in the middle')
  const chat = () => openai.chat.completions.create({ model: MODEL, messages, stream: true })
  expect(await cut(chat)).toMatchObject({ type: 'server_error', code: 'model_failed', message })
  const response = () => openai.responses.create({ model: MODEL, input: 'hi', stream: true })
  expect(await cut(response)).toMatchObject({ code: 'model_failed', message })
  const claudes = () => anthropic.messages.create({ model: MODEL, max_tokens: 9, messages, stream: true })
  expect(await cut(claudes)).toMatchObject({ type: 'api_error', message })
})

test('a reader that does not read holds the model back', async () => {
  const upstream = next()
  const asked = fetch(`${world.url}/compat/openai/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${person.accessToken}` },
    body: JSON.stringify({ model: MODEL, messages, stream: true }),
  })
  const { answer } = await upstream
  const piece = delta('x'.repeat(64_000))
  answer.write(piece)
  const response = await asked
  const sent = { bytes: 0 }
  const most = 400 * piece.length
  // Until what lies between is full: a write that is not taken for a while.
  while (sent.bytes < most) {
    sent.bytes += piece.length
    if (answer.write(piece)) continue
    const drained = new Promise<'drained'>((resolve) => answer.once('drain', () => resolve('drained')))
    const held = new Promise<'held'>((resolve) => setTimeout(() => resolve('held'), 1000))
    if ((await Promise.race([drained, held])) === 'held') break
  }
  expect(sent.bytes).toBeLessThan(most)
  await response.body?.cancel()
})

test('too many requests are a rate limit error with the time to wait, in each protocol', async () => {
  const ask = () => openai.embeddings.create({ model: 'x', input: 'y' }).catch((error: unknown) => error)
  let error = await ask()
  for (let i = 0; i < AI_QUOTA && !(error instanceof RateLimitError); i++) error = await ask()
  expect(error).toBeInstanceOf(RateLimitError)
  const { headers } = error as RateLimitError
  expect(error).toMatchObject({ code: 'rate_limit_exceeded' })
  expect(Number(headers.get('retry-after'))).toBeGreaterThan(0)
  expect(headers.get('x-ratelimit-remaining-requests')).toBe('0')
  expect(headers.get('x-ratelimit-reset-requests')).toMatch(/^\d+s$/)
  const other = await anthropic.messages
    .create({ model: MODEL, max_tokens: 9, messages })
    .catch((thrown: unknown) => thrown)
  expect(other).toBeInstanceOf(Anthropic.RateLimitError)
  expect(other).toMatchObject({ type: 'rate_limit_error' })
})

test.each([1, 0])(
  'of many calls at once at temperature %d no more reach the model than the limit lets in, and what the others held is given back',
  async (temperature) => {
    const other = await world.person()
    // None is another's answer.
    const askedOf = (n: number) => ({
      ...{ model: MODEL, max_completion_tokens: 9, temperature },
      messages: [{ role: 'user' as const, content: `say ${n}` }],
    })
    const client = new OpenAI({ apiKey: other.accessToken, maxRetries: 0, baseURL: `${world.url}/compat/openai/v1` })
    let [reached, isOver] = [0, false]
    const serve = async (): Promise<void> => {
      for (;;) {
        const { answer } = await next()
        if (isOver) return
        reached++
        answer.end(delta('one') + ENDING)
      }
    }
    const serving = serve()
    const said = await Promise.all(
      Array.from({ length: AI_QUOTA + 10 }, (_, n) =>
        client.chat.completions.create(askedOf(n)).catch((error: unknown) => error),
      ),
    )
    const refused = said.filter((error) => error instanceof Error)
    expect(refused).toHaveLength(10)
    expect(refused[0]).toMatchObject({ code: 'rate_limit_exceeded' })
    expect((refused[0] as RateLimitError).headers.get('x-ratelimit-limit-requests')).toBe(String(AI_QUOTA))
    expect(reached).toBe(AI_QUOTA)
    isOver = true
    waiting.shift()?.({ answer: {} as ServerResponse, closed: Promise.resolve() })
    await serving
    await expect
      .poll(async () => (await other.api('GET', '/v1/ai/budget')).json)
      .toMatchObject({ own: { day: { reservedMicros: 0 } } })
  },
)
