import { Failed } from './course.ts'
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
  /** In a rehearsal: is told which step hangs on what cannot be known yet, and goes on. Null: it is done in earnest. */
  unsure: ((path: string) => void) | null
  /** What is gone through in place of the steps given. */
  instead?: readonly Step[] | undefined
}
type Way = { reader: Reader; hands: Hands }
type Going = Way & { passed: { steps: number } }

/** A for-each in a for-each makes many steps of few: so many one run passes, done or not. */
export const MAX_PASSED = 300

/** Goes through steps in their order; answers what is known after them. */
export async function walk(way: Way, steps: readonly Step[], from: Values): Promise<Values> {
  return await go({ ...way, passed: { steps: 0 } }, way.hands.instead ?? steps, from, '')
}

async function go(way: Going, steps: readonly Step[], from: Values, suffix: string): Promise<Values> {
  const { reader, hands, passed } = way
  let known = from
  for (const step of steps) {
    const path = `${step.id}${suffix}`
    if (++passed.steps > MAX_PASSED)
      throw new Failed({ code: 'too_many_steps', detail: `It has more than ${MAX_PASSED} steps to go`, step: path })
    if ('branch' in step) {
      known = await go(way, chosen(way, path, step, known), known, suffix)
      continue
    }
    const { when } = step
    if (when !== undefined && !sure(way, null, true, () => reader.holds(when, known))) continue
    if ('do' in step) known = gave(known, step.id, await hands.act(path, step, known))
    else if ('wait' in step) known = { ...known, now: await hands.pause(path, step, known) }
    else if ('ask' in step) known = gave(known, step.id, await hands.ask(path, step, known))
    else known = await each(way, step, known, suffix)
  }
  return known
}

async function each(
  way: Going,
  step: Extract<Step, { forEach: string }>,
  known: Values,
  suffix: string,
): Promise<Values> {
  const list = sure(way, `${step.id}${suffix}`, [], () => way.reader.evaluate(step.forEach, known))
  const items: unknown[] = Array.isArray(list) ? list.slice(0, step.max) : []
  // What an item's steps gave is read by the later steps of that item alone; of the clock all know.
  let { now } = known
  for (const [n, item] of items.entries()) {
    const inside = { ...known, now, item, [step.as]: item }
    ;({ now } = await go(way, step.steps, inside, `${suffix}.${n}`))
  }
  return gave({ ...known, now }, step.id, { count: items.length })
}

/** What a rehearsal cannot know, it takes to be `otherwise`, and says so of the step at `path`. */
function sure<T>({ hands }: Way, path: string | null, otherwise: T, find: () => T): T {
  try {
    return find()
  } catch (error) {
    if (hands.unsure === null || !(error instanceof ExpressionError)) throw error
    if (path !== null) hands.unsure(path)
    return otherwise
  }
}

function chosen(way: Way, path: string, step: Extract<Step, { branch: object }>, known: Values): readonly Step[] {
  const arm = step.branch.find(({ when }) => sure(way, path, false, () => way.reader.holds(when, known)))
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
