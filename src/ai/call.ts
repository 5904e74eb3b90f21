import type { Effort, ModelEvent, ModelRequest, ProviderName } from './model.ts'

/** What a call is for: the choice of model goes by it. */
export const KINDS = [
  'chat',
  'analyse',
  'classify',
  'summarise',
  'draft',
  'extract',
  'embed',
  'transcribe',
  'speak',
] as const
export type Kind = (typeof KINDS)[number]

/** How much is thought about each kind of work. A limit of output that was used up by thinking leaves no answer. */
export const EFFORTS: Partial<Record<Kind, Effort>> = {
  chat: 'low',
  classify: 'low',
  extract: 'low',
  summarise: 'low',
  draft: 'medium',
  analyse: 'high',
}

/** Where in the product a call comes from: usage is told by it. */
export const FEATURES = [
  'assistant',
  'compat.openai',
  'compat.anthropic',
  'mcp',
  'cache',
  'search',
  'batch',
  'proactivity',
  'workflows',
] as const
export type Feature = (typeof FEATURES)[number]

/**
 * One call through the gateway. `model` is a name of the catalogue a client asked for; without it the gateway chooses.
 * `background` spends the allowance for work nobody asked for. `share` is what makes an answer safe to give again to
 * the same person: the ids of all that fed it; without it nothing is read from or kept in a cache.
 */
export type Call = {
  kind: Kind
  feature: Feature
  request: ModelRequest
  conversationId?: string
  model?: string
  /** Which model answered last in this conversation. */
  previousModel?: string
  background?: boolean
  share?: { sources: string[] }
}

export type CacheState = 'off' | 'miss' | 'exact' | 'semantic' | 'shared'

/** Why this model: kept with the call, told at `GET /v1/ai/decisions/:id`. */
export type Decision = {
  /** Also the id of the call, and of its row in the ledger. */
  id: string
  provider: ProviderName
  model: string
  kind: Kind
  /** 0 to 1, and what it is made of. */
  difficulty: number
  parts: Record<string, number>
  /** In the order they were weighed, in plain words. */
  reasons: string[]
  cache: CacheState
  cacheReason: string
  experiment: { id: string; variant: string } | null
}

/** What a call took: on every message a person can see it. `firstTokenMs` is null when nothing was said. */
export type Receipt = {
  callId: string
  provider: string
  model: string
  inputTokens: number
  outputTokens: number
  cacheReadTokens: number
  cacheWriteTokens: number
  costMicros: number
  /** True where the provider did not say what it billed: the reservation was charged. */
  isEstimated: boolean
  firstTokenMs: number | null
  totalMs: number
}

/** Microseconds the gateway itself took, by part. */
export type Overhead = { choiceUs: number; reserveUs: number; cacheUs: number }

type Tokens = { limit: number; remaining: number }
/** What the tightest budget buys of the model that was asked, all of it spent on one kind; `any` at the dearest rate. */
export type TokensLeft = { input: Tokens; output: Tokens; any: Tokens; resetAtMs: number }

/** `start` comes first, `end` last, each once; an error comes after `end`. */
export type GatewayEvent =
  | { type: 'start'; decision: Decision; overhead: Overhead; tokens?: TokensLeft }
  | Exclude<ModelEvent, { type: 'end' }>
  | (Extract<ModelEvent, { type: 'end' }> & { receipt: Receipt })
