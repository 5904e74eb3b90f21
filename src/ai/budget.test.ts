import fc from 'fast-check'
import { expect, test } from 'vitest'
import { makeSteward } from '#test/steward'
import type { Account, BudgetSummary } from './budget.ts'
import type { Decision } from './call.ts'
import type { Ask, Settlement } from './ledger.ts'
import { NO_USAGE } from './model.ts'
import { PLANS } from './plans.ts'

const START_MS = Date.parse('2026-11-29T23:50:00Z')
const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const HELD_MS = 10 * MINUTE_MS
const { own, background } = PLANS.free

const decision: Decision = {
  id: 'aic_1',
  provider: 'anthropic',
  model: 'claude-sonnet-5-5',
  kind: 'chat',
  difficulty: 0,
  parts: {},
  reasons: [],
  cache: 'off',
  cacheReason: '',
  experiment: null,
}

function makeBudget() {
  const clock = { ms: START_MS }
  const steward = makeSteward(() => clock.ms)
  const ask = (id: string, worstMicros: number, isBackground = false): Ask => ({
    id,
    userId: 'usr_1',
    kind: 'chat',
    feature: 'assistant',
    conversationId: null,
    provider: 'anthropic',
    model: 'claude-sonnet-5-5',
    worstMicros,
    isBackground,
    deadlineMs: clock.ms + HELD_MS,
  })
  const settlement = (id: string, costMicros: number, isEstimated = false): Settlement => ({
    id,
    usage: { ...NO_USAGE, inputTokens: 1 },
    model: 'claude-sonnet-5-5',
    costMicros,
    isEstimated,
    firstTokenMs: null,
    totalMs: 1,
    outcome: 'done',
    cache: 'off',
    decision: { ...decision, id },
  })
  const hold = (id: string, worst: number, isBackground = false) => steward.reserve(ask(id, worst, isBackground))
  const pay = (id: string, cost: number, isEstimated = false) => steward.settle(settlement(id, cost, isEstimated))
  return { clock, steward, hold, pay }
}

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
  expect(steward.lines().map(({ id, costMicros }) => [id, costMicros])).toEqual([['a', 60]])
})

test('what was not said is charged in full, and what cost more than was held is told as it is', async () => {
  const { hold, pay } = makeBudget()
  await hold('a', 100)
  expect(await pay('a', 3, true)).toMatchObject({ chargedMicros: 100, overMicros: 0 })
  await hold('b', 100)
  expect(await pay('b', 130)).toMatchObject({ chargedMicros: 130, overMicros: 30 })
})

test('held again for the same call, the new reservation takes the place of the old one, or the old one stays', async () => {
  const { steward, hold } = makeBudget()
  await hold('a', 100)
  expect(await hold('a', own.day)).toMatchObject({ ok: true })
  expect(await hold('a', own.day + 1)).toMatchObject({ ok: false })
  expect((await steward.budget()).own.day.reservedMicros).toBe(own.day)
})

test('a call that was lost is charged in full, and corrected by lines of its own when it is heard of', async () => {
  const { clock, steward, hold, pay } = makeBudget()
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
    ['a', 100, true],
    ['a.final', 30, false],
    ['a.reversal', -100, true],
    ['b', 70, true],
  ])
})

test('what is no amount is held for nobody', async () => {
  const { hold } = makeBudget()
  for (const worst of [Number.NaN, -1, 0.5, Number.POSITIVE_INFINITY]) await expect(hold('a', worst)).rejects.toThrow()
})

type Step =
  | { do: 'hold'; worst: number; isBackground: boolean }
  | { do: 'pay'; pick: number; cost: number; isEstimated: boolean }
  | { do: 'release' | 'overdue'; pick: number }
  | { do: 'wait'; ms: number }
  | { do: 'cap'; dayMicros: number | null }

const micros = fc.integer({ min: 0, max: own.day })
const pick = fc.nat(1000)
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: fc.record({ do: fc.constant('hold'), worst: micros, isBackground: fc.boolean() }) },
    { weight: 5, arbitrary: fc.record({ do: fc.constant('pay'), pick, cost: micros, isEstimated: fc.boolean() }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('release', 'overdue'), pick }) },
    {
      weight: 2,
      arbitrary: fc.record({ do: fc.constant('wait'), ms: fc.constantFrom(MINUTE_MS, HELD_MS, 9 * HOUR_MS) }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('cap'), dayMicros: fc.option(micros) }) },
  ),
  { maxLength: 120 },
) as fc.Arbitrary<Step[]>

type Call = { id: string; account: 'own' | 'background'; day: string; worst: number; charged: number; state: string }

/** The same rules over a plain list of calls, summed anew each time. */
function makeModel() {
  const calls: (Call & { deadlineMs: number })[] = []
  const total = (account: string, period: string, wanted: (call: Call) => number) =>
    calls
      .filter((call) => call.account === account && call.day.startsWith(period))
      .reduce((sum, call) => sum + wanted(call), 0)
  const spent = (account: string, period: string) => total(account, period, ({ charged }) => charged)
  const held = (account: string, period: string) =>
    total(account, period, ({ state, worst }) => (state === 'held' ? worst : 0))
  const over = (account: string, period: string) =>
    total(account, period, ({ charged, worst }) => Math.max(0, charged - worst))
  return { calls, spent, held, over }
}

test('in any order of events nothing goes over a limit, and the ledger says what was charged', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (taken) => {
      const { clock, steward, hold, pay } = makeBudget()
      const { calls, spent, held, over } = makeModel()
      let cap: number | null = null
      for (const [index, step] of taken.entries()) {
        const day = new Date(clock.ms).toISOString().slice(0, 10)
        const call = 'pick' in step ? calls[step.pick % Math.max(1, calls.length)] : undefined
        if (step.do === 'wait') clock.ms += step.ms
        else if (step.do === 'cap') {
          cap = step.dayMicros
          const none = { dayMicros: null, monthMicros: null }
          await steward.setBudget({ caps: { own: { ...none, dayMicros: cap }, background: none } })
        } else if (step.do === 'hold') {
          const account = step.isBackground ? 'background' : 'own'
          const limits = PLANS.free[account]
          const ceiling = Math.min(limits.day, account === 'own' ? (cap ?? limits.day) : limits.day)
          const fits = (period: string, limit: number) =>
            step.worst <= Math.max(0, limit - spent(account, period) - held(account, period))
          const { ok } = await hold(`c${index}`, step.worst, step.isBackground)
          expect(ok).toBe(fits(day, ceiling) && fits(day.slice(0, 7), limits.month))
          const made = { id: `c${index}`, account, day, worst: step.worst, charged: 0, state: 'held' } as const
          if (ok) calls.push({ ...made, deadlineMs: clock.ms + HELD_MS })
        } else if (step.do === 'overdue') {
          const stale = calls.filter(({ state, deadlineMs }) => state === 'held' && deadlineMs <= clock.ms)
          for (const one of stale) Object.assign(one, { state: 'lost', charged: one.worst })
          expect(steward.overdue().sort()).toEqual(stale.map(({ id }) => id).sort())
        } else if (call && step.do === 'release') {
          expect((await steward.release(call.id)).released).toBe(call.state === 'held')
          if (call.state === 'held') calls.splice(calls.indexOf(call), 1)
        } else if (call && step.do === 'pay') {
          await pay(call.id, step.cost, step.isEstimated)
          const charged = step.isEstimated ? Math.max(call.worst, step.cost) : step.cost
          if (call.state !== 'settled') Object.assign(call, { state: 'settled', charged })
        }
        const now = new Date(clock.ms).toISOString().slice(0, 10)
        const found = await steward.budget()
        for (const account of ['own', 'background'] as const) {
          const windows: Account = found[account]
          for (const [name, period] of [['day', now] as const, ['month', now.slice(0, 7)] as const]) {
            const { spentMicros, reservedMicros, limitMicros } = windows[name]
            expect([spentMicros, reservedMicros]).toEqual([spent(account, period), held(account, period)])
            expect(spentMicros + reservedMicros - over(account, period)).toBeLessThanOrEqual(limitMicros)
          }
        }
      }
      const ledger = new Map<string, number>()
      for (const { callId, costMicros } of steward.lines()) ledger.set(callId, (ledger.get(callId) ?? 0) + costMicros)
      const charged = calls
        .filter(({ state }) => state !== 'held')
        .map((call): [string, number] => [call.id, call.charged])
      expect([...ledger].sort()).toEqual(charged.sort())
    }),
    { numRuns: 300, seed: 20_261_123 },
  )
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
