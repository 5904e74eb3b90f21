import type { UserCtx } from '#core'
import { readOnly } from '#database'
import { type Recorded, recordingEffects } from '#effects'
import { autonomyOf, decideAutonomy, type NewSuggestion } from '#proactivity'
import { analyse, NONE } from './analyse.ts'
import { gather } from './gather.ts'
import type { Begun, Question, StepPort, World } from './ports.ts'
import type { RunEnd } from './run-schema.ts'

/** What a run would have done. */
export type Seen = {
  acts: (Recorded & { step: string; tainted: boolean })[]
  suggestion: NewSuggestion | null
  questions: Question[]
  waits: { step: string; until: string }[]
  end: RunEnd | null
}
type Options = { answers: Record<string, string>; askModel: boolean }

/**
 * The world of a simulation: it reads through a database that refuses to write, its port of effects writes down, the
 * person says yes to everything, and time passes at once.
 */
export function dryWorld(ctx: UserCtx, run: Begun, { answers, askModel }: Options) {
  const reading = readOnly(ctx)
  const seen: Seen = { acts: [], suggestion: null, questions: [], waits: [], end: null }
  const recorder = recordingEffects(ctx)
  let nowMs = ctx.now().getTime()
  let suggested: NewSuggestion | null = null
  const world: World = {
    now: () => new Date(nowMs),
    begin: async () => run,
    gather: (begun) => gather(reading, begun),
    // To ask the gates would be to use them up.
    gate: async () => null,
    leave: async () => null,
    hasEnded: async () => true,
    analyse: async (begun, gathered) => {
      if (begun.definition.analysis?.kind !== 'model') return await analyse(ctx, begun, gathered)
      return askModel ? await analyse(ctx, begun, gathered) : { ...NONE, reason: 'model_not_asked' }
    },
    allow: async (acts) => {
      const rules = await autonomyOf(reading)
      return acts.map((act) => decideAutonomy(rules, act))
    },
    rehearse: () => recordingEffects(ctx),
    propose: async (suggestion) => {
      seen.suggestion ??= suggestion
      suggested = suggestion
      return { status: 'proposed', id: 'sug_simulated' }
    },
    decided: async () => ({ decision: 'approved', actions: suggested?.actions ?? [] }),
    settle: async () => undefined,
    goOn: async () => undefined,
    question: async (question) => void seen.questions.push(question),
    answered: async (step) =>
      (Object.hasOwn(answers, step) ? answers[step] : null) ??
      seen.questions.find((one) => one.step === step)?.choices[0] ??
      'yes',
    effects: {
      perform: async (effect) => {
        const outcome = await recorder.perform(effect)
        const recorded = recorder.recorded.at(-1)
        if (outcome.status !== 'done' && outcome.status !== 'held') return outcome
        const step = effect.origin.kind === 'run' ? effect.origin.step : ''
        if (recorded) seen.acts.push({ ...recorded, step, tainted: effect.tainted })
        const evidence = { id: 'simulated', provider: 'simulation' }
        return { ...outcome, status: 'done', evidence }
      },
    },
    undo: async (id) => ({ id, status: 'already', says: '' }),
    standing: async () => [],
    mark: async () => true,
    keep: async (_, found) => found,
    amend: async () => undefined,
    end: async (end) => {
      seen.end = end
    },
    tell: async () => undefined,
  }
  const port: StepPort = {
    step: async (_, work) => await work(world),
    waitFor: async () => undefined,
    sleepUntil: async (name, untilMs) => {
      seen.waits.push({ step: name.split(':')[0] ?? name, until: new Date(untilMs).toISOString() })
      nowMs = Math.max(nowMs, untilMs)
    },
  }
  return { port, seen }
}
