import type { Ask, Settlement } from '#ai'
import { makeSteward } from './steward.ts'

export const START_MS = Date.parse('2026-11-29T23:50:00Z')
export const HELD_MS = 600_000

const NO_USAGE = { inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0, cacheWrite1hTokens: 0 }
const decision: Settlement['decision'] = {
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

/** A budget with a clock that is set by hand, and calls to hold and to pay. */
export function makeBudget() {
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
  const settlement = (id: string, costMicros: number, isEstimated: boolean, deadlineMs?: number): Settlement => ({
    id,
    deadlineMs,
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
  const pay = (id: string, cost: number, isEstimated = false, deadlineMs?: number) =>
    steward.settle(settlement(id, cost, isEstimated, deadlineMs))
  return { clock, steward, hold, pay }
}
