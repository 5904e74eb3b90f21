import { afterAll, expect, test } from 'vitest'
import { testCtx } from '#test/database'
import { FAULTS, type Fault, type FaultyEnd, faultyBinding, startFaultyServer } from '#test/provider-faults'
import { anthropicProvider } from './anthropic.ts'
import { breakerStates, makeBreakers } from './breaker.ts'
import { catalogueOf } from './catalogue.ts'
import { ModelFailure } from './failure.ts'
import { type ModelProvider, type ModelRequest, NO_USAGE } from './model.ts'
import { openaiProvider } from './openai.ts'
import { survive } from './survive.ts'
import { workersAiProvider } from './workers-ai.ts'

const NAMES = ['anthropic', 'openai-compatible', 'workers-ai'] as const
type Name = (typeof NAMES)[number]

const SHORT_MS = 60
const TOTAL_MS = 5_000
const LONG = { connectMs: TOTAL_MS, firstMs: TOTAL_MS, idleMs: TOTAL_MS }
// Only the deadline a fault runs into is short: a busy machine is no fault.
const LIMITS: Partial<Record<Fault, object>> = {
  'hang before headers': { connectMs: SHORT_MS },
  'hang before the first word': { firstMs: SHORT_MS },
  'hang mid-stream': { idleMs: SHORT_MS },
}
const SLACK_MS = 1_000
const AT_ONCE = 6

const servers: FaultyEnd[] = []
afterAll(async () => void (await Promise.all(servers.map(({ stop }) => stop()))))

/** A provider whose other end has a fault until it is mended. */
async function faulty(name: Name, fault: Fault): Promise<{ end: FaultyEnd; provider: ModelProvider }> {
  if (name === 'workers-ai') {
    const { run, ...end } = faultyBinding(fault)
    return { end, provider: workersAiProvider({ run }) }
  }
  const { url, ...end } = await startFaultyServer(name, fault)
  servers.push(end)
  const settings = { apiKey: 'k', baseUrl: url }
  return { end, provider: name === 'anthropic' ? anthropicProvider(settings) : openaiProvider(settings) }
}

const request: ModelRequest = {
  system: 's',
  volatileSystem: '',
  messages: [{ role: 'user', at: '2026-11-23T09:00:00.000Z', parts: [{ type: 'text', text: 'hello' }] }],
  tools: [],
  maxOutputTokens: 500,
}

const healthy: ModelProvider = {
  name: 'openai-compatible',
  async *generate() {
    yield { type: 'text', text: '!' }
    yield { type: 'end', stop: 'done', model: 'other', usage: NO_USAGE, isFinal: true }
  },
}

/** How one fault goes, from the first call to the recovery. */
async function play(name: Name, fault: Fault, mode: 'stream' | 'whole') {
  let nowMs = Date.parse('2026-11-23T09:00:00.000Z')
  const { config } = testCtx()
  const anthropic = { apiKey: 'k', baseUrl: undefined, model: 'claude-opus-5-5' }
  const declared = {
    name: 'm',
    inputDollars: 0,
    outputDollars: 0,
    contextTokens: 1e5,
    maxOutputTokens: 1e4,
    tier: 2 as const,
  }
  const models = [declared]
  const ai = {
    ...config.ai,
    providers: [name],
    anthropic,
    openai: { baseUrl: '', apiKey: undefined, models },
    workersAi: { models },
  }
  const ctx = { config: { ...config, ai }, now: () => new Date(nowMs), waitUntil: () => undefined }
  const [model] = catalogueOf(ctx.config)
  if (!model) throw new Error('a model is configured')
  const { end, provider } = await faulty(name, fault)
  const breakers = makeBreakers()
  const ill = { ...LONG, ...LIMITS[fault] }
  let limits = ill
  const options = { deadlines: () => limits, totalMs: TOTAL_MS, breakers, pause: async () => undefined }
  const other = { model: { ...model, name: 'other' }, provider: healthy }
  const attempts = [{ model, provider }]
  const events = () => survive(ctx, attempts, request, new AbortController().signal, options)
  const ask = async () => {
    const startedMs = performance.now()
    const seen: string[] = []
    let failure: unknown
    try {
      // Read as it comes, or awaited as one.
      if (mode === 'stream') for await (const { type } of events()) seen.push(type)
      else seen.push(...(await Array.fromAsync(events(), ({ type }) => type)))
    } catch (error) {
      failure = error
    }
    return { seen, failure, ms: performance.now() - startedMs }
  }
  const stateNow = async () => (await breakerStates(ctx, breakers))[0]?.detail.split(':')[0]

  const calls = [await ask()]
  while ((await stateNow()) !== 'open' && calls.length < 6) calls.push(await ask())
  const opened = await stateNow()
  const before = end.asked()
  const refused = await ask()
  const spared = end.asked() === before
  const stood = { ...options, breakers: makeBreakers() }
  let saved = ''
  for await (const event of survive(ctx, [...attempts, other], request, new AbortController().signal, stood))
    if (event.type === 'text') saved += event.text

  nowMs += 30_000
  limits = LONG
  await end.mend()
  const healed = await ask()
  return { name, fault, mode, calls, opened, refused, spared, saved, healed, recovered: await stateNow() }
}

test('no call outlives its deadline, every outcome is typed, the breaker opens, spares the provider and recovers', async () => {
  const cells = NAMES.flatMap((name) =>
    (Object.keys(FAULTS) as Fault[]).flatMap((fault) =>
      (['stream', 'whole'] as const).map((mode) => [name, fault, mode] as const),
    ),
  )
  const played: Awaited<ReturnType<typeof play>>[] = []
  for (let from = 0; from < cells.length; from += AT_ONCE)
    played.push(...(await Promise.all(cells.slice(from, from + AT_ONCE).map((cell) => play(...cell)))))
  const rows = played.map(({ name, fault, mode, calls, opened, saved, recovered }) => ({
    fault,
    provider: name,
    read: mode,
    outcome: calls[0]?.failure instanceof ModelFailure ? calls[0].failure.reason : 'untyped',
    ms: Math.round(calls[0]?.ms ?? 0),
    'calls to open': calls.length,
    breaker: `${opened} > ${recovered}`,
    'said with a second model': saved,
  }))
  console.table(rows)
  for (const { name, fault, mode, calls, opened, refused, spared, saved, healed, recovered } of played) {
    const cell = `${fault}, ${name}, ${mode}`
    const deadlineMs = (fault in LIMITS ? SHORT_MS : TOTAL_MS) + SLACK_MS
    for (const { failure, ms } of [...calls, refused]) {
      expect(failure, cell).toBeInstanceOf(ModelFailure)
      expect(ms, cell).toBeLessThan(deadlineMs)
    }
    expect(calls[0]?.failure, cell).toMatchObject({ reason: FAULTS[fault] })
    expect({ opened, spared, recovered }, cell).toEqual({ opened: 'open', spared: true, recovered: 'closed' })
    expect(refused.failure, cell).toMatchObject({ reason: 'overloaded', retryAfterS: expect.any(Number) })
    expect(saved, cell).toMatch(/^(?:Hi)?!$/)
    expect(healed.failure, cell).toBeUndefined()
    if (mode === 'whole') continue
    // Never a silent stop: the end comes before the error, once.
    const ends = calls.map(({ seen }) => seen.filter((type) => type === 'end').length)
    expect(new Set(ends), cell).toEqual(new Set([1]))
    expect(healed.seen, cell).toEqual(['try', 'text', 'tried', 'end'])
  }
}, 60_000)
