import { AppError, type UserCtx } from '#core'
import type { Refused } from './budget.ts'
import type { TokensLeft } from './call.ts'
import type { Model } from './catalogue.ts'
import { tokensLeft } from './tightest.ts'

const MICROS_PER_DOLLAR = 1_000_000

/** `worst`: what the call would have cost at most. `promptTokens`: null of what is not priced by the token. */
type Wanted = { model: Model; worst: number; promptTokens: number | null }

/** A call for which the budget has no room, with what is left of it. */
export class BudgetExhausted extends AppError {
  readonly tokens: TokensLeft | undefined
  constructor(message: string, { retryAfterS, tokens }: { retryAfterS?: number; tokens?: TokensLeft | undefined }) {
    super('budget_exhausted', message, retryAfterS === undefined ? {} : { retryAfterS })
    this.tokens = tokens
  }
}

/** Why the Steward held nothing. */
export function asRefusal(
  { now }: Pick<UserCtx, 'now'>,
  { reason, resetAtMs, leftMicros, tightest }: Refused,
  wanted?: Wanted,
): AppError {
  if (reason === 'settled') return new AppError('conflict', 'This call is over')
  if (reason === 'paused')
    return new BudgetExhausted('You have paused the spending on AI; nothing is spent until you go on', {})
  const left = dollars(Math.min(leftMicros.day, leftMicros.month))
  const most = wanted === undefined ? '' : ` and this may cost up to ${dollars(wanted.worst)} USD`
  const resetAt = new Date(resetAtMs).toISOString()
  const message = `${left} USD is left of ${BUDGETS[reason]}${most}; it resets at ${resetAt}`
  const retryAfterS = Math.max(1, Math.ceil((resetAtMs - now().getTime()) / 1000))
  const tokens = wanted && tightest && tokensLeft(wanted.model, now(), wanted.promptTokens, tightest)
  return new BudgetExhausted(message, { retryAfterS, tokens })
}

const BUDGETS = {
  day: "today's budget for AI",
  month: "this month's budget for AI",
  cap: 'the limit you set for AI',
  background: 'the budget for background work',
  key: 'the budget of this API key',
}

const dollars = (micros: number) => (micros / MICROS_PER_DOLLAR).toFixed(6)
