import fc from 'fast-check'
import { expect, test } from 'vitest'
import { HELD_MS, makeBudget, START_MS } from '#test/budget'
import type { Account } from './budget.ts'
import { PLANS } from './plans.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const { own } = PLANS.free

test('held again later, a call is held twice, and each end is that of one of its holds', async () => {
  const { clock, steward, hold, pay } = makeBudget()
  const [first, second] = [START_MS + HELD_MS, START_MS + 1000 + HELD_MS]
  await hold('a', 100)
  clock.ms += 1000
  expect(await hold('a', own.day)).toMatchObject({ ok: false })
  expect(await hold('a', 70)).toMatchObject({ ok: true })
  const day = async () => {
    const { spentMicros, reservedMicros } = (await steward.budget()).own.day
    return [spentMicros, reservedMicros]
  }
  expect(await day()).toEqual([0, 170])
  expect(await steward.release('a', second - 1)).toMatchObject({ released: false })
  expect(await pay('a', 30, false, first)).toMatchObject({ chargedMicros: 30 })
  expect(await pay('a', 99, false, first)).toMatchObject({ chargedMicros: 30 })
  expect(await day()).toEqual([30, 70])
  expect(await pay('a', 20)).toMatchObject({ chargedMicros: 20 })
  expect(await day()).toEqual([50, 0])
  expect(await hold('a', 1)).toMatchObject({ reason: 'settled' })
  expect(steward.lines().map(({ id, callId, costMicros }) => [id, callId, costMicros])).toEqual([
    [`a.${first}`, 'a', 30],
    [`a.${second}`, 'a', 20],
  ])
})

test('a hold is not closed as overdue for one of the same call that was looked at before', async () => {
  const { clock, steward, hold, pay } = makeBudget()
  for (const id of ['again', 'settled', 'released', 'heard']) await hold(id, 100)
  clock.ms += HELD_MS
  const looked = steward.stale()
  await hold('again', 7)
  await pay('settled', 30)
  await steward.release('released')
  await hold('released', 5)
  const [known] = looked.map(({ id, deadlineMs }) => `${id}.${deadlineMs}`)
  expect(steward.close(looked, new Map([[known ?? '', 40]]))).toEqual(['heard'])
  const { spentMicros, reservedMicros } = (await steward.budget()).own.month
  expect([spentMicros, reservedMicros]).toEqual([40 + 30 + 100, 7 + 5])
  expect(steward.nextDeadlineMs()).toBe(clock.ms + HELD_MS)
})

type Step =
  | { do: 'hold'; worst: number; isBackground: boolean }
  | { do: 'pay'; pick: number; cost: number; isEstimated: boolean }
  | { do: 'release' | 'overdue'; pick: number }
  | { do: 'again'; pick: number; worst: number; isBackground: boolean }
  | { do: 'wait'; ms: number }
  | { do: 'cap'; dayMicros: number | null }

const micros = fc.integer({ min: 0, max: own.day })
const pick = fc.nat(1000)
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: fc.record({ do: fc.constant('hold'), worst: micros, isBackground: fc.boolean() }) },
    { weight: 5, arbitrary: fc.record({ do: fc.constant('pay'), pick, cost: micros, isEstimated: fc.boolean() }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('release', 'overdue'), pick }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('again'), pick, worst: micros, isBackground: fc.boolean() }) },
    {
      weight: 2,
      arbitrary: fc.record({ do: fc.constant('wait'), ms: fc.constantFrom(MINUTE_MS, HELD_MS, 9 * HOUR_MS) }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('cap'), dayMicros: fc.option(micros) }) },
  ),
  { maxLength: 120 },
) as fc.Arbitrary<Step[]>

type Call = { id: string; account: 'own' | 'background'; day: string; worst: number; charged: number; state: string }
/** `isLatest`: no hold of the same call came after it. */
type Held = Call & { deadlineMs: number; isLatest: boolean }

/** The same rules over a plain list of calls, summed anew each time. */
function makeModel() {
  const calls: Held[] = []
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
        } else if (step.do === 'hold' || (step.do === 'again' && call)) {
          const id = call?.id ?? `c${index}`
          const deadlineMs = clock.ms + HELD_MS
          const latest = calls.find((one) => one.id === id && one.isLatest)
          // Taken out while it is asked what there is room for.
          const replaced = latest?.state === 'held' && latest.deadlineMs === deadlineMs ? latest : undefined
          if (replaced) replaced.state = 'replaced'
          const account = step.isBackground ? 'background' : 'own'
          const limits = PLANS.free[account]
          const ceiling = Math.min(limits.day, account === 'own' ? (cap ?? limits.day) : limits.day)
          const fits = (period: string, limit: number) =>
            step.worst <= Math.max(0, limit - spent(account, period) - held(account, period))
          const { ok } = await hold(id, step.worst, step.isBackground)
          const isOpen = !latest || latest.state === 'held' || latest === replaced
          expect(ok).toBe(isOpen && fits(day, ceiling) && fits(day.slice(0, 7), limits.month))
          if (!ok && replaced) replaced.state = 'held'
          if (!ok) continue
          if (replaced) calls.splice(calls.indexOf(replaced), 1)
          else if (latest) latest.isLatest = false
          const made = { id, account, day, worst: step.worst, charged: 0, state: 'held' } as const
          calls.push({ ...made, deadlineMs, isLatest: true })
        } else if (step.do === 'overdue') {
          const stale = calls.filter(({ state, deadlineMs }) => state === 'held' && deadlineMs <= clock.ms)
          for (const one of stale) Object.assign(one, { state: 'lost', charged: one.worst })
          expect(steward.overdue().sort()).toEqual(stale.map(({ id }) => id).sort())
        } else if (call && step.do === 'release') {
          expect((await steward.release(call.id, call.deadlineMs)).released).toBe(call.state === 'held')
          if (call.state === 'held') calls.splice(calls.indexOf(call), 1)
        } else if (call && step.do === 'pay') {
          await pay(call.id, step.cost, step.isEstimated, call.deadlineMs)
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
      for (const { id, costMicros } of steward.lines()) {
        const held = id.split('.', 2).join('.')
        ledger.set(held, (ledger.get(held) ?? 0) + costMicros)
      }
      const charged = calls
        .filter(({ state }) => state !== 'held')
        .map((call): [string, number] => [`${call.id}.${call.deadlineMs}`, call.charged])
      expect([...ledger].sort()).toEqual(charged.sort())
    }),
    { numRuns: 300, seed: 20_261_123 },
  )
})
