import type { Definition, Gather, Trigger } from './definition.ts'
import type { Expressions } from './expression.ts'

export type Condition = Extract<Trigger, { kind: 'condition' }>

const MIDNIGHTLY: ReadonlySet<string> = new Set(['tasks', 'insights', 'calendar', 'free_time'])
const CLOCK: ReadonlySet<string | null> = new Set(['at', 'time', 'hour', 'minute', null])
/** What changes when what is gathered does. Of decisions nothing is told that a workflow may wait for. */
const CHANGES: Record<Gather['source'], readonly string[]> = {
  tasks: ['task.*'],
  insights: ['task.*'],
  calendar: ['event.*'],
  free_time: ['event.*', 'me.*'],
  memories: ['memory.*'],
  preferences: ['me.*'],
  decisions: [],
}

function usesOf(cel: Expressions, { when }: Condition) {
  const read = { params: 'dyn', trigger: 'dyn', now: 'dyn', facts: 'dyn' }
  const checked = cel.check(when, read)
  return checked.ok ? checked.uses : []
}

/** Of what its workflow gathers that which the condition reads. */
export function inputsOf(cel: Expressions, condition: Condition, { gather }: Pick<Definition, 'gather'>): Gather[] {
  const read = usesOf(cel, condition).filter(({ root }) => root === 'facts')
  const isWhole = read.some(({ member }) => member === null)
  return gather.filter(({ name }) => isWhole || read.some(({ member }) => member === name))
}

/** The events after which it is looked at: those it names, or else, where it names no times either, what it reads. */
export function watchedBy(cel: Expressions, condition: Condition, definition: Pick<Definition, 'gather'>): string[] {
  const { on = [], check = [] } = condition
  if (on.length + check.length > 0) return [...on]
  return [...new Set(inputsOf(cel, condition, definition).flatMap(({ source }) => CHANGES[source]))]
}

/** What is looked at by the clock alone is asked anew each day. */
export const isDaily = ({ on = [], check = [] }: Condition): boolean => on.length === 0 && check.length > 0

export const readsTheClock = (cel: Expressions, condition: Condition): boolean =>
  usesOf(cel, condition).some(({ root, member }) => root === 'now' && CLOCK.has(member))

/** Whether another day may make it true or false. */
export const readsTheDay = (cel: Expressions, condition: Condition, inputs: readonly Gather[]): boolean =>
  inputs.some(({ source }) => MIDNIGHTLY.has(source)) || usesOf(cel, condition).some(({ root }) => root === 'now')
