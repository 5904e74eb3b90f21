import { setTimeout as wait } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { testCtx } from '#test/database'
import { createSlots, hashPassword } from './password.ts'

const ROOMY = { atOnce: 3, waiting: 100, waitMs: 10_000 }

test('of fifty at once no more work than there are slots, and each has its turn', async () => {
  const inSlot = createSlots(ROOMY)
  let [working, most] = [0, 0]
  const work = async (n: number) => {
    most = Math.max(most, ++working)
    await wait(1)
    working--
    return n
  }
  const done = await Promise.all(Array.from({ length: 50 }, (_, n) => inSlot(() => work(n))))
  expect(done).toEqual(Array.from({ length: 50 }, (_, n) => n))
  expect(most).toBe(3)
})

test('who finds too many waiting, or waits too long, is told when to come back', async () => {
  const refused = { code: 'unavailable', retryAfterS: 2 }
  const inSlot = createSlots({ atOnce: 1, waiting: 2, waitMs: 20 })
  const end = Promise.withResolvers<void>()
  const first = inSlot(() => end.promise)
  const queue = Promise.allSettled([inSlot(async () => 'second'), inSlot(async () => 'third')])
  await expect(inSlot(async () => 'fourth')).rejects.toMatchObject(refused)
  expect(await queue).toMatchObject(Array(2).fill({ status: 'rejected', reason: refused }))
  end.resolve()
  await first
})

test('a hundred from one network leave the others their turn; who names no network shares one', async () => {
  const ctx = testCtx()
  const from = (address: string) => ({
    ...ctx,
    config: { ...ctx.config, rateLimitFactor: 1 },
    client: { ...ctx.client, address },
  })
  const hashes = (addresses: string[]) =>
    Promise.allSettled(addresses.map((address) => hashPassword(from(address), 'correct horse battery staple')))
  // Whoever hashed before, there is a rest now: nobody works, five wait.
  await hashes(['198.51.100.9'])
  const busy = hashes(Array.from({ length: 100 }, (_, n) => `2001:db8::${n}`))
  const unknown = hashes(Array.from({ length: 7 }, () => ''))
  expect(await hashes(['198.51.100.1', '198.51.100.2'])).toMatchObject(Array(2).fill({ status: 'fulfilled' }))
  const refused = { status: 'rejected', reason: { code: 'unavailable' } }
  expect(await busy).toMatchObject([...Array(5).fill({ status: 'fulfilled' }), ...Array(95).fill(refused)])
  expect(await unknown).toMatchObject([...Array(5).fill({ status: 'fulfilled' }), ...Array(2).fill(refused)])
})

test('work that failed leaves its slot', async () => {
  const inSlot = createSlots({ ...ROOMY, atOnce: 1 })
  await expect(inSlot(() => Promise.reject(new Error('broke')))).rejects.toThrow('broke')
  expect(await inSlot(async () => 'next')).toBe('next')
})

test('between two hashes others have as long as one took', async () => {
  const ctx = testCtx()
  const hash = () => hashPassword(ctx, 'correct horse battery staple')
  await hash()
  let [isDone, longestMs, turns] = [false, 0, 0]
  const other = async () => {
    while (!isDone) {
      const began = performance.now()
      await wait(1)
      longestMs = Math.max(longestMs, performance.now() - began)
      turns++
    }
  }
  const began = performance.now()
  const all = Promise.all(Array.from({ length: 6 }, hash)).then(() => {
    isDone = true
  })
  await Promise.all([all, other()])
  const tookMs = performance.now() - began
  // Six in a row without a rest would leave it a turn or two, and one wait as long as all.
  expect(longestMs).toBeLessThan(tookMs / 2)
  expect(turns).toBeGreaterThan(6)
})
