export { enqueue, enqueueIfCheaper, getAnswer, runBatches } from './batch.ts'
export { aiAnswered, withdraw } from './batch-rows.ts'
export { breakerStates } from './breaker.ts'
export {
  type BudgetChange,
  type BudgetSummary,
  nextDeadlineMs,
  overdue,
  type Reserved,
  release,
  reserve,
  type Settled,
  setBudget,
  settle,
  stale,
  summary,
} from './budget.ts'
export { BUDGET_MIGRATIONS } from './budget-migrations.ts'
export { cacheSubscriber, pruneAnswers } from './cache.ts'
export type { Call, Feature, GatewayEvent, Receipt, TokensLeft } from './call.ts'
export { catalogueOf, findModel } from './catalogue.ts'
export { type ReadTime, readTime } from './dates.ts'
export { quote } from './direct.ts'
export { embed, embeddingsHealth } from './embed.ts'
export { generate } from './gateway.ts'
export { answerHeaders, refusedTokens } from './headers.ts'
export { createInflight } from './inflight.ts'
export { type Ask, flushed, type Settlement, unflushed } from './ledger.ts'
export { findCosts, writeUsage } from './ledger-rows.ts'
export type { Format, ModelMessage, ModelTool, PersonFacts, ToolCall, ToolChoice } from './model.ts'
export { type Calls, type SharedAsk, shareCall } from './sharing.ts'
export { charsOf } from './size.ts'
export { explainExhausted, readBudget } from './spending.ts'
export { MAX_AUDIO_BYTES, type Transcript, transcribe, transcriptionHealth } from './transcribe.ts'
