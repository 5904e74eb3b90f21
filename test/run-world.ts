import type { Definition, RunEnd, RunPort, RunWorld } from '#workflows'

type Begun = NonNullable<Awaited<ReturnType<RunWorld['begin']>>>
type Effect = Parameters<RunWorld['effects']['perform']>[0]
type Outcome = Awaited<ReturnType<RunWorld['effects']['perform']>>
type Done = {
  key: string
  kind: string
  step: string
  status: 'done' | 'held' | 'undone' | 'cancelled'
  input: unknown
  isAgreed: boolean
}
type Level = Awaited<ReturnType<RunWorld['allow']>>[number]
type Suggestion = Parameters<RunWorld['propose']>[0]
type Decision = NonNullable<Awaited<ReturnType<RunWorld['decided']>>>

/** Where a fault strikes: before the work of a step, in it once something is done, or when its answer is lost. */
export type Phase = 'before' | 'during' | 'after'
/** What it does: passes when tried again, stays, or takes the whole instance with it. */
export type Fate = 'once' | 'always' | 'kill'
export type Fault = { step: string; phase: Phase; fate: Fate }

const TRIES = 5
const OUTWARD = new Set(['send_mail', 'call_webhook'])

class Killed extends Error {}

/** A life of runs in memory: what was done, what was said, what was kept, over all instances. */
export function createLife(given: Partial<Begun> & { definition: Definition }) {
  const life = {
    nowMs: Date.parse('2026-11-23T09:00:00Z'),
    facts: {} as Record<string, unknown>,
    findings: [] as { title: string; confidence: number }[],
    gate: null as string | null,
    /** By kind; else asked. */
    levels: {} as Record<string, Level>,
    /** What the person says to a suggestion. */
    decide: (suggestion: Suggestion): Decision | null => ({ decision: 'approved', actions: suggestion.actions }),
    withheld: null as string | null,
    answers: {} as Record<string, string>,
    /** What an act answers in place of being done. */
    refusals: {} as Record<string, Outcome>,
    /** How often whoever takes a kind is asked before they say that they took it. */
    onItsWay: {} as Record<string, number>,
    /** How often taking back a kind fails first. */
    stuck: {} as Record<string, number>,
    irreversible: new Set<string>(),
    suggestions: new Map<string, Suggestion>(),
    settled: [] as { id: string; status: string }[],
    notices: new Map<string, { title: string; isAlert: boolean }>(),
    effects: new Map<string, Done>(),
    /** In the order they happened: `do`, `undo`. */
    log: [] as string[],
    kept: new Map<string, string>(),
    steps: new Map<string, string>(),
    marks: [] as string[],
    end: null as RunEnd | null,
    instance: 0,
    stepNames: [] as string[],
  }
  type Life = typeof life

  function worldOf(instance: number): RunWorld {
    const isMine = () => life.instance === instance && life.end === null
    const perform = async (effect: Effect): Promise<Outcome> => {
      const refused = life.refusals[effect.kind]
      if (refused) return refused
      if (OUTWARD.has(effect.kind) && effect.tainted && !effect.isAgreed)
        return {
          status: 'refused',
          effectId: null,
          code: 'confirmation_required',
          detail: 'needs a tap',
          isRetryable: false,
        }
      const known = life.effects.get(effect.key)
      const id = `eff_${effect.key}`
      if (!known) {
        const status = effect.kind === 'send_mail' ? 'held' : 'done'
        const { key, kind, input, isAgreed } = effect
        const step = 'step' in effect.origin ? String(effect.origin.step) : ''
        life.effects.set(key, { key, kind, step, status, input, isAgreed })
        life.log.push(`do ${step}`)
      } else if (known.status === 'held') {
        if (life.nowMs < Date.parse('2026-11-23T09:00:20Z')) life.nowMs += 20_000
        known.status = 'done'
      }
      const state = life.effects.get(effect.key)?.status
      if (state === 'cancelled')
        return { status: 'refused', effectId: id, code: 'cancelled', detail: 'taken back', isRetryable: false }
      const looks = life.onItsWay[effect.kind] ?? 0
      if (state === 'done' && looks > 0) {
        life.onItsWay[effect.kind] = looks - 1
        const evidence = { id: null, provider: null }
        return { status: 'sending', effectId: id, says: effect.kind, output: { id }, evidence, heldUntil: null }
      }
      const heldUntil = state === 'held' ? new Date(life.nowMs + 20_000).toISOString() : null
      return {
        status: state === 'held' ? 'held' : 'done',
        effectId: id,
        says: `${effect.kind} ${JSON.stringify(effect.input)}`,
        output: { id, ...(typeof effect.input === 'object' && effect.input) },
        evidence: {
          id: state === 'held' ? null : `ext_${effect.key}`,
          provider: OUTWARD.has(effect.kind) ? 'vendor' : 'aurelius',
        },
        heldUntil,
      }
    }
    return {
      now: () => new Date(life.nowMs),
      begin: async () => {
        if (!isMine()) return null
        return {
          ...{ id: 'run_1', workflowId: 'wfl_1', name: 'Test', params: {}, trigger: {}, triggerKind: 'event' },
          ...{ priority: given.definition.priority, isTainted: false },
          ...given,
          kept: Object.fromEntries(life.kept),
        }
      },
      gather: async () => ({
        now: NOW,
        facts: life.facts,
        isTainted: false,
        hash: JSON.stringify(life.facts),
        error: null,
      }),
      gate: async () => life.gate,
      analyse: async () => ({
        findings: life.findings.map((one) => ({ ...one, facts: [], impact: null, alternatives: [] })),
        ...{ reason: null, rule: null, model: null, decisionId: null, costMicros: 0, error: null },
      }),
      allow: async (acts) =>
        acts.map(({ kind, outward, tainted }) => {
          const level = life.levels[kind] ?? 'ask'
          return tainted && outward && level !== 'never' ? 'ask' : level
        }),
      rehearse: () => {
        const recorded: ReturnType<RunWorld['rehearse']>['recorded'] = []
        return {
          recorded,
          perform: async ({ kind, input }) => {
            const says = `${kind} ${JSON.stringify(input)}`
            const outward = OUTWARD.has(kind)
            recorded.push({ kind, says, changes: [], outward, reversible: !outward, undoWindowMs: outward ? null : 1 })
            const output = { id: 'eff_planned', ...(typeof input === 'object' && input) }
            return {
              status: 'done',
              effectId: 'eff_planned',
              says,
              output,
              evidence: { id: null, provider: null },
              heldUntil: null,
            }
          },
        }
      },
      propose: async (suggestion) => {
        if (life.withheld !== null) return { status: 'withheld', id: `sug_${suggestion.key}`, reason: life.withheld }
        life.suggestions.set(suggestion.key, suggestion)
        return { status: 'proposed', id: `sug_${suggestion.key}` }
      },
      decided: async (id) => {
        const suggestion = life.suggestions.get(id.replace('sug_', ''))
        return suggestion ? life.decide(suggestion) : null
      },
      settle: async (id, { status }) => void life.settled.push({ id, status }),
      question: async () => undefined,
      answered: async (step) => life.answers[step] ?? null,
      effects: { perform },
      undo: async (id) => {
        const effect = life.effects.get(id.replace('eff_', ''))
        if (!effect) return { id, status: 'already', says: 'nothing' }
        const left = life.stuck[effect.kind] ?? 0
        if (left > 0) {
          life.stuck[effect.kind] = left - 1
          return { id, status: 'failed', says: `${effect.kind} cannot be taken back now` }
        }
        if (life.irreversible.has(effect.kind)) return { id, status: 'irreversible', says: 'This cannot be taken back' }
        if (effect.status === 'undone' || effect.status === 'cancelled') return { id, status: 'already', says: '' }
        life.log.push(`undo ${effect.step}`)
        effect.status = effect.status === 'held' ? 'cancelled' : 'undone'
        return { id, status: effect.status, says: '' }
      },
      standing: async () =>
        [...life.effects.values()]
          .filter(({ status }) => status === 'done' || status === 'held')
          .reverse()
          .map(({ key, step, kind }) => ({ effectId: `eff_${key}`, step, kind, says: kind })),
      mark: async ({ status, doing }) => {
        if (!isMine()) return false
        if (life.marks.at(-1) !== status) life.marks.push(status)
        if (doing) life.steps.set(doing.step, doing.status)
        return true
      },
      keep: async ({ step, status }, found) => {
        if (!life.kept.has(step)) life.kept.set(step, found)
        life.steps.set(step, status)
        return isMine() ? (life.kept.get(step) ?? null) : null
      },
      amend: async ({ step, status }) => void life.steps.set(step, status),
      end: async (end) => {
        if (isMine()) life.end = end
      },
      tell: async ({ key, title, isAlert }) => void life.notices.set(key, { title, isAlert }),
    }
  }

  /** What one call of the world throws once it has taken place. */
  function faulty(world: RunWorld, strike: () => void): RunWorld {
    const wrap = <T extends object>(from: T): T =>
      new Proxy(from, {
        get: (target, name) => {
          const value: unknown = Reflect.get(target, name)
          if (name === 'effects' && typeof value === 'object' && value !== null) return wrap(value)
          if (typeof value !== 'function' || name === 'now' || name === 'rehearse') return value
          return async (...args: unknown[]) => {
            const answer = await Reflect.apply(value, target, args)
            strike()
            return answer
          }
        },
      })
    return wrap(world)
  }

  function portOf(instance: number, faults: Fault[]): RunPort {
    const done = new Map<string, string>()
    const struck = new Map<Fault, number>()
    const strike = (name: string, phase: Phase) => {
      for (const fault of faults) {
        if (fault.step !== name || fault.phase !== phase) continue
        const times = struck.get(fault) ?? 0
        struck.set(fault, times + 1)
        if (fault.fate === 'kill' && times === 0) throw new Killed(name)
        if (fault.fate === 'always' || (fault.fate === 'once' && times === 0))
          throw new Error(`a fault ${phase} ${name}`)
      }
    }
    const world = worldOf(instance)
    return {
      async step(name, work) {
        const known = done.get(name)
        if (known !== undefined) return JSON.parse(known)
        if (!life.stepNames.includes(name)) life.stepNames.push(name)
        let last: unknown
        for (let at = 0; at < TRIES; at++) {
          try {
            strike(name, 'before')
            const value = await work(faulty(world, () => strike(name, 'during')))
            strike(name, 'after')
            done.set(name, JSON.stringify(value ?? null))
            return value
          } catch (error) {
            if (error instanceof Killed) throw error
            last = error
          }
        }
        throw last
      },
      waitFor: async (_name, _type, untilMs) => {
        life.nowMs = Math.max(life.nowMs, untilMs)
      },
      sleepUntil: async (_name, untilMs) => {
        life.nowMs = Math.max(life.nowMs, untilMs)
      },
    }
  }

  return Object.assign(life, {
    /** Runs it to its end; an instance that dies is followed by another. A fault is of the first instance alone, unless it stays. */
    async run(engine: (port: RunPort) => Promise<unknown>, faults: Fault[] = []): Promise<Life> {
      for (let n = 1; n <= 10 && life.end === null; n++) {
        life.instance = n
        const own = faults.filter(({ fate }) => n === 1 || fate === 'always')
        await engine(portOf(n, n > 3 ? [] : own)).catch(() => undefined)
      }
      return life
    },
  })
}

const NOW = {
  ...{ at: '2026-11-23T09:00:00.000Z', date: '2026-11-23', time: '09:00', timeZone: 'UTC', weekday: 'monday' },
  ...{ isWeekend: false, year: 2026, month: 11, day: 23, hour: 9, minute: 0 },
}
