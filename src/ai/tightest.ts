import type { Ask } from './ledger.ts'

/** Of day and month what has less left, a call held; limited by plan, cap and key. */
export type Tightest = { limitMicros: number; leftMicros: number; resetAtMs: number }

type Window = { limitMicros: number; capMicros: number | null; resetsAtMs: number }
type ByWindow<T> = { day: T; month: T }

export function tightestOf(windows: ByWindow<Window>, left: ByWindow<number>, { key, worstMicros }: Ask): Tightest {
  const name = left.month <= left.day ? 'month' : 'day'
  const { limitMicros: ofPlan, capMicros, resetsAtMs: resetAtMs } = windows[name]
  const ofKey = name === 'day' ? key?.dayMicros : key?.monthMicros
  const limitMicros = Math.min(ofPlan, capMicros ?? ofPlan, ofKey ?? ofPlan)
  return { limitMicros, leftMicros: left[name] - worstMicros, resetAtMs }
}
