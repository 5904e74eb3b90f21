import type { TokensLeft } from './call.ts'
import type { Model } from './catalogue.ts'
import type { Ask } from './ledger.ts'
import { tokensFor } from './prices.ts'

/** Of day and month what has less left; limited by plan, cap and key. */
export type Tightest = { limitMicros: number; leftMicros: number; resetAtMs: number }

type Window = { limitMicros: number; capMicros: number | null; resetsAtMs: number }
type ByWindow<T> = { day: T; month: T }

export function tightestOf(windows: ByWindow<Window>, left: ByWindow<number>, { key }: Ask): Tightest {
  const name = left.month <= left.day ? 'month' : 'day'
  const { limitMicros: ofPlan, capMicros, resetsAtMs: resetAtMs } = windows[name]
  const ofKey = name === 'day' ? key?.dayMicros : key?.monthMicros
  const limitMicros = Math.min(ofPlan, capMicros ?? ofPlan, ofKey ?? ofPlan)
  return { limitMicros, leftMicros: left[name], resetAtMs }
}

/** What it buys of this model, with a prompt of this length; undefined where tokens cost nothing, or are not what it is priced by. */
export function tokensLeft(
  { prices, maxOutputTokens }: Model,
  at: Date,
  promptTokens: number | null,
  { limitMicros, leftMicros, resetAtMs }: Tightest,
): TokensLeft | undefined {
  const buy = promptTokens === null ? undefined : tokensFor(prices, at, promptTokens, maxOutputTokens > 0)
  if (!buy) return undefined
  const [all, left] = [buy(limitMicros), buy(leftMicros)]
  const of = (kind: 'input' | 'output') => ({ limit: all[kind], remaining: left[kind] })
  return { input: of('input'), output: of('output'), any: of(all.output < all.input ? 'output' : 'input'), resetAtMs }
}
