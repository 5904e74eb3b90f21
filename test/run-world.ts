import { type Definition, overPlatform, type RunEnd, type RunPort, type RunWorld } from '#workflows'
import { createPlatform, type Fault } from './run-platform.ts'

type Begun = NonNullable<Awaited<ReturnType<RunWorld['begin']>>>
type Effect = Parameters<RunWorld['effects']['perform']>[0]
type Finding = Awaited<ReturnType<RunWorld['analyse']>>['findings'][number]
type Outcome = Awaited<ReturnType<RunWorld['effects']['perform']>>
type Done = {
  key: string
  kind: string
  step: string
  status: 'done' | 'held' | 'undone' | 'cancelled'
  input: unknown
  isAgreed: boolean
  heldMs: number
}
type Level = Awaited<ReturnType<RunWorld['allow']>>[number]
type Suggestion = Parameters<RunWorld['propose']>[0]
type Decision = NonNullable<Awaited<ReturnType<RunWorld['decided']>>>

const OUTWARD = new Set(['send_mail', 'call_webhook'])
const HOLD_MS = 20_000
/** A run that says nothing for so long past what it waits for has been lost, and is begun again. */
const SILENCE_MS = 15 * 60_000

/** A life of runs in memory: what was done, what was said, what was kept, over all instances. */
export function createLife(given: Partial<Begun> & { definition: Definition }) {
  const life = {
    nowMs: Date.parse('2026-11-23T09:00:00Z'),
    facts: {} as Record<string, unknown>,
    findings: [] as (Pick<Finding, 'title' | 'confidence'> & Partial<Finding>)[],
    /** Ids of facts that changed while it was analysed. */
    changed: [] as string[],
    gate: null as string | null,
    /** To what its analysis is left, and whether that has ended. */
    left: null as Awaited<ReturnType<RunWorld['leave']>>,
    hasEnded: false,
    /** By kind; else asked. */
    levels: {} as Record<string, Level>,
    /** What the person says to a suggestion. */
    decide: (suggestion: Suggestion): Decision | null => ({ decision: 'approved', actions: suggestion.actions }),
    withheld: null as string | null,
    answers: {} as Record<string, string>,
    /** What the person says of a suggestion that was withheld, by its id. */
    late: new Map<string, Decision>(),
    /** What an act answers in place of being done. */
    refusals: {} as Record<string, Outcome>,
    /** How often whoever takes a kind is asked before they say that they took it. */
    onItsWay: {} as Record<string, number>,
    /** How often taking back a kind fails first. */
    stuck: {} as Record<string, number>,
    irreversible: new Set<string>(),
    /** Kinds of which it is never known whether they were done. */
    unknown: new Set<string>(),
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
    sleepNames: [] as string[],
    /** When the run wakes by itself. */
    wakesMs: 0,
  }
  type Life = typeof life

  function worldOf(instance: number): RunWorld {
    const isMine = () => life.instance === instance && life.end === null
    // Whoever waits for it: what is held goes out when its time has come.
    const sendHeld = () => {
      for (const effect of life.effects.values())
        if (effect.status === 'held' && effect.heldMs <= life.nowMs) effect.status = 'done'
    }
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
        life.effects.set(key, { key, kind, step, status, input, isAgreed, heldMs: life.nowMs + HOLD_MS })
        life.log.push(`do ${step}`)
      }
      sendHeld()
      const { status: state, heldMs } = life.effects.get(effect.key) ?? { status: 'done', heldMs: 0 }
      if (state === 'cancelled')
        return { status: 'refused', effectId: id, code: 'cancelled', detail: 'taken back', isRetryable: false }
      if (life.unknown.has(effect.kind))
        return { status: 'unknown', effectId: id, code: 'timeout', detail: 'no answer', isRetryable: false }
      const looks = life.onItsWay[effect.kind] ?? 0
      if (state === 'done' && looks > 0) {
        life.onItsWay[effect.kind] = looks - 1
        const evidence = { id: null, provider: null }
        return { status: 'sending', effectId: id, says: effect.kind, output: { id }, evidence, heldUntil: null }
      }
      const heldUntil = state === 'held' ? new Date(heldMs).toISOString() : null
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
      leave: async () => life.left,
      hasEnded: async () => life.hasEnded,
      analyse: async () => ({
        findings: life.findings.map((one) => ({ alternatives: [], facts: [], impact: null, ...one })),
        ...{ reason: null, rule: null, model: null, decisionId: null, costMicros: 0, error: null },
        changed: life.changed,
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
        return suggestion ? life.decide(suggestion) : (life.late.get(id) ?? null)
      },
      settle: async ({ status }, ids = [...life.suggestions.keys()].map((key) => `sug_${key}`)) => {
        for (const id of ids) life.settled.push({ id, status })
      },
      goOn: async (ids) => {
        if (ids.some((id) => life.late.has(id))) life.end = null
      },
      question: async () => undefined,
      answered: async (step) => life.answers[step] ?? null,
      effects: { perform },
      undo: async (id) => {
        sendHeld()
        const effect = life.effects.get(id.replace('eff_', ''))
        if (!effect) return { id, status: 'already', says: 'nothing' }
        const left = life.stuck[effect.kind] ?? 0
        if (left > 0) {
          life.stuck[effect.kind] = left - 1
          return { id, status: 'failed', says: `${effect.kind} cannot be taken back now` }
        }
        if (life.unknown.has(effect.kind)) return { id, status: 'failed', says: 'It is not known whether it was done' }
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
      mark: async ({ status, until, doing }) => {
        if (!isMine()) return false
        life.wakesMs = until === undefined ? life.nowMs : Date.parse(until)
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

  return Object.assign(life, {
    /**
     * Runs it to its end; an instance that dies is followed by another, once it is missed. A fault is of the first
     * instance alone, unless it stays.
     */
    async run(
      engine: (port: RunPort) => Promise<unknown>,
      faults: Fault[] = [],
      over: typeof overPlatform = overPlatform,
    ): Promise<Life> {
      for (let n = 1; n <= 10 && life.end === null; n++) {
        life.instance = n
        const own = faults.filter(({ fate }) => n === 1 || fate === 'always')
        const { wake } = createPlatform(life, worldOf(n), n > 3 ? [] : own)
        for (let how = 'wake'; how === 'wake'; ) {
          const { platform, gone } = wake()
          const ended = engine(over(platform, () => life.nowMs)).then(
            () => 'ended',
            () => 'failed',
          )
          how = await Promise.race([ended, gone])
        }
        if (life.end === null) life.nowMs = Math.max(life.nowMs, life.wakesMs) + SILENCE_MS
      }
      return life
    },
  })
}

const NOW = {
  ...{ at: '2026-11-23T09:00:00.000Z', date: '2026-11-23', time: '09:00', timeZone: 'UTC', weekday: 'monday' },
  ...{ isWeekend: false, year: 2026, month: 11, day: 23, hour: 9, minute: 0 },
}
