import { When } from '#scheduler'
import type { Parameter, Trigger } from './definition.ts'
import type { Expressions } from './expression.ts'

export type Temporal = Extract<Trigger, { kind: 'at' | 'every' | 'cron' | 'rrule' }>
export type Params = Record<string, string | number | boolean>

const TEMPORAL: ReadonlySet<string> = new Set(['at', 'every', 'cron', 'rrule'])
export const isTemporal = (trigger: Trigger): trigger is Temporal => TEMPORAL.has(trigger.kind)

/** A trigger with its parameters written in. A string says what is wrong with it. */
export function filled<T extends Trigger>(cel: Expressions, trigger: T, params: Params): T | string {
  if (trigger.kind === 'event') return trigger
  // What a condition says is an expression, and no text to be filled.
  const texts = trigger.kind === 'condition' ? { check: trigger.check ?? [] } : trigger
  const made = cel.render(texts, cel.scope({ params }))
  if (!made.ok) return made.problem
  if (trigger.kind === 'condition')
    return trigger.check ? { ...trigger, ...(typeof made.value === 'object' && made.value) } : trigger
  // biome-ignore lint/nursery/noUnsafeTypeAssertion: only texts were filled, and the scheduler reads them anew
  return made.value as T
}

/** When it is due, as the scheduler says it; `zone` is meant where the trigger names none. */
export function whenOf({ missed: _, ...trigger }: Temporal, zone: string): When | string {
  const read = When.safeParse({ timeZone: zone, ...trigger })
  if (read.success) return read.data
  const [issue] = read.error.issues
  return issue?.message ?? 'is no time'
}

/** What each parameter is without a choice of the person's. */
export function defaultsOf(parameters: readonly Parameter[]): Params {
  return Object.fromEntries(parameters.map(({ name, default: value }) => [name, value]))
}
