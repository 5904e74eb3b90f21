import { expect, test } from 'vitest'
import { testCtx } from '#test/database'
import { admit, breakerStates, type Colo, failed, makeBreakers, succeeded, undecided } from './breaker.ts'
import { catalogueOf } from './catalogue.ts'

/** A clock of its own, on Claude's catalogue; everything given to `waitUntil` can be awaited. */
function world() {
  let nowMs = Date.parse('2026-11-23T09:00:00.000Z')
  const waiting: Promise<unknown>[] = []
  const { config } = testCtx()
  const claude = { apiKey: 'k', baseUrl: undefined, model: undefined }
  const ctx = {
    config: {
      ...config,
      ai: { ...config.ai, providers: ['anthropic' as const, 'offline' as const], anthropic: claude },
    },
    now: () => new Date(nowMs),
    waitUntil: (work: Promise<unknown>) => void waiting.push(work),
  }
  const [model, other] = catalogueOf(ctx.config)
  if (!model || !other) throw new Error('Claude has two models')
  return {
    ctx,
    model,
    other,
    pass: (ms: number) => {
      nowMs += ms
    },
    settle: async () => void (await Promise.all(waiting.splice(0))),
  }
}

const times = (count: number, work: () => void) => Array.from({ length: count }, work)
const stateOf = async (ctx: ReturnType<typeof world>['ctx'], breakers: ReturnType<typeof makeBreakers>) =>
  (await breakerStates(ctx, breakers))[0]

test('five failures open it for fifteen seconds; then one call tries, and closes it for all', async () => {
  const { ctx, model, other, pass } = world()
  const breakers = makeBreakers()
  times(4, () => failed(ctx, breakers, model))
  expect(admit(ctx, breakers, model)).toBe(0)
  failed(ctx, breakers, model)
  expect(admit(ctx, breakers, model)).toBe(15_000)
  expect(admit(ctx, breakers, other)).toBe(0)
  expect(await stateOf(ctx, breakers)).toEqual({ provider: 'anthropic', status: 'down', detail: `open: ${model.name}` })
  pass(15_000)
  expect((await stateOf(ctx, breakers))?.detail).toBe(`half-open: ${model.name}`)
  expect(admit(ctx, breakers, model)).toBe(0)
  expect(admit(ctx, breakers, model)).toBeGreaterThan(0)
  succeeded(ctx, breakers, model)
  expect(times(3, () => undefined).map(() => admit(ctx, breakers, model))).toEqual([0, 0, 0])
  expect(await stateOf(ctx, breakers)).toMatchObject({ status: 'ok', detail: 'closed' })
})

test('a trial that fails leaves it open again; one that says nothing leaves the next call to try', () => {
  const { ctx, model, pass } = world()
  const breakers = makeBreakers()
  times(5, () => failed(ctx, breakers, model))
  pass(15_000)
  expect(admit(ctx, breakers, model)).toBe(0)
  failed(ctx, breakers, model)
  expect(admit(ctx, breakers, model)).toBe(15_000)
  pass(15_000)
  expect(admit(ctx, breakers, model)).toBe(0)
  undecided(breakers, model)
  expect(admit(ctx, breakers, model)).toBe(0)
  // The isolate that tried went away without a word.
  pass(60_000)
  expect(admit(ctx, breakers, model)).toBe(0)
})

test('failures among as many successes, or long ago, do not open it', () => {
  const { ctx, model, pass } = world()
  const breakers = makeBreakers()
  times(20, () => succeeded(ctx, breakers, model))
  times(15, () => failed(ctx, breakers, model))
  expect(admit(ctx, breakers, model)).toBe(0)
  pass(60_000)
  times(4, () => failed(ctx, breakers, model))
  pass(60_000)
  failed(ctx, breakers, model)
  expect(admit(ctx, breakers, model)).toBe(0)
})

test('a provider that names a long wait is left alone for so long, and never for more than five minutes', () => {
  const { ctx, model, other } = world()
  const breakers = makeBreakers()
  failed(ctx, breakers, model, 40_000)
  expect(admit(ctx, breakers, model)).toBe(40_000)
  failed(ctx, breakers, other, 86_400_000)
  expect(admit(ctx, breakers, other)).toBe(300_000)
})

/** The cache of a colo, and how often it was asked. */
function fakeColo() {
  const kept = new Map<string, number>()
  const seen = { reads: 0, writes: 0 }
  const colo: Colo = {
    async read(url) {
      seen.reads++
      return kept.get(url) ?? 0
    },
    async write(url, untilMs) {
      seen.writes++
      kept.set(url, untilMs)
    },
  }
  return { colo, seen }
}

test('what one isolate learned the others of its colo know: written when it changes, read at most every five seconds', async () => {
  const { ctx, model, pass, settle } = world()
  const { colo, seen } = fakeColo()
  const [here, there] = [makeBreakers(colo), makeBreakers(colo)]
  times(50, () => {
    admit(ctx, there, model)
    succeeded(ctx, there, model)
  })
  await settle()
  expect(seen).toEqual({ reads: 1, writes: 0 })
  times(7, () => failed(ctx, here, model))
  await settle()
  expect(seen).toEqual({ reads: 1, writes: 1 })
  // The call that finds out is not held up by it: the next one knows.
  pass(5_000)
  expect(admit(ctx, there, model)).toBe(0)
  await settle()
  expect(admit(ctx, there, model)).toBe(10_000)
  pass(10_000)
  expect(admit(ctx, there, model)).toBe(0)
  succeeded(ctx, there, model)
  await settle()
  expect(seen.writes).toBe(2)
})

test('a cache that fails changes nothing', async () => {
  const { ctx, model, settle } = world()
  const broken = async () => {
    throw new Error('no cache here')
  }
  const breakers = makeBreakers({ read: broken, write: broken })
  times(5, () => failed(ctx, breakers, model))
  expect(admit(ctx, breakers, model)).toBe(15_000)
  await settle()
  expect(await stateOf(ctx, breakers)).toMatchObject({ status: 'down' })
})
