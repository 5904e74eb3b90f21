import type { Step } from './definition.ts'
import { ExpressionError, type Reader, type Values } from './reader.ts'

export type DoStep = Extract<Step, { do: string }>
export type AskStep = Extract<Step, { ask: object }>
export type WaitStep = Extract<Step, { wait: object }>

/** What carries a graph out. `path` is the id of a step, with the numbers of its items. */
export type Hands = {
  act(path: string, step: DoStep, values: Values): Promise<unknown>
  ask(path: string, step: AskStep, values: Values): Promise<unknown>
  /** Waits; answers the clock it woke at. */
  pause(path: string, step: WaitStep, values: Values): Promise<Values['now']>
  /** Goes on over what cannot be known yet: nothing is done. */
  isRehearsal: boolean
}
type Way = { reader: Reader; hands: Hands }

/** Goes through steps in their order; answers what is known after them. */
export async function walk(way: Way, steps: readonly Step[], from: Values, suffix = ''): Promise<Values> {
  const { reader, hands } = way
  let known = from
  for (const step of steps) {
    const path = `${step.id}${suffix}`
    if ('branch' in step) {
      known = await walk(way, chosen(way, step, known), known, suffix)
      continue
    }
    const { when } = step
    if (when !== undefined && !sure(way, true, () => reader.holds(when, known))) continue
    if ('do' in step) known = gave(known, step.id, await hands.act(path, step, known))
    else if ('wait' in step) known = { ...known, now: await hands.pause(path, step, known) }
    else if ('ask' in step) known = gave(known, step.id, await hands.ask(path, step, known))
    else known = await each(way, step, known, suffix)
  }
  return known
}

async function each(
  way: Way,
  step: Extract<Step, { forEach: string }>,
  known: Values,
  suffix: string,
): Promise<Values> {
  const list = sure(way, [], () => way.reader.evaluate(step.forEach, known))
  const items: unknown[] = Array.isArray(list) ? list.slice(0, step.max) : []
  // What an item's steps gave is read by the later steps of that item alone; of the clock all know.
  let { now } = known
  for (const [n, item] of items.entries()) {
    const inside = { ...known, now, item, [step.as]: item }
    ;({ now } = await walk(way, step.steps, inside, `${suffix}.${n}`))
  }
  return gave({ ...known, now }, step.id, { count: items.length })
}

/** What a rehearsal cannot know, it takes to be `otherwise`. */
function sure<T>({ hands }: Way, otherwise: T, find: () => T): T {
  try {
    return find()
  } catch (error) {
    if (hands.isRehearsal && error instanceof ExpressionError) return otherwise
    throw error
  }
}

function chosen(way: Way, step: Extract<Step, { branch: object }>, known: Values): readonly Step[] {
  const arm = step.branch.find(({ when }) => sure(way, false, () => way.reader.holds(when, known)))
  return arm?.then ?? step.else ?? []
}

const gave = (values: Values, id: string, output: unknown): Values => ({
  ...values,
  steps: { ...values.steps, [id]: output ?? null },
})

/** The id of a step, without the numbers of its items. */
export const idOf = (path: string): string => path.split('.')[0] ?? path

/** Every step that acts, also within others. */
export function actsIn(steps: readonly Step[]): DoStep[] {
  return steps.flatMap((step) => {
    if ('branch' in step) return [...step.branch.flatMap(({ then }) => actsIn(then)), ...actsIn(step.else ?? [])]
    if ('forEach' in step) return actsIn(step.steps)
    return 'do' in step ? [step] : []
  })
}
