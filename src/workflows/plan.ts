import type { Change } from '#core'
import { effectKind } from '#effects'
import type { ActionOffer, Autonomy } from '#proactivity'
import { type Analysed, isStale } from './analyse.ts'
import { Failed } from './course.ts'
import type { Act, Begun, World } from './ports.ts'
import { cut, ExpressionError, type Reader, type Values } from './reader.ts'
import type { RunError } from './run-schema.ts'
import { type Hands, walk } from './walk.ts'

/** Speak to the person alone, or change nothing: to ask first would say as much. Nothing of them is taken back. */
export const QUESTION = 'ask_question'
const HARMLESS = new Set(['notify', QUESTION])
/** Bring back what others wrote: whatever is made of it later is made of strangers' words. */
const TAINTING = new Set(['mcp_tool', 'call_webhook'])

export const isHarmless = (kind: string): boolean => HARMLESS.has(kind)
export const isTainting = (kind: string): boolean => TAINTING.has(kind)

export type Offer = ActionOffer & { autonomy: Autonomy }
/**
 * `unknown`: steps that hang on what earlier ones give, or on an answer. `error`: it cannot be carried out at all.
 * `alternatives`: what may be chosen instead.
 */
export type Plan = {
  offers: Offer[]
  alternatives?: ActionOffer[]
  changes: Change[]
  unknown: string[]
  error: RunError | null
}

/** What the person allowed of these acts. */
export async function allowed(
  world: World,
  { workflowId }: Pick<Begun, 'workflowId'>,
  acts: Act[],
): Promise<Autonomy[]> {
  if (acts.length === 0) return []
  const levels = await world.allow(acts.map((act) => ({ ...act, workflowId })))
  return levels.map((level, n) => {
    const { kind = '', isStale: isOld = false } = acts[n] ?? {}
    if (isHarmless(kind)) return level === 'ask' ? 'act_silently' : level
    return isOld && level !== 'never' ? 'ask' : level
  })
}

type Planned = { run: Begun; reader: Reader; values: Values; analysed: Analysed; isTainted: boolean }

/**
 * What the graph would do with these facts, found by going through it with a port that only writes down. Of what is not
 * known yet, it leaves out what hangs on it.
 */
export async function planOf(world: World, planned: Planned): Promise<Plan> {
  const { run, reader, values } = planned
  const { hands, found, changes, unknown } = rehearsal(world, planned)
  try {
    await walk({ reader, hands }, run.definition.actions, values)
  } catch (error) {
    // Tried again, it would be as much.
    if (error instanceof Failed) return { offers: [], changes: [], unknown: [], error: error.told }
    throw error
  }
  const other = await others(world, planned)
  const acts = [...found, ...other].map(({ act }) => act)
  const levels = await allowed(world, run, acts)
  const offers = found.map(({ offer }, n) => ({ ...offer, autonomy: levels[n] ?? 'ask' }))
  const alternatives = other.filter((_, n) => levels[found.length + n] !== 'never').map(({ offer }) => offer)
  return { offers, alternatives, changes, unknown, error: null }
}

type Found = { offer: ActionOffer; act: Act }

/** What may be done instead with these facts: each for itself, and only what can be said before. */
async function others(world: World, planned: Planned): Promise<Found[]> {
  const { run, reader, values } = planned
  const all: Found[] = []
  for (const one of run.definition.suggestion?.alternatives ?? []) {
    const { hands, found } = rehearsal(world, planned)
    await walk({ reader, hands }, [one], values)
    const named = one.title === undefined ? {} : knownInput(reader, { says: one.title }, values)
    if (named) all.push(...found.map(({ offer, act }) => ({ offer: { ...offer, ...saysOf(named) }, act })))
  }
  return all
}

const saysOf = ({ says }: Record<string, unknown>) => (says === undefined ? {} : { says: cut(String(says), 500) })

function rehearsal(world: World, { run, reader, analysed, isTainted }: Planned) {
  const recorder = world.rehearse()
  const found: Found[] = []
  const changes: Change[] = []
  const unknown: string[] = []
  let tainted = isTainted
  const hands: Hands = {
    unsure: (path) => void unknown.push(path),
    act: async (path, step, known) => {
      const input = knownInput(reader, step.input, known)
      if (!input) {
        unknown.push(path)
        return null
      }
      // Its answer is not known yet.
      if (step.do === QUESTION) return void unknown.push(path)
      const outcome = await recorder.perform({
        ...{ kind: step.do, input, key: `plan:${path}`, tainted },
        origin: { kind: 'run', runId: run.id, step: path },
        isAgreed: true,
      })
      if (outcome.status !== 'done' && outcome.status !== 'held') {
        unknown.push(path)
        return null
      }
      const said = recorder.recorded.at(-1)
      const outward = effectKind(step.do)?.outward ?? true
      const { says } = outcome
      found.push({
        offer: { id: path, kind: step.do, input, says, outward, reversible: said?.reversible ?? false },
        act: { kind: step.do, outward, tainted, isStale: isStale(analysed, input) },
      })
      changes.push(...(said?.changes ?? []))
      tainted ||= isTainting(step.do)
      return outcome.output
    },
    ask: async (path) => void unknown.push(path),
    pause: async (path, _step, { now }) => {
      unknown.push(path)
      return now
    },
  }
  return { hands, found, changes, unknown }
}

function knownInput(reader: Reader, template: Record<string, unknown>, values: Values) {
  try {
    return reader.input(template, values)
  } catch (error) {
    if (error instanceof ExpressionError) return null
    throw error
  }
}
