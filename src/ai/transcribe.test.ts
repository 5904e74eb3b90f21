import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, beforeEach, expect, inject, test } from 'vitest'
import { readConfig } from '#config'
import { testCtx } from '#test/database'
import { transcribe, transcriptionHealth } from './transcribe.ts'

type Asked = { authorization: string | undefined; form: FormData }
type Reply = { status?: number; raw?: string; body?: unknown; hang?: boolean }
const asked: Asked[] = []
let reply: Reply = { body: { text: 'buy milk' } }
const server = createServer(async (request: IncomingMessage, response) => {
  const bytes = Buffer.concat(await Array.fromAsync(request, Buffer.from))
  const headers = { 'content-type': request.headers['content-type'] ?? '' }
  const form = await new Response(bytes, { headers }).formData()
  asked.push({ authorization: request.headers.authorization, form })
  if (!reply.hang) response.writeHead(reply.status ?? 200).end(reply.raw ?? JSON.stringify(reply.body))
})

beforeAll(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)))
afterAll(() => {
  server.closeAllConnections()
  server.close()
})
beforeEach(() => {
  asked.length = 0
  reply = { body: { text: 'buy milk' } }
})

type Settled = { costMicros: number; isEstimated: boolean; outcome: string; usage: { inputTokens: number } }

/** With a budget that notes what was held for a call and what came of it. */
function noted(vars: Record<string, string> = {}, env: object = {}) {
  const held: number[] = []
  const settled: Settled[] = []
  const released: string[] = []
  const steward = {
    reserve: async ({ worstMicros }: { worstMicros: number }) => {
      held.push(worstMicros)
      return { ok: true, leftMicros: { day: 1, month: 1 } }
    },
    settle: async (one: Settled) => {
      settled.push(one)
      return { ok: true, chargedMicros: 0, overMicros: 0 }
    },
    release: async (id: string) => void released.push(id),
  }
  const config = readConfig({
    ...inject('vars'),
    TRANSCRIPTION_PROVIDER: 'openai-compatible',
    TRANSCRIPTION_BASE_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/`,
    TRANSCRIPTION_API_KEY: 'sk-one',
    // A name of its own, so that no test is refused by the breaker of another.
    TRANSCRIPTION_MODEL: `whisper-${crypto.randomUUID()}=0.006`,
    ...vars,
  })
  const actor = { kind: 'person', userId: 'usr_x', sessionId: null } as const
  const bindings = { STEWARD: { getByName: () => steward }, ...env } as unknown as Env
  return { ctx: { ...testCtx(), actor, config, env: bindings }, held, settled, released }
}
const speech = (bytes = new Uint8Array(1000)) => ({
  bytes,
  type: 'audio/ogg',
  name: 'audio.ogg',
  feature: 'compat.openai' as const,
})

/** A second of silence for each `seconds`, 16 kHz, 16 bit. */
function wave(seconds: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(44 + seconds * 32_000)
  bytes.set(Buffer.from('RIFF....WAVEfmt '))
  new DataView(bytes.buffer).setUint32(28, 32_000, true)
  return bytes
}

test('the words come back, and cost the seconds that the provider counted', async () => {
  const { ctx, held, settled } = noted()
  reply = { body: { text: 'buy milk', usage: { type: 'duration', seconds: 90 } } }
  const heard = await transcribe(ctx, { ...speech(wave(90)), language: 'de' })
  // A minute and a half at 0.006 dollars a minute.
  expect(heard).toEqual({ text: 'buy milk', seconds: 90, costMicros: 9000, isEstimated: false })
  const [{ authorization, form } = { form: new FormData() }] = asked
  expect(authorization).toBe('Bearer sk-one')
  expect([form.get('model'), form.get('language')]).toEqual([ctx.config.ai.transcription?.model.name, 'de'])
  expect(form.get('file')).toMatchObject({ name: 'audio.ogg', size: 44 + 90 * 32_000 })
  // The header of the file says how long it can be at most: 44 bytes are a little more than what is heard.
  expect(held).toEqual([9001])
  expect(settled).toMatchObject([{ costMicros: 9000, isEstimated: false, outcome: 'done', usage: { inputTokens: 0 } }])
})

test('where nobody says how long it was, the longest it can have been is charged', async () => {
  const { ctx, held, settled } = noted()
  // 1,000 bytes at 500 a second are two seconds.
  expect(await transcribe(ctx, speech())).toMatchObject({ seconds: 2, costMicros: 200, isEstimated: true })
  expect(held).toEqual([200])
  expect(settled).toMatchObject([{ costMicros: 200, isEstimated: true }])
  reply = { body: { text: '', usage: { type: 'tokens', input_tokens: 14, output_tokens: 3, total_tokens: 17 } } }
  expect(await transcribe(ctx, speech())).toMatchObject({ costMicros: 200, isEstimated: true })
})

test('every failure is typed; what was refused costs nothing, what may have been heard its most', async () => {
  const { ctx, settled } = noted()
  const failures: [Reply, object, number][] = [
    [{ status: 401, raw: '' }, { code: 'model_failed', cause: { reason: 'unauthorized' } }, 0],
    [{ status: 429, raw: '' }, { code: 'model_overloaded' }, 0],
    [{ status: 400, raw: 'no' }, { code: 'model_failed', cause: { reason: 'rejected' } }, 0],
    [{ raw: '<html>' }, { code: 'model_failed', cause: { reason: 'garbage' } }, 200],
    [{ body: { words: [] } }, { code: 'model_failed', cause: { reason: 'garbage' } }, 200],
  ]
  for (const [said, expected] of failures) {
    reply = said
    await expect(transcribe(ctx, speech())).rejects.toMatchObject(expected)
  }
  expect(settled.map(({ costMicros }) => costMicros)).toEqual(failures.map(([, , cost]) => cost))
})

test('a provider that fails again and again is left alone, and nothing is spent on it', async () => {
  const { ctx, released, settled } = noted()
  reply = { status: 500, raw: '' }
  for (let tries = 0; tries < 5; tries++) await expect(transcribe(ctx, speech())).rejects.toThrow()
  const asks = asked.length
  expect(transcriptionHealth(ctx)).toMatchObject({ status: 'down' })
  await expect(transcribe(ctx, speech())).rejects.toMatchObject({ code: 'model_overloaded', retryAfterS: 15 })
  expect([asked.length, settled.length, released.length]).toEqual([asks, 5, 1])
  const later = { ...ctx, now: () => new Date(ctx.now().getTime() + 16_000) }
  reply = { body: { text: 'here again' } }
  expect(await transcribe(later, speech())).toMatchObject({ text: 'here again' })
  expect(transcriptionHealth(later)).toMatchObject({ status: 'ok' })
})

test('whoever leaves while it hangs is let go, and is charged its most', async () => {
  const { ctx, settled } = noted()
  const controller = new AbortController()
  reply = { hang: true }
  const asking = transcribe(ctx, { ...speech(), signal: controller.signal })
  while (asked.length === 0) await new Promise((resolve) => setImmediate(resolve))
  controller.abort(new Error('gone home'))
  await expect(asking).rejects.toThrow('gone home')
  expect(settled).toMatchObject([{ costMicros: 200, isEstimated: true, outcome: 'aborted' }])
})

test('a Whisper of Workers AI is asked in base64; it is off, or too much, before anything is spent', async () => {
  const runs: unknown[] = []
  const AI = {
    run: async (...args: unknown[]) => {
      runs.push(args.slice(0, 2))
      return { text: 'buy milk', transcription_info: { language: 'en', duration: 30 }, word_count: 2 }
    },
  }
  const model = '@cf/openai/whisper-large-v3-turbo'
  const vars = { TRANSCRIPTION_PROVIDER: 'workers-ai', TRANSCRIPTION_MODEL: `${model}=0.00051` }
  const { ctx } = noted(vars, { AI })
  // Half a minute at 0.00051 dollars a minute.
  const heard = { text: 'buy milk', seconds: 30, costMicros: 255, isEstimated: false }
  expect(await transcribe(ctx, speech(new Uint8Array([1, 2, 3])))).toEqual(heard)
  expect(runs).toEqual([[model, { audio: 'AQID', task: 'transcribe' }]])
  const missing = noted(vars)
  await expect(transcribe(missing.ctx, speech())).rejects.toMatchObject({ cause: { message: /AI is missing/ } })
  const off = noted({ TRANSCRIPTION_PROVIDER: '' })
  await expect(transcribe(off.ctx, speech())).rejects.toMatchObject({ code: 'unavailable' })
  expect(transcriptionHealth(off.ctx)).toMatchObject({ status: 'off' })
  const long = noted()
  const large = speech(new Uint8Array(25_000_001))
  await expect(transcribe(long.ctx, large)).rejects.toMatchObject({ code: 'too_large' })
  expect(long.held).toEqual([])
})
