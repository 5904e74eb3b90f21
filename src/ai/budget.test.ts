import { expect, test } from 'vitest'
import { HELD_MS, makeBudget, START_MS } from '#test/budget'
import { makeSteward } from '#test/steward'
import type { BudgetSummary } from './budget.ts'
import { PLANS } from './plans.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const { own, background } = PLANS.free

test('what is held and what was spent leave no room for one micro-dollar more', async () => {
  const { steward, hold, pay } = makeBudget()
  expect(await hold('a', own.day - 100)).toMatchObject({ ok: true, tightest: { leftMicros: 100 } })
  expect(await hold('b', 101)).toMatchObject({ ok: false, reason: 'day', resetAtMs: Date.parse('2026-11-30') })
  expect(await hold('b', 100)).toMatchObject({ ok: true, tightest: { leftMicros: 0 } })
  expect(await hold('c', 0)).toMatchObject({ ok: true })
  await pay('a', 50)
  expect(await hold('d', own.day - 149)).toMatchObject({ ok: false })
  expect(await hold('d', own.day - 150)).toMatchObject({ ok: true })
  const { day } = (await steward.budget()).own
  expect(day).toMatchObject({ spentMicros: 50, reservedMicros: own.day - 50, leftMicros: 0 })
})

test('a day ends at midnight UTC and a month with it, and a call counts to the day it began', async () => {
  const { clock, steward, hold, pay } = makeBudget()
  await hold('a', own.day)
  clock.ms += 10 * MINUTE_MS
  expect(await hold('b', own.day)).toMatchObject({ ok: true })
  await pay('a', 7)
  expect((await steward.budget()).own).toMatchObject({
    day: { spentMicros: 0, reservedMicros: own.day, resetsAtMs: Date.parse('2026-12-01') },
    month: { spentMicros: 7, reservedMicros: own.day, resetsAtMs: Date.parse('2026-12-01') },
  })
  clock.ms += 24 * HOUR_MS
  expect((await steward.budget()).own).toMatchObject({
    day: { leftMicros: own.day, resetsAtMs: Date.parse('2026-12-02') },
    month: { leftMicros: own.month, resetsAtMs: Date.parse('2027-01-01') },
  })
})

test('of a day and a month that are both used up the month is told', async () => {
  const { clock, hold } = makeBudget()
  clock.ms = Date.parse('2026-12-01')
  for (let day = 0; day < 5; day++, clock.ms += 24 * HOUR_MS) await hold(`d${day}`, own.day)
  clock.ms -= 24 * HOUR_MS
  expect(await hold('one more', 1)).toMatchObject({ reason: 'month', resetAtMs: Date.parse('2027-01-01') })
})

test('background work and the person do not take from each other', async () => {
  const { hold } = makeBudget()
  expect(await hold('a', background.day, true)).toMatchObject({ ok: true })
  expect(await hold('b', 1, true)).toMatchObject({ ok: false, reason: 'background' })
  expect(await hold('c', own.day)).toMatchObject({ ok: true })
  expect(await hold('d', 1)).toMatchObject({ ok: false, reason: 'day' })
})

test('a person may stop everything, and set a limit lower than that of the plan, never a higher one', async () => {
  const { steward, hold } = makeBudget()
  const none = { dayMicros: null, monthMicros: null }
  await steward.setBudget({ caps: { own: { dayMicros: 10, monthMicros: own.month * 9 }, background: none } })
  expect(await hold('a', 11)).toMatchObject({ ok: false, reason: 'cap' })
  expect(await hold('a', own.day + 1)).toMatchObject({ ok: false, reason: 'day' })
  expect(await hold('a', 10)).toMatchObject({ ok: true, tightest: { limitMicros: 10, leftMicros: 0 } })
  await steward.setBudget({ isPaused: true })
  expect(await hold('b', 0)).toMatchObject({ ok: false, reason: 'paused', resetAtMs: 0 })
  expect(await steward.budget()).toMatchObject({ isPaused: true, own: { day: { capMicros: 10 } } })
})

test('a call is charged once, however often its end is told, and what is over holds nothing again', async () => {
  const { steward, hold, pay } = makeBudget()
  await hold('a', 100)
  expect(await pay('a', 60)).toEqual({ ok: true, chargedMicros: 60, overMicros: 0 })
  expect(await pay('a', 99)).toEqual({ ok: true, chargedMicros: 60, overMicros: 0 })
  expect(await hold('a', 100)).toMatchObject({ ok: false, reason: 'settled' })
  expect(await steward.release('a')).toEqual({ ok: true, released: false })
  expect(await pay('nobody', 1)).toEqual({ ok: false, reason: 'unknown' })
  expect(steward.lines().map(({ callId, costMicros }) => [callId, costMicros])).toEqual([['a', 60]])
})

test('what was not said is charged in full, and what cost more than was held is told as it is', async () => {
  const { hold, pay } = makeBudget()
  await hold('a', 100)
  expect(await pay('a', 3, true)).toMatchObject({ chargedMicros: 100, overMicros: 0 })
  await hold('b', 100)
  expect(await pay('b', 130)).toMatchObject({ chargedMicros: 130, overMicros: 30 })
})

test('held again with the same deadline, the new reservation takes the place of the old one, or the old one stays', async () => {
  const { steward, hold } = makeBudget()
  await hold('a', 100)
  expect(await hold('a', own.day)).toMatchObject({ ok: true })
  expect(await hold('a', own.day + 1)).toMatchObject({ ok: false })
  expect((await steward.budget()).own.day.reservedMicros).toBe(own.day)
})

test('a call that was lost is charged in full, and corrected by lines of its own when it is heard of', async () => {
  const { clock, steward, hold, pay } = makeBudget()
  const held = (id: string) => `${id}.${START_MS + HELD_MS}`
  await hold('a', 100)
  await hold('b', 70)
  expect(steward.nextDeadlineMs()).toBe(START_MS + HELD_MS)
  expect(steward.overdue()).toEqual([])
  clock.ms += HELD_MS
  expect(steward.overdue()).toEqual(['a', 'b'])
  expect((await steward.budget()).own.month).toMatchObject({ spentMicros: 170, reservedMicros: 0 })
  await pay('a', 30)
  await pay('b', 0, true)
  expect((await steward.budget()).own.month.spentMicros).toBe(100)
  expect(steward.lines().map(({ id, costMicros, isEstimated }) => [id, costMicros, isEstimated])).toEqual([
    [held('a'), 100, true],
    [`${held('a')}.final`, 30, false],
    [`${held('a')}.reversal`, -100, true],
    [held('b'), 70, true],
  ])
})

test('what is no amount is held for nobody', async () => {
  const { hold } = makeBudget()
  for (const worst of [Number.NaN, -1, 0.5, Number.POSITIVE_INFINITY]) await expect(hold('a', worst)).rejects.toThrow()
})

test('who has no plan is on the one of the deployment, also after setting limits; who has one keeps it', async () => {
  const clock = { plan: 'max' as BudgetSummary['plan'] }
  const steward = makeSteward(
    () => START_MS,
    () => clock.plan,
  )
  expect((await steward.budget()).own.day.limitMicros).toBe(PLANS.max.own.day)
  const none = { dayMicros: null, monthMicros: null }
  expect(await steward.setBudget({ caps: { own: none, background: none } })).toMatchObject({ plan: 'max' })
  clock.plan = 'pro'
  expect((await steward.budget()).plan).toBe('pro')
  expect((await steward.setBudget({ plan: 'teams' })).plan).toBe('teams')
  expect((await steward.setBudget({ isPaused: true })).plan).toBe('teams')
  clock.plan = 'max'
  expect((await steward.budget()).own.month.limitMicros).toBe(PLANS.teams.own.month)
})
