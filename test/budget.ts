import { makeAsk, makeSettlement } from './ai-call.ts'
import { makeSteward } from './steward.ts'

export const START_MS = Date.parse('2026-11-29T23:50:00Z')
export const HELD_MS = 600_000

/** A budget with a clock that is set by hand, and calls to hold and to pay. */
export function makeBudget() {
  const clock = { ms: START_MS }
  const steward = makeSteward(() => clock.ms)
  const ask = (id: string, worstMicros: number, isBackground = false) =>
    makeAsk(id, { worstMicros, isBackground, deadlineMs: clock.ms + HELD_MS })
  const hold = (id: string, worst: number, isBackground = false) => steward.reserve(ask(id, worst, isBackground))
  const pay = (id: string, cost: number, isEstimated = false, deadlineMs?: number) =>
    steward.settle(makeSettlement(id, cost, { isEstimated, deadlineMs }))
  return { clock, steward, ask, hold, pay }
}
