import fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import type { Ctx, LimitClass } from '#core'
import { testCtx } from '#test/database'
import { memorySql } from '#test/steward'
import { LIMITS, type Take } from './limits.ts'
import { createShares } from './shares.ts'
import { grant, LIMIT_MIGRATIONS, type LimitAsk } from './windows.ts'

const START_MS = Date.parse('2026-11-22T12:00:00Z')
const { quota: READS } = LIMITS.read
const AHEAD = READS / 50

/** A person's Steward, and isolates that ask it; `away` while it cannot be asked. */
function makeIsolates(count: number) {
  const clock = { ms: START_MS }
  const steward = { sql: memorySql(LIMIT_MIGRATIONS), asks: 0, away: false, hangs: false }
  const grantCalls = async (ask: LimitAsk) => {
    steward.asks++
    if (steward.away) throw new Error('away')
    if (steward.hangs) await new Promise(() => {})
    return grant(steward.sql, ask, clock.ms)
  }
  const waiting: Promise<unknown>[] = []
  const env = { STEWARD: { getByName: () => ({ grantCalls }) } } as unknown as Ctx['env']
  const base = testCtx({ env, now: () => new Date(clock.ms), waitUntil: (promise) => void waiting.push(promise) })
  const ctx = { ...base, config: { ...base.config, rateLimitFactor: 1 } }
  const isolates = Array.from({ length: count }, createShares)
  const isolate = (at: number) => isolates[at % count] ?? createShares()
  return {
    clock,
    steward,
    told: async () => void (await Promise.all(waiting.splice(0))),
    take: async (at: number, limit: LimitClass) => await isolate(at).takeOwn(ctx, 'usr_1', limit),
    takeKey: async (at: number, ratePerMinute: number | null) =>
      await isolate(at).takeKey(ctx, 'usr_1', { id: 'key_1', scopes: [], ratePerMinute }),
  }
}

test('one isolate lets in exactly the quota, and says what is left', async () => {
  for (const limit of ['read', 'write', 'ai', 'export'] as const) {
    const { take } = makeIsolates(1)
    const { quota, windowS } = LIMITS[limit]
    const takes: Take[] = []
    for (let n = 0; n < quota + 2; n++) takes.push(await take(0, limit))
    expect(takes.map(({ left }) => left)).toEqual([...Array(quota).keys()].reverse().concat(0, 0))
    expect(takes.map(({ ok }) => ok)).toEqual(takes.map((_, at) => at < quota))
    expect(takes.at(-1)).toEqual({ ok: false, quota, left: 0, windowS, resetS: windowS })
  }
})

test('what is exact is exact over all isolates, in whatever order they are asked, and again in each window', async () => {
  const calls = fc.array(fc.nat(3), { minLength: 90, maxLength: 120 })
  await fc.assert(
    fc.asyncProperty(calls, async (order) => {
      const { take, clock } = makeIsolates(4)
      const once = async () => (await Promise.all(order.map((at) => take(at, 'ai')))).filter(({ ok }) => ok).length
      expect(await once()).toBe(LIMITS.ai.quota)
      clock.ms += 59_999
      expect(await once()).toBe(0)
      clock.ms += 1
      expect(await once()).toBe(LIMITS.ai.quota)
    }),
    { numRuns: 20 },
  )
})

test('what is shared never goes beyond its quota by more than each further isolate lets in ahead', async () => {
  const calls = fc.array(fc.tuple(fc.nat(2), fc.boolean()), { minLength: 3 * READS, maxLength: 3 * READS })
  await fc.assert(
    fc.asyncProperty(calls, async (order) => {
      const { take, told } = makeIsolates(3)
      const takes: Promise<Take>[] = []
      for (const [at, isTold] of order) {
        takes.push(take(at, 'read'))
        if (isTold) await told()
      }
      const passed = (await Promise.all(takes)).filter(({ ok }) => ok).length
      expect(passed).toBeGreaterThanOrEqual(READS)
      expect(passed).toBeLessThanOrEqual(READS + 2 * AHEAD)
    }),
    { numRuns: 10 },
  )
})

test('a person of ordinary habits is let in without a word to the Steward, a busy one with few', async () => {
  const { take, told, steward } = makeIsolates(1)
  for (let n = 0; n < AHEAD / 2 - 1; n++) await take(0, 'read')
  expect(steward.asks).toBe(0)
  for (let n = 0; n < READS / 2; n++) {
    await take(0, 'read')
    await told()
  }
  expect(steward.asks).toBeLessThan(20)
})

test('who is refused is refused without asking until the window is over', async () => {
  const { take, steward, clock } = makeIsolates(1)
  for (let n = 0; n <= LIMITS.ai.quota; n++) await take(0, 'ai')
  const { asks } = steward
  clock.ms += 20_000
  expect(await take(0, 'ai')).toMatchObject({ ok: false, left: 0, resetS: 40 })
  expect(steward.asks).toBe(asks)
  clock.ms += 40_000
  expect(await take(0, 'ai')).toMatchObject({ ok: true, left: LIMITS.ai.quota - 1 })
})

test('where the Steward is away nothing costly is let in, and the rest by what the isolate counts', async () => {
  const { take, told, steward, clock } = makeIsolates(1)
  steward.away = true
  await expect(take(0, 'ai')).rejects.toMatchObject({ code: 'unavailable', retryAfterS: 2 })
  for (let n = 0; n < READS; n++) expect((await take(0, 'read')).ok).toBe(true)
  expect((await take(0, 'read')).ok).toBe(false)
  expect(steward.asks).toBe(2)
  await told()
  steward.away = false
  clock.ms += 2000
  // Back again, it hears of all that was let in meanwhile.
  expect(await take(0, 'read')).toMatchObject({ ok: false, left: 0 })
  expect(await take(1, 'read')).toMatchObject({ ok: false, left: 0 })
})

test('a Steward that does not answer holds nobody up: costly calls for two seconds, others not at all once that is known', async () => {
  vi.useFakeTimers()
  try {
    const { take, steward } = makeIsolates(1)
    steward.hangs = true
    const refused = expect(take(0, 'ai')).rejects.toMatchObject({ code: 'unavailable' })
    await vi.advanceTimersByTimeAsync(2000)
    await refused
    const reads = Array.from({ length: 2 * AHEAD }, () => take(0, 'read'))
    await vi.advanceTimersByTimeAsync(2000)
    expect((await Promise.all(reads)).every(({ ok }) => ok)).toBe(true)
    // No timer is waited for here.
    expect((await take(0, 'read')).ok).toBe(true)
  } finally {
    vi.useRealTimers()
  }
})

test('a low rate of a key is exact, a high one is shared, none counts nothing', async () => {
  const { takeKey, steward } = makeIsolates(2)
  const takes = await Promise.all([0, 1, 0, 1].map((at) => takeKey(at, 3)))
  expect(takes.filter((take) => take?.ok)).toHaveLength(3)
  const { asks } = steward
  expect(await takeKey(0, null)).toBeUndefined()
  expect(steward.asks).toBe(asks)
  expect(await makeIsolates(1).takeKey(0, 100)).toMatchObject({ ok: true, quota: 100, left: 99 })
})

test('a grant of a window that is over is worth nothing in the next', () => {
  const sql = memorySql(LIMIT_MIGRATIONS)
  const ask = { name: 'export', quota: 5, windowS: 3600, spent: 0, isExact: true }
  const at = (ms: number) => grant(sql, { ...ask, sinceMs: START_MS + ms }, START_MS + ms)
  for (let n = 0; n < 6; n++) at(0)
  expect(at(3_599_999)).toEqual({ granted: 0, left: 0, endsMs: START_MS + 3_600_000 })
  expect(at(3_600_000)).toEqual({ granted: 1, left: 4, endsMs: START_MS + 7_200_000 })
  // A clock that is wrong by hours opens no window that is over already.
  const wrong = grant(memorySql(LIMIT_MIGRATIONS), { ...ask, sinceMs: 0 }, START_MS)
  expect(wrong.endsMs).toBeGreaterThan(START_MS)
})
