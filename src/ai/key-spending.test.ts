import { expect, test } from 'vitest'
import { HELD_MS, makeBudget } from '#test/budget'
import type { Ask } from './ledger.ts'
import { PLANS } from './plans.ts'

const MINUTE_MS = 60_000
const { own } = PLANS.free

function makeKeyBudget() {
  const { ask, ...budget } = makeBudget()
  const holdBy = (key: Ask['key'], id: string, worstMicros: number) =>
    budget.steward.reserve({ ...ask(id, worstMicros), ...(key && { key }) })
  return { ...budget, holdBy }
}

test('a key has a budget of its own beside that of its person, by the day and by the month', async () => {
  const { clock, steward, holdBy, pay } = makeKeyBudget()
  const key = { id: 'key_1', dayMicros: 100, monthMicros: 150 }
  expect(await holdBy(key, 'a', 101)).toMatchObject({
    reason: 'key',
    leftMicros: { day: 100, month: 150 },
    resetAtMs: Date.parse('2026-11-30'),
  })
  expect(await holdBy(key, 'a', 60)).toMatchObject({ ok: true })
  expect(await holdBy(key, 'b', 41)).toMatchObject({ reason: 'key' })
  expect(await holdBy(key, 'b', 40)).toMatchObject({ ok: true, tightest: { limitMicros: 100, leftMicros: 0 } })
  await steward.release('b')
  await pay('a', 50)
  clock.ms += 10 * MINUTE_MS
  expect(await holdBy({ ...key, monthMicros: 149 }, 'c', 100)).toMatchObject({
    reason: 'key',
    leftMicros: { month: 99 },
  })
  expect(await holdBy(key, 'c', 100)).toMatchObject({ ok: true })
  // Neither its person nor another key is held to it, and they do not take from it.
  expect(await holdBy(undefined, 'd', 1000)).toMatchObject({ ok: true })
  expect(await holdBy({ ...key, id: 'key_2' }, 'e', 100)).toMatchObject({ ok: true })
  await pay('c', 100)
  expect((await steward.budget()).keys).toEqual({ key_1: { dayMicros: 100, monthMicros: 150 } })
  expect(steward.lines().map(({ callId, keyId }) => [callId, keyId])).toEqual([
    ['a', 'key_1'],
    ['c', 'key_1'],
  ])
})

test('a key is never let beyond what its person has left', async () => {
  const { holdBy } = makeKeyBudget()
  const key = { id: 'key_1', dayMicros: null, monthMicros: own.month * 2 }
  expect(await holdBy(key, 'a', own.day + 1)).toMatchObject({ ok: false, reason: 'day', leftMicros: { day: own.day } })
  expect(await holdBy(key, 'a', own.day)).toMatchObject({ ok: true })
  expect(await holdBy(key, 'b', 1)).toMatchObject({ ok: false, reason: 'day' })
})

test('what is lost and found again of a key is charged to it once', async () => {
  const { clock, steward, holdBy, pay } = makeKeyBudget()
  await holdBy({ id: 'key_1', dayMicros: null, monthMicros: null }, 'a', 100)
  clock.ms += HELD_MS
  expect(steward.overdue()).toEqual(['a'])
  expect((await steward.budget()).keys).toMatchObject({ key_1: { monthMicros: 100 } })
  await pay('a', 30)
  expect((await steward.budget()).keys).toMatchObject({ key_1: { monthMicros: 30 } })
})
