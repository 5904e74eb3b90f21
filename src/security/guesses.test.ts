import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { testCtx } from '#test/database'
import { createGuesses, heedGuesses, noteWrongGuess } from './guesses.ts'
import { rangeOf } from './limits.ts'

beforeEach(() => vi.useFakeTimers())
afterEach(() => vi.useRealTimers())

let ranges = 0
const newRange = () => `198.51.${ranges++}`
const from = (address: string) => {
  const ctx = testCtx({ client: { address, country: null, userAgent: '' } })
  return { ...ctx, config: { ...ctx.config, rateLimitFactor: 1 } }
}
const fail = (range: string, times: number) => {
  for (let n = 0; n < times; n++) noteWrongGuess(from(`${range}.${n % 250}`))
}
const whom = () => `${crypto.randomUUID()}@example.com`

/** How long one more guess from there is kept waiting. */
async function delayFrom(address: string): Promise<number> {
  const started = performance.now()
  const waited = heedGuesses(from(address), whom()).then(() => performance.now() - started)
  await vi.advanceTimersByTimeAsync(10_000)
  return Math.round(await waited)
}

test('the more guesses from a range were wrong the later it is answered, up to four seconds', async () => {
  const range = newRange()
  expect(await delayFrom(`${range}.1`)).toBe(0)
  fail(range, 9)
  expect(await delayFrom(`${range}.1`)).toBe(0)
  const delays: number[] = []
  for (let n = 0; n < 6; n++) {
    fail(range, 5)
    delays.push(await delayFrom(`${range}.77`))
  }
  expect(delays).toEqual([...delays].sort((a, b) => a - b))
  expect(delays[0]).toBeLessThanOrEqual(500)
  expect(delays.at(-1)).toBe(4000)
})

test('elsewhere nobody waits, also for an address that was guessed at', async () => {
  const [bad, good] = [newRange(), newRange()]
  fail(bad, 100)
  expect(await delayFrom(`${bad}.1`)).toBe(4000)
  expect(await delayFrom(`${good}.1`)).toBe(0)
})

test('a range is forgiven with time', async () => {
  const range = newRange()
  fail(range, 30)
  expect(await delayFrom(`${range}.1`)).toBeGreaterThan(0)
  vi.advanceTimersByTime(25 * 30_000)
  expect(await delayFrom(`${range}.1`)).toBe(0)
})

/** As the edge counts for every isolate of a place. */
function edgeOf(most: number) {
  const told = new Map<string, number>()
  const limit = async ({ key }: { key: string }) => {
    told.set(key, (told.get(key) ?? 0) + 1)
    return { success: (told.get(key) ?? 0) <= most }
  }
  return { GUESS_LIMIT: { limit } } as unknown as Env
}

test('guesses that are spread over isolates are slowed in each as if they had all been made there', async () => {
  const [range, env] = [newRange(), edgeOf(30)]
  const there = { ...from(`${range}.1`), env }
  const isolates = Array.from({ length: 31 }, createGuesses)
  const delayAt = async ({ heedGuesses: heed }: ReturnType<typeof createGuesses>, ctx = there) => {
    const started = performance.now()
    const waited = heed(ctx, whom()).then(() => performance.now() - started)
    await vi.advanceTimersByTimeAsync(10_000)
    return Math.round(await waited)
  }
  for (const { noteWrongGuess: note } of isolates.slice(0, 30)) note(there)
  await there.settled()
  expect(await Promise.all(isolates.map((isolate) => delayAt(isolate)))).toEqual(Array(31).fill(0))
  for (const { noteWrongGuess: note } of isolates) note(there)
  await there.settled()
  for (const isolate of isolates.slice(0, 3)) expect(await delayAt(isolate)).toBe(4000)
  const [first = createGuesses()] = isolates
  expect(await delayAt(first, { ...from(`${newRange()}.1`), env })).toBe(0)
})

test('where the edge cannot be asked the isolate counts by itself', async () => {
  const lost = { limit: () => Promise.reject(new Error('away')) }
  const range = newRange()
  const there = { ...from(`${range}.1`), env: { GUESS_LIMIT: lost } as unknown as Env }
  for (let n = 0; n < 100; n++) noteWrongGuess(there)
  await there.settled()
  expect(await delayFrom(`${range}.1`)).toBe(4000)
})

test('of a range ten wait at a time, more are told when to come back, and are let in then', async () => {
  const range = newRange()
  fail(range, 100)
  const waiting = Array.from({ length: 10 }, () => heedGuesses(from(`${range}.1`), whom()))
  await expect(heedGuesses(from(`${range}.2`), whom())).rejects.toMatchObject({
    code: 'rate_limited',
    retryAfterS: 4,
    limit: { name: 'slow', left: 0 },
  })
  expect(await delayFrom(`${newRange()}.1`)).toBe(0)
  await vi.advanceTimersByTimeAsync(4000)
  await Promise.all(waiting)
  expect(await delayFrom(`${range}.2`)).toBe(4000)
})

test('one address is guessed at 20 times a minute from one network, and from another again', async () => {
  const [here, there] = [from(`${newRange()}.1`), from(`${newRange()}.1`)]
  const name = whom()
  for (let n = 0; n < 20; n++) await heedGuesses(here, name)
  await expect(heedGuesses(here, name.toUpperCase())).rejects.toMatchObject({ limit: { name: 'guess', left: 0 } })
  await heedGuesses(there, name)
})

test('a range is a /24, or a /48 of IPv6', () => {
  expect(rangeOf('192.0.2.200')).toBe('192.0.2.0/24')
  expect(rangeOf('2001:db8:0:ffff::1')).toBe(rangeOf('2001:0DB8::1'))
  expect(rangeOf('2001:db8:1::1')).not.toBe(rangeOf('2001:db8::1'))
})
