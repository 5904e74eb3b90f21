import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, beforeEach, expect, inject, test } from 'vitest'
import { readConfig } from '#config'
import { testCtx } from '#test/database'
import { embed, embeddingsHealth } from './embed.ts'

type Asked = { model: string; input: string[]; encoding_format: string }
type Reply = { status?: number; body?: unknown; raw?: string; headers?: Record<string, string>; hang?: boolean }

const vectorOf = (text: string) => [text.length + 1, 1, 0]
const answerTo = ({ input }: Asked) => ({
  // Backwards, as a server may: the index says which is which.
  data: input.map((text, index) => ({ index, embedding: vectorOf(text) })).reverse(),
  usage: { prompt_tokens: input.length * 10 },
})

const asked: { body: Asked; authorization: string | undefined }[] = []
let reply: (body: Asked) => Reply = (body) => ({ body: answerTo(body) })
const server = createServer(async (request: IncomingMessage, response) => {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  const body: Asked = JSON.parse(Buffer.concat(chunks).toString())
  asked.push({ body, authorization: request.headers.authorization })
  const said = reply(body)
  if (said.hang) return
  response.writeHead(said.status ?? 200, said.headers).end(said.raw ?? JSON.stringify(said.body))
})

beforeAll(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)))
afterAll(() => {
  server.closeAllConnections()
  server.close()
})
beforeEach(() => {
  asked.length = 0
  reply = (body) => ({ body: answerTo(body) })
})

function ctxWith(vars: Record<string, string>, env: object = {}) {
  const actor = { kind: 'person', userId: 'usr_x', sessionId: null } as const
  const base = testCtx()
  const bindings = { STEWARD: base.env.STEWARD, ...env }
  return { ...base, actor, config: readConfig({ ...inject('vars'), ...vars }), env: bindings as Env }
}
// A name of its own, so that no test is refused by the breaker of another.
const fresh = () => `small-${crypto.randomUUID()}`
const overHttp = (vars: Record<string, string> = {}) =>
  ctxWith({
    EMBEDDINGS_PROVIDER: 'openai-compatible',
    EMBEDDINGS_BASE_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/`,
    EMBEDDINGS_API_KEY: 'sk-one',
    EMBEDDINGS_MODEL: `${fresh()}=0.02/0`,
    EMBEDDINGS_DIMENSIONS: '3',
    ...vars,
  })
const input = (...texts: string[]) => ({ texts, feature: 'search' as const })

test('without embeddings the answer is that they are off, and readiness says so', async () => {
  const ctx = ctxWith({})
  expect(await embed(ctx, input('a'))).toEqual({ ok: false, reason: 'off' })
  expect(embeddingsHealth(ctx)).toMatchObject({ status: 'off' })
  expect(embeddingsHealth(overHttp())).toMatchObject({ status: 'ok', provider: 'openai-compatible' })
})

test('many texts go in batches of 96, come back in order, and cost what the provider counted', async () => {
  const texts = Array.from({ length: 200 }, (_, i) => 'x'.repeat(i + 1))
  const answer = await embed(overHttp({ EMBEDDINGS_MODEL: 'small=0.02/0' }), input(...texts))
  expect(asked.map(({ body }) => body.input.length)).toEqual([96, 96, 8])
  expect(asked[0]).toMatchObject({ authorization: 'Bearer sk-one', body: { model: 'small', encoding_format: 'float' } })
  if (!answer.ok) throw new Error('off')
  expect(answer.vectors).toEqual(texts.map(vectorOf))
  // 2,000 tokens at 0.02 dollars a million are 40 micro-dollars.
  expect(answer.receipt).toEqual({ model: 'small', inputTokens: 2000, costMicros: 40, isEstimated: false })
})

test('where tokens are not counted the most there can be is charged, and said to be an estimate', async () => {
  reply = (body) => ({ body: { data: answerTo(body).data } })
  const answer = await embed(overHttp({ EMBEDDINGS_MODEL: `${fresh()}=1/0` }), input('abc', '\u00e4\u00f6'))
  expect(answer).toMatchObject({ receipt: { inputTokens: 7, costMicros: 7, isEstimated: true } })
})

test('long, empty and broken texts are made ones that every server takes', async () => {
  await embed(overHttp(), input('x'.repeat(20_000), '  ', 'a\ud800'))
  expect(asked[0]?.body.input.map((text) => text.length)).toEqual([8000, 1, 2])
  expect(asked[0]?.body.input.every((text) => text.isWellFormed())).toBe(true)
  await expect(embed(overHttp(), input(...Array.from({ length: 2001 }, () => 'a')))).rejects.toMatchObject({
    code: 'invalid_request',
  })
})

test('every failure of a provider is typed', async () => {
  const failures: [string, Reply, object][] = [
    ['busy', { status: 429, headers: { 'retry-after': '7' }, raw: '' }, { code: 'model_overloaded', retryAfterS: 7 }],
    ['overloaded', { status: 503, raw: '' }, { code: 'model_overloaded' }],
    ['key', { status: 401, raw: '' }, { code: 'model_failed', cause: { reason: 'unauthorized' } }],
    ['refused', { status: 400, raw: 'no' }, { code: 'model_failed', cause: { reason: 'rejected' } }],
    ['broken', { status: 500, raw: '' }, { code: 'model_failed', cause: { reason: 'server_error' } }],
    ['no JSON', { raw: '<html>' }, { cause: { reason: 'garbage' } }],
    ['no data', { body: { object: 'list' } }, { cause: { reason: 'garbage' } }],
    ['too few', { body: { data: [] } }, { cause: { reason: 'garbage' } }],
    ['length', { body: { data: [{ index: 0, embedding: [1, 2] }] } }, { cause: { reason: 'garbage' } }],
    ['nothing', { body: { data: [{ index: 0, embedding: [0, 0, 0] }] } }, { cause: { reason: 'garbage' } }],
  ]
  for (const [what, said, expected] of failures) {
    reply = () => said
    await expect(embed(overHttp(), input('a')), what).rejects.toMatchObject(expected)
  }
  const gone = overHttp({ EMBEDDINGS_BASE_URL: 'http://127.0.0.1:9/v1' })
  await expect(embed(gone, input('a'))).rejects.toMatchObject({ cause: { reason: 'unreachable' } })
})

test('whoever gives up while it hangs is let go with their own reason', async () => {
  const controller = new AbortController()
  reply = () => {
    controller.abort(new Error('gone home'))
    return { hang: true }
  }
  const asking = embed(overHttp(), { ...input('a'), signal: controller.signal })
  await expect(asking).rejects.toThrow('gone home')
  await expect(embed(overHttp(), { ...input('a'), signal: AbortSignal.abort(new Error('late')) })).rejects.toThrow(
    'late',
  )
})

test('the binding of Workers AI is asked for its model; a missing one fails readably', async () => {
  const runs: unknown[] = []
  const AI = {
    run: async (model: string, { text }: { text: string[] }) => {
      runs.push([model, text])
      return { shape: [text.length, 3], data: text.map(vectorOf) }
    },
  }
  const vars = {
    EMBEDDINGS_PROVIDER: 'workers-ai',
    EMBEDDINGS_MODEL: '@cf/baai/bge-small-en-v1.5=0.02/0',
    EMBEDDINGS_DIMENSIONS: '3',
  }
  const answer = await embed(ctxWith(vars, { AI }), input('ab', 'c'))
  expect(runs).toEqual([['@cf/baai/bge-small-en-v1.5', ['ab', 'c']]])
  expect(answer).toMatchObject({ ok: true, vectors: [vectorOf('ab'), vectorOf('c')], receipt: { isEstimated: true } })
  const failing = { run: () => Promise.reject(new Error('3040: out of capacity')) }
  await expect(embed(ctxWith(vars, { AI: failing }), input('a'))).rejects.toMatchObject({ code: 'model_overloaded' })
  await expect(embed(ctxWith(vars), input('a'))).rejects.toMatchObject({ code: 'unavailable' })
  expect(embeddingsHealth(ctxWith(vars))).toMatchObject({ status: 'down', detail: 'the binding AI is missing' })
  expect(embeddingsHealth(ctxWith(vars, { AI }))).toMatchObject({ status: 'ok' })
})

test('embeddings that fail again and again are left alone for a while, and readiness says so', async () => {
  const ctx = overHttp()
  reply = () => ({ status: 500, raw: '' })
  for (let tries = 0; tries < 5; tries++) await expect(embed(ctx, input('a'))).rejects.toThrow()
  await expect(embed(ctx, input('a'))).rejects.toMatchObject({ code: 'model_overloaded', retryAfterS: 15 })
  expect(asked.length).toBe(5)
  expect(embeddingsHealth(ctx)).toMatchObject({ status: 'down' })
  reply = (body) => ({ body: answerTo(body) })
  const later = { ...ctx, now: () => new Date(ctx.now().getTime() + 16_000) }
  expect(await embed(later, input('a'))).toMatchObject({ ok: true })
  expect(embeddingsHealth(later)).toMatchObject({ status: 'ok' })
})

/** With a budget that notes what came of each call. */
function noted(vars: Record<string, string> = {}) {
  const settled: { costMicros: number; isEstimated: boolean }[] = []
  const released: string[] = []
  const steward = {
    reserve: async () => ({ ok: true, tightest: { limitMicros: 1, leftMicros: 1, resetAtMs: 0 }, atMs: 0 }),
    settle: async (one: (typeof settled)[number]) => {
      settled.push(one)
      return { ok: true, chargedMicros: 0, overMicros: 0 }
    },
    release: async (id: string) => void released.push(id),
  }
  const env = { STEWARD: { getByName: () => steward } } as unknown as Env
  return { ctx: { ...overHttp({ EMBEDDINGS_MODEL: `${fresh()}=1000/0`, ...vars }), env }, settled, released }
}

test('a count that is none is an estimate, and no number that the ledger cannot take', async () => {
  const { ctx, settled } = noted()
  reply = (body) => ({ body: { ...answerTo(body), usage: { prompt_tokens: 3_000_000_000 } } })
  await expect(embed(ctx, input('abc'))).rejects.toMatchObject({ cause: { reason: 'garbage' } })
  expect(settled).toMatchObject([{ isEstimated: true, usage: { inputTokens: 3 } }])
})

test('what is refused, or never sent, costs nobody anything', async () => {
  const { ctx, settled, released } = noted()
  for (const status of [401, 429, 500, 503]) {
    reply = () => ({ status, raw: '' })
    await expect(embed(ctx, input('abc'))).rejects.toThrow()
  }
  expect(settled.map(({ costMicros }) => costMicros)).toEqual([0, 0, 0, 0])
  await expect(embed(ctx, { ...input('abc'), signal: AbortSignal.abort(new Error('late')) })).rejects.toThrow('late')
  expect([settled.length, released.length]).toEqual([4, 1])
  const unbound = noted({ EMBEDDINGS_PROVIDER: 'workers-ai' })
  await expect(embed(unbound.ctx, input('abc'))).rejects.toMatchObject({ code: 'unavailable' })
  expect([unbound.settled, unbound.released]).toEqual([[], []])
})
