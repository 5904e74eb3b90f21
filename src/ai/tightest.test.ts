import { expect, test } from 'vitest'
import { makeSteward } from '#test/steward'
import type { Ask } from './ledger.ts'
import { PLANS } from './plans.ts'

const AT = Date.parse('2026-11-03T09:00:00Z')
const TOMORROW = Date.parse('2026-11-04T00:00:00Z')
const NEXT_MONTH = Date.parse('2026-12-01T00:00:00Z')
const ask: Ask = {
  ...{ id: 'a', userId: 'usr_1', kind: 'chat', feature: 'assistant', conversationId: null, provider: 'anthropic' },
  ...{ model: 'claude-sonnet-5-5', worstMicros: 100, isBackground: false, deadlineMs: AT + 600_000 },
}

test('of what it holds it says what is left of the tighter of day and month, as plan, cap and key limit it', async () => {
  const steward = makeSteward(() => AT)
  const held = async (more: Partial<Ask> = {}) => {
    const reserved = await steward.reserve({ ...ask, ...more })
    return reserved.ok ? reserved.tightest : undefined
  }
  const { day } = PLANS.free.own
  expect(await held()).toEqual({ limitMicros: day, leftMicros: day - 100, resetAtMs: TOMORROW })
  const key = { id: 'key_1', dayMicros: null, monthMicros: 300 }
  expect(await held({ key })).toEqual({ limitMicros: 300, leftMicros: 200, resetAtMs: NEXT_MONTH })
  const none = { dayMicros: null, monthMicros: null }
  await steward.setBudget({ caps: { own: { dayMicros: 250, monthMicros: null }, background: none } })
  expect(await held()).toEqual({ limitMicros: 250, leftMicros: 150, resetAtMs: TOMORROW })
})
