import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { startCron } from './cron.ts'

const throwIt = (error: Error) => {
  throw error
}

beforeEach(() => void vi.useFakeTimers({ now: new Date('2026-11-23T10:00:20.500Z') }))
afterEach(() => void vi.useRealTimers())

test('the first tick is at once and each is told its exact minute', async () => {
  const ticks: string[] = []
  const cron = startCron(async (at) => void ticks.push(at.toISOString()), throwIt)
  await vi.advanceTimersByTimeAsync(2 * 60_000)
  expect(ticks).toEqual(['2026-11-23T10:00:00.000Z', '2026-11-23T10:01:00.000Z', '2026-11-23T10:02:00.000Z'])
  await cron.stop()
  await vi.advanceTimersByTimeAsync(5 * 60_000)
  expect(ticks).toHaveLength(3)
})

test('minutes missed during a long tick are caught up by one', async () => {
  const ticks: string[] = []
  const slow = Promise.withResolvers<void>()
  const cron = startCron(async (at) => {
    ticks.push(at.toISOString())
    if (ticks.length === 1) await slow.promise
  }, throwIt)
  await vi.advanceTimersByTimeAsync(3 * 60_000)
  expect(ticks).toHaveLength(1)
  slow.resolve()
  await vi.advanceTimersByTimeAsync(0)
  expect(ticks).toEqual(['2026-11-23T10:00:00.000Z', '2026-11-23T10:03:00.000Z'])
  await cron.stop()
})

test('a tick that fails is told and the next one comes', async () => {
  const errors: string[] = []
  let count = 0
  const cron = startCron(
    async () => {
      if (count++ === 0) throw new Error('once')
    },
    (error) => errors.push(error.message),
  )
  await vi.advanceTimersByTimeAsync(60_000)
  expect([count, errors]).toEqual([2, ['once']])
  await cron.stop()
})
