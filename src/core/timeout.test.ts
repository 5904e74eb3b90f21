import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createTimer, wait, within } from './timeout.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }))
afterEach(() => void vi.useRealTimers())

test('a timer runs once, at the last limit it was given', async () => {
  const run = vi.fn()
  const timer = createTimer(run)
  timer.set(100)
  await vi.advanceTimersByTimeAsync(90)
  timer.set(100)
  await vi.advanceTimersByTimeAsync(90)
  timer.pause()
  await vi.advanceTimersByTimeAsync(1000)
  timer.set(100)
  timer.set(50)
  await vi.advanceTimersByTimeAsync(49)
  expect(run).not.toHaveBeenCalled()
  await vi.advanceTimersByTimeAsync(1)
  expect(run).toHaveBeenCalledOnce()
  await vi.advanceTimersByTimeAsync(1000)
  expect(run).toHaveBeenCalledOnce()
  timer.set(100)
  timer.clear()
  expect(vi.getTimerCount()).toBe(0)
})

test('a wait ends with its time or with the signal, and leaves nothing awake', async () => {
  const controller = new AbortController()
  const done = wait(100, controller.signal)
  await vi.advanceTimersByTimeAsync(100)
  await expect(done).resolves.toBeUndefined()
  const left = wait(100_000, controller.signal)
  const reason = new Error('left')
  controller.abort(reason)
  await expect(left).rejects.toBe(reason)
  await expect(wait(100_000, controller.signal)).rejects.toBe(reason)
  expect(vi.getTimerCount()).toBe(0)
})

test('what heeds no signal is waited for so long; how it ends after that is not heard', async () => {
  await expect(within(100, Promise.resolve(1))).resolves.toBe(1)
  await expect(within(100, Promise.reject(new Error('no')))).rejects.toThrow('no')
  expect(vi.getTimerCount()).toBe(0)
  const { promise, reject } = Promise.withResolvers<never>()
  const late = expect(within(100, promise)).rejects.toMatchObject({ name: 'TimeoutError' })
  await vi.advanceTimersByTimeAsync(100)
  await late
  reject(new Error('too late'))
})
