import type { Ask, Settlement } from '#ai'

type Decision = Settlement['decision']

/** Of a call of Claude's, what a test does not say. */
export const makeDecision = (id: string, more: Partial<Decision> = {}): Decision => ({
  id,
  provider: 'anthropic',
  model: 'claude-sonnet-5-5',
  kind: 'chat',
  difficulty: 0,
  parts: {},
  reasons: [],
  cache: 'off',
  cacheReason: '',
  experiment: null,
  ...more,
})

export const makeAsk = (id: string, more: Pick<Ask, 'worstMicros' | 'deadlineMs'> & Partial<Ask>): Ask => ({
  id,
  userId: 'usr_1',
  kind: 'chat',
  feature: 'assistant',
  conversationId: null,
  provider: 'anthropic',
  model: 'claude-sonnet-5-5',
  isBackground: false,
  ...more,
})

export const makeSettlement = (id: string, costMicros: number, more: Partial<Settlement> = {}): Settlement => ({
  id,
  usage: { inputTokens: 1, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0, cacheWrite1hTokens: 0 },
  model: 'claude-sonnet-5-5',
  costMicros,
  isEstimated: false,
  firstTokenMs: null,
  totalMs: 1,
  outcome: 'done',
  cache: 'off',
  decision: makeDecision(id),
  ...more,
})
