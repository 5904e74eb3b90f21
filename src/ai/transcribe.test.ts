import { afterAll, beforeAll, beforeEach, describe, expect, inject, test, vi } from 'vitest'
import { readConfig } from '#config'
import { testCtx } from '#test/database'
import { type Script, startOpenAiFake } from '#test/openai-fake'
import { makeAiFake } from '#test/workers-ai-fake'
import { isolateBreakers } from './breaker.ts'
import { transcribe, transcriptionHealth } from './transcribe.ts'

const TURBO = '@cf/openai/whisper-large-v3-turbo'
const KEY = 'sk-one'
let fake: Awaited<ReturnType<typeof startOpenAiFake>>
const ai = makeAiFake([TURBO])

/** A provider with its other end, and how that one is told what to do with a recording. */
type World = {
  name: string
  vars: () => Record<string, string>
  env: object
  script: (to: string, script: Script) => void
  heard: () => string[]
}
const CODES: Record<number, number> = { 400: 5004, 401: 3023, 429: 3036, 500: 9999 }
const WORLDS: World[] = [
  {
    name: 'openai-compatible',
    vars: () => ({
      TRANSCRIPTION_PROVIDER: 'openai-compatible',
      TRANSCRIPTION_BASE_URL: `${fake.url}/v1/`,
      TRANSCRIPTION_API_KEY: KEY,
      TRANSCRIPTION_MODEL: 'whisper-1=0.006',
    }),
    env: {},
    script: (to, script) => fake.on(to, script),
    heard: () => fake.recordings,
  },
  {
    name: 'workers-ai',
    vars: () => ({ TRANSCRIPTION_PROVIDER: 'workers-ai', TRANSCRIPTION_MODEL: `${TURBO}=0.006` }),
    env: { AI: ai },
    script: (to, { status, ...script }) => ai.on(to, { ...script, ...(status && { status: CODES[status] ?? status }) }),
    heard: () => ai.recordings,
  },
]

beforeAll(async () => {
  fake = await startOpenAiFake({ models: ['whisper-1'], apiKey: KEY })
})
afterAll(() => fake.stop())
// A model has one breaker in an isolate, whoever asks it.
beforeEach(() => isolateBreakers.known.clear())

type Settled = { costMicros: number; isEstimated: boolean; outcome: string; usage: { inputTokens: number } }

/** With a budget that notes what was held for a call and what came of it. */
function noted(vars: Record<string, string> = {}, env: object = {}) {
  const held: number[] = []
  const settled: Settled[] = []
  const released: string[] = []
  const steward = {
    reserve: async ({ worstMicros }: { worstMicros: number }) => {
      held.push(worstMicros)
      return { ok: true, tightest: { limitMicros: 1, leftMicros: 1, resetAtMs: 0 }, atMs: 0 }
    },
    settle: async (one: Settled) => {
      settled.push(one)
      return { ok: true, chargedMicros: 0, overMicros: 0 }
    },
    release: async (id: string) => void released.push(id),
  }
  const config = readConfig({ ...inject('vars'), ...vars })
  const actor = { kind: 'person', userId: 'usr_x', sessionId: null } as const
  const bindings = { STEWARD: { getByName: () => steward }, ...env } as unknown as Env
  return { ctx: { ...testCtx(), actor, config, env: bindings }, held, settled, released }
}

/** A WAV file, 16 kHz and 16 bit, in which these words are "spoken". */
function wave(words: string, seconds = 2) {
  const bytes = new Uint8Array(seconds * 32_000).fill(32)
  bytes.set(Buffer.from('RIFF....WAVEfmt '))
  new DataView(bytes.buffer).setUint32(28, 32_000, true)
  bytes.set(Buffer.from(words), 44)
  return { bytes, type: 'audio/wav', name: 'audio.wav', feature: 'compat.openai' as const }
}
const tick = () => new Promise((resolve) => setImmediate(resolve))

describe.each(WORLDS)('$name', (world) => {
  const open = () => noted(world.vars(), world.env)

  test('the words come back, and cost the seconds that the provider counted', async () => {
    const { ctx, held, settled } = open()
    const heard = await transcribe(ctx, { ...wave('kauf Milch', 90), language: 'de' })
    // A minute and a half at 0.006 dollars a minute.
    expect(heard).toEqual({ text: 'kauf Milch', seconds: 90, costMicros: 9000, isEstimated: false })
    // The header of the file says how long it can be at most.
    expect(held).toEqual([9000])
    expect(settled).toMatchObject([
      { costMicros: 9000, isEstimated: false, outcome: 'done', usage: { inputTokens: 0 } },
    ])
  })

  test('what is only a part of a larger buffer is heard, and nothing beside it', async () => {
    const { bytes, ...rest } = wave('buy milk')
    const within = new Uint8Array(bytes.length + 64).fill(88)
    within.set(bytes, 32)
    const heard = await transcribe(open().ctx, { ...rest, bytes: within.subarray(32, 32 + bytes.length) })
    expect(heard).toMatchObject({ text: 'buy milk', seconds: 2 })
  })

  test('where nobody says how long it was, the longest it can have been is charged', async () => {
    const { ctx, held, settled } = open()
    world.script('uncounted', { hasUsage: false })
    // No header: at 500 bytes a second 64,000 are 128 seconds.
    const { bytes, ...rest } = wave('uncounted')
    bytes.set(Buffer.from('OggS'))
    const expected = { seconds: 128, costMicros: 12_800, isEstimated: true }
    expect(await transcribe(ctx, { ...rest, bytes })).toMatchObject(expected)
    expect(held).toEqual([12_800])
    expect(settled).toMatchObject([{ costMicros: 12_800, isEstimated: true }])
  })

  test('every failure is typed; what was refused costs nothing, what may have been heard its most', async () => {
    const { ctx, settled } = open()
    const failures: [Script, object, number][] = [
      [{ status: 401 }, { code: 'model_failed', cause: { reason: 'unauthorized' } }, 0],
      [{ status: 429 }, { code: 'model_overloaded', cause: { reason: 'rate_limited' } }, 0],
      [{ status: 400 }, { code: 'model_failed', cause: { reason: 'rejected' } }, 0],
      [{ status: 500 }, { code: 'model_failed', cause: { reason: 'server_error' } }, 0],
      [{ garbage: true }, { code: 'model_failed', cause: { reason: 'garbage' } }, 200],
    ]
    for (const [n, [script, expected]] of failures.entries()) {
      isolateBreakers.known.clear()
      world.script(`failure ${n}`, script)
      await expect(transcribe(ctx, wave(`failure ${n}`))).rejects.toMatchObject(expected)
    }
    expect(settled.map(({ costMicros }) => costMicros)).toEqual(failures.map(([, , cost]) => cost))
  })

  test('a provider that fails again and again is left alone, and nothing is spent on it', async () => {
    const { ctx, released, settled } = open()
    world.script('broken', { status: 500 })
    for (let tries = 0; tries < 5; tries++) await expect(transcribe(ctx, wave('broken'))).rejects.toThrow()
    const asks = world.heard().length
    expect(transcriptionHealth(ctx)).toMatchObject({ status: 'down', provider: world.name })
    await expect(transcribe(ctx, wave('mended'))).rejects.toMatchObject({ code: 'model_overloaded', retryAfterS: 15 })
    expect([world.heard().length, settled.length, released.length]).toEqual([asks, 5, 1])
    const later = { ...ctx, now: () => new Date(ctx.now().getTime() + 16_000) }
    expect(await transcribe(later, wave('mended'))).toMatchObject({ text: 'mended' })
    expect(transcriptionHealth(later)).toMatchObject({ status: 'ok', provider: world.name })
  })

  test('whoever leaves while it hangs is let go, and is charged its most', async () => {
    const { ctx, settled } = open()
    const controller = new AbortController()
    world.script('hanging', { hang: true })
    const before = world.heard().length
    const asking = transcribe(ctx, { ...wave('hanging'), signal: controller.signal })
    while (world.heard().length === before) await tick()
    controller.abort(new Error('gone home'))
    await expect(asking).rejects.toThrow('gone home')
    expect(settled).toMatchObject([{ costMicros: 200, isEstimated: true, outcome: 'aborted' }])
  })

  test('what does not answer within two minutes has failed, and may have cost its most', async () => {
    const { ctx, settled } = open()
    world.script('deaf', { hang: true })
    const before = world.heard().length
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    try {
      const asking = transcribe(ctx, wave('deaf')).catch((error: unknown) => error)
      while (world.heard().length === before) await tick()
      vi.advanceTimersByTime(119_999)
      await tick()
      expect(settled).toEqual([])
      vi.advanceTimersByTime(1)
      expect(await asking).toMatchObject({ code: 'timeout', cause: { reason: 'late_first' } })
    } finally {
      vi.useRealTimers()
    }
    expect(settled).toMatchObject([{ costMicros: 200, isEstimated: true, outcome: 'failed' }])
  })

  test('a recording that is too large is refused before anything is held', async () => {
    const { ctx, held } = open()
    const before = world.heard().length
    const large = { ...wave(''), bytes: new Uint8Array(25_000_001) }
    await expect(transcribe(ctx, large)).rejects.toMatchObject({ code: 'too_large' })
    expect([held, world.heard().length]).toEqual([[], before])
  })
})

test('where nobody is configured it is off; a binding that is missing fails readably, is told of, and costs nothing', async () => {
  const off = noted()
  await expect(transcribe(off.ctx, wave('hello'))).rejects.toMatchObject({ code: 'unavailable' })
  expect(transcriptionHealth(off.ctx)).toMatchObject({ status: 'off' })
  const unbound = noted({ TRANSCRIPTION_PROVIDER: 'workers-ai', TRANSCRIPTION_MODEL: `${TURBO}=0.00051` })
  expect(transcriptionHealth(unbound.ctx)).toMatchObject({ status: 'down', detail: 'the binding AI is missing' })
  await expect(transcribe(unbound.ctx, wave('hello'))).rejects.toMatchObject({ code: 'unavailable' })
  expect([unbound.held, unbound.settled]).toEqual([[], []])
})
