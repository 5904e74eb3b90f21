export { breakerStates } from './breaker.ts'
export {
  BUDGET_MIGRATIONS,
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
  summary,
} from './budget.ts'
export { cacheSubscriber, pruneAnswers } from './cache.ts'
export { aiCacheApp } from './cache-routes.ts'
export type { Call, Decision, Feature, GatewayEvent, Kind, Receipt } from './call.ts'
export { catalogueOf, findModel, type Model } from './catalogue.ts'
export { embeddingsHealth } from './embed.ts'
export { type AiCtx, generate } from './gateway.ts'
export { createInflight } from './inflight.ts'
export { type Ask, flushed, type Settlement, unflushed } from './ledger.ts'
export type {
  Format,
  ModelMessage,
  ModelRequest,
  ModelTool,
  PersonFacts,
  Stop,
  ToolCall,
  ToolChoice,
  Usage,
} from './model.ts'
export { aiApp } from './routes.ts'
export { explainExhausted } from './spending.ts'
export { writeUsage } from './usage.ts'
