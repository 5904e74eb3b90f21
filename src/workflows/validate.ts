import { nextTimes } from '#scheduler'
import { type Definition, type Gather, type Parameter, type Step, stepsOf, type Trigger } from './definition.ts'
import {
  type Expressions,
  holdsTemplate,
  openExpressions,
  type Readable,
  templateParts,
  valueAt,
} from './expression.ts'
import { inputsOf, readsTheClock, watchedBy } from './inputs.ts'
import type { Kinds } from './kinds.ts'
import { ownEvents } from './loops.ts'
import { defaultsOf, filled, isTemporal, whenOf } from './when-of.ts'

/** `pointer` is a JSON Pointer (RFC 6901) into the definition. */
export type Fault = { pointer: string; detail: string }
type Path = readonly (string | number)[]
type Wanted = 'bool' | 'list' | 'any'

const MAX_FAULTS = 50
const MAX_DETAIL = 300
// Each of them may be a trip, after every event.
const MAX_INPUTS = 5
const NOW = {
  ...{ at: 'string', date: 'string', time: 'string', timeZone: 'string', weekday: 'string', isWeekend: 'bool' },
  ...{ year: 'int', month: 'int', day: 'int', hour: 'int', minute: 'int' },
}
const TYPES = { integer: 'int', string: 'string', boolean: 'bool', time: 'string', weekday: 'string' } as const
/**
 * What happens that a workflow may wait for, by family; where there is nothing listed its room is yet to come. What
 * workflows and their runs cause themselves is not among it.
 */
const HAPPENS: Readonly<Record<string, readonly string[]>> = {
  task: ['created', 'updated', 'completed', 'reopened', 'deleted', 'restored'],
  project: ['created', 'updated', 'deleted'],
  memory: ['created', 'updated', 'deleted'],
  event: ['created', 'updated', 'deleted', 'restored', 'soon'],
  me: ['updated'],
  commitment: ['created', 'updated'],
  mail: [],
  file: [],
  subscription: [],
}
export const FAMILIES = new Set(Object.keys(HAPPENS))

export const pointerOf = (path: Path): string =>
  path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')

type Check = { cel: Expressions; kinds: Kinds; add(path: Path, detail: string): void }

/** Everything that is wrong with a definition whose shape is right, each with its place; none: it can be run. */
export async function faultsOf(definition: Definition, kinds: Kinds): Promise<Fault[]> {
  const faults: Fault[] = []
  const add = (path: Path, detail: string) => {
    if (faults.length < MAX_FAULTS) faults.push({ pointer: pointerOf(path), detail: detail.slice(0, MAX_DETAIL) })
  }
  const check: Check = { cel: await openExpressions(), kinds, add }
  const { parameters = [], gather, analysis, suggestion, actions } = definition
  checkParameters(check, parameters)
  const params = Object.fromEntries(parameters.map(({ name, type }) => [name, TYPES[type]]))
  const first: Readable = { params, now: NOW, trigger: 'dyn' }
  const known: Readable = { ...first, facts: Object.fromEntries(gather.map((one) => [one.name, typeOf(one)])) }
  const found: Readable = { ...known, findings: 'list' }
  definition.triggers.forEach((trigger, n) => {
    checkTrigger(check, ['triggers', n], trigger, { first, known, definition })
  })
  checkOnce(check, definition.triggers)
  if (definition.concurrencyKey) checkCel(check, ['concurrencyKey'], definition.concurrencyKey, first, 'any')
  checkNames(check, ['gather'], gather)
  gather.forEach((one, n) => {
    if ('query' in one) checkTemplates(check, ['gather', n, 'query'], one.query, first)
  })
  if (analysis?.kind === 'rules') checkFindings(check, analysis.findings, known)
  if (suggestion) {
    checkTemplates(check, ['suggestion', 'title'], suggestion.title, found)
    checkTemplates(check, ['suggestion', 'body'], suggestion.body, found)
  }
  if (!suggestion && actions.length === 0) add([], 'does nothing: give it a suggestion or an action')
  const given = new Set<string>()
  const within = { readable: found, ids: given, before: [] }
  checkSteps(check, ['actions'], actions, within)
  checkAlternatives(check, definition, within)
  checkLoop(check, definition)
  return faults
}

const typeOf = ({ source }: Gather) => (source === 'insights' || source === 'preferences' ? 'map' : 'list')

function checkParameters({ add }: Check, parameters: readonly Parameter[]): void {
  const names = new Set<string>()
  parameters.forEach((parameter, n) => {
    if (names.has(parameter.name)) add(['parameters', n, 'name'], `${parameter.name} is already the name of another`)
    names.add(parameter.name)
    const fault = parameterFault(parameter, parameter.default)
    if (fault) add(['parameters', n, 'default'], fault)
  })
}

/** Why this cannot be the value of a parameter, or null. */
export function parameterFault(parameter: Parameter, value: unknown): string | null {
  switch (parameter.type) {
    case 'integer': {
      if (typeof value !== 'number' || !Number.isInteger(value)) return 'must be a whole number'
      const { min = -1_000_000, max = 1_000_000 } = parameter
      return value < min || value > max ? `must lie between ${min} and ${max}` : null
    }
    case 'boolean':
      return typeof value === 'boolean' ? null : 'must be true or false'
    case 'string':
      return typeof value === 'string' && value.length <= (parameter.max ?? 500) && value.isWellFormed()
        ? null
        : `must be a text of at most ${parameter.max ?? 500} characters`
    case 'time':
      return typeof value === 'string' && /^([01]\d|2[0-3]):[0-5]\d$/.test(value)
        ? null
        : 'must be a time of day, 08:30'
    case 'weekday':
      return typeof value === 'string' && /^(mon|tues|wednes|thurs|fri|satur|sun)day$/.test(value)
        ? null
        : 'must be a day of the week, monday'
  }
}

function checkNames({ add }: Check, path: Path, named: readonly { name: string }[]): void {
  const names = new Set<string>()
  named.forEach(({ name }, n) => {
    if (names.has(name)) add([...path, n, 'name'], `${name} is already the name of another`)
    names.add(name)
  })
}

type Places = { first: Readable; known: Readable; definition: Definition }

function checkTrigger(check: Check, path: Path, trigger: Trigger, { first, known, definition }: Places): void {
  const { cel, add } = check
  if (isTemporal(trigger)) {
    const placed = filled(cel, trigger, defaultsOf(definition.parameters ?? []))
    const when = typeof placed === 'string' ? placed : whenOf(placed, 'UTC')
    const at = trigger.kind === 'cron' || trigger.kind === 'rrule' ? [...path, trigger.kind] : path
    if (typeof when === 'string') add(at, when)
    else if (trigger.kind !== 'at' && nextTimes(when, new Date(0), 1).length === 0) add(at, 'never happens')
    return
  }
  if (trigger.kind === 'event') {
    checkPattern(check, [...path, 'type'], trigger.type)
    if (trigger.when) checkCel(check, [...path, 'when'], trigger.when, first, 'bool')
  }
  if (trigger.kind === 'webhook') checkNames(check, [...path, 'fields'], trigger.fields ?? [])
  if (trigger.kind !== 'condition') return
  checkCel(check, [...path, 'when'], trigger.when, known, 'bool')
  const { on = [], check: times = [] } = trigger
  if (watchedBy(cel, trigger, definition).length + times.length === 0)
    add(path, 'is never looked at: say on which events, or at which times to check')
  else if (times.length === 0 && readsTheClock(cel, trigger))
    add([...path, 'when'], 'reads the time of day: say in `check` when to look')
  if (inputsOf(cel, trigger, definition).length > MAX_INPUTS)
    add([...path, 'when'], `reads more than ${MAX_INPUTS} of what is gathered`)
  on.forEach((type, n) => {
    checkPattern(check, [...path, 'on', n], type)
  })
  times.forEach((time, n) => {
    const made = cel.render(time, cel.scope({ params: defaultsOf(definition.parameters ?? []) }))
    if (!made.ok) add([...path, 'check', n], made.problem)
    else if (!/^([01]\d|2[0-3]):[0-5]\d$/.test(String(made.value)))
      add([...path, 'check', n], 'must be a time of day, 08:30')
  })
}

function checkPattern({ add }: Check, path: Path, pattern: string): void {
  const [family = '', ...rest] = pattern.split('.')
  const [there, what] = [HAPPENS[family], rest.join('.')]
  if (!there) add(path, `nothing of ${family} can be waited for; there are ${[...FAMILIES].join(', ')}`)
  else if (what !== '*' && there.length > 0 && !there.includes(what))
    add(path, `there is no ${pattern}; there are ${[...there, '*'].map((one) => `${family}.${one}`).join(', ')}`)
}

/** There is one address, one button and one way to be called by another workflow. */
function checkOnce({ add }: Check, triggers: readonly Trigger[]): void {
  for (const kind of ['webhook', 'manual', 'workflow'] as const) {
    const kinds = triggers.map((trigger) => trigger.kind)
    const last = kinds.lastIndexOf(kind)
    if (last > kinds.indexOf(kind)) add(['triggers', last], `there is already a trigger ${kind}`)
  }
}

function checkFindings(
  check: Check,
  findings: Extract<Definition['analysis'], { kind: 'rules' }>['findings'],
  known: Readable,
) {
  findings.forEach(({ when, title, facts, impact }, n) => {
    const path = ['analysis', 'findings', n]
    checkCel(check, [...path, 'when'], when, known, 'bool')
    checkTemplates(check, [...path, 'title'], title, known)
    if (facts) checkCel(check, [...path, 'facts'], facts, known, 'list')
    if (impact) checkTemplates(check, [...path, 'impact'], impact, known)
  })
}

type Within = { readable: Readable; ids: Set<string>; before: string[] }

function checkSteps(check: Check, path: Path, steps: readonly Step[], within: Within): void {
  let before = within.before
  steps.forEach((step, n) => {
    checkOne(check, [...path, n], step, { ...within, before })
    before = [...before, ...idsOf(step)]
  })
}

function checkOne(check: Check, at: Path, step: Step, { ids, before, readable: known }: Within): void {
  if (ids.has(step.id)) check.add([...at, 'id'], `${step.id} is already the id of another step`)
  ids.add(step.id)
  const readable: Readable = { ...known, steps: Object.fromEntries(before.map((id) => [id, 'dyn'])) }
  if ('when' in step && step.when) checkCel(check, [...at, 'when'], step.when, readable, 'bool')
  checkStep(check, at, step, { readable, ids, before })
}

/** Each of them may be the only one that is chosen: it reads of no other. */
function checkAlternatives(check: Check, { actions, suggestion }: Definition, within: Within): void {
  const at = ['suggestion', 'alternatives']
  const { alternatives = [] } = suggestion ?? {}
  if (alternatives.length > 0 && actions.length === 0) check.add(at, 'stand beside actions, and there are none')
  alternatives.forEach((one, n) => {
    if (one.title) checkTemplates(check, [...at, n, 'title'], one.title, within.readable)
    checkOne(check, [...at, n], one, within)
  })
}

/** What later steps may read of: of a branch also what is in it. */
const idsOf = (step: Step): string[] =>
  'branch' in step
    ? [step.id, ...[...step.branch.flatMap(({ then }) => then), ...(step.else ?? [])].flatMap(idsOf)]
    : [step.id]

function checkStep(check: Check, at: Path, step: Step, within: Within): void {
  const { readable } = within
  if ('do' in step) checkAct(check, at, step, readable)
  else if ('wait' in step) {
    if ('until' in step.wait) checkTemplates(check, [...at, 'wait', 'until'], step.wait.until, readable)
  } else if ('ask' in step) checkTemplates(check, [...at, 'ask', 'question'], step.ask.question, readable)
  else if ('branch' in step) {
    step.branch.forEach((arm, n) => {
      checkCel(check, [...at, 'branch', n, 'when'], arm.when, readable, 'bool')
      checkSteps(check, [...at, 'branch', n, 'then'], arm.then, within)
    })
    if (step.else) checkSteps(check, [...at, 'else'], step.else, within)
  } else {
    checkCel(check, [...at, 'forEach'], step.forEach, readable, 'list')
    if (Object.hasOwn(readable, step.as)) check.add([...at, 'as'], `${step.as} is already the name of something`)
    checkSteps(check, [...at, 'steps'], step.steps, {
      ...within,
      readable: { ...readable, item: 'dyn', [step.as]: 'dyn' },
    })
  }
}

type Act = Extract<Step, { do: string }>

function checkAct(check: Check, at: Path, step: Act, readable: Readable): void {
  const input = check.kinds.get(step.do)
  if (input === undefined) check.add([...at, 'do'], `${step.do} is no kind of effect`)
  checkTemplates(check, [...at, 'input'], step.input, readable)
  const issues = input?.safeParse(step.input).error?.issues ?? []
  for (const { path, message } of issues) {
    // What a template gives is known when it runs.
    if (!holdsTemplate(valueAt(step.input, path))) check.add([...at, 'input', ...path.map(String)], message)
  }
}

function checkTemplates(check: Check, path: Path, value: unknown, readable: Readable): void {
  if (typeof value === 'object' && value !== null)
    for (const [key, inner] of Object.entries(value)) checkTemplates(check, [...path, key], inner, readable)
  if (typeof value !== 'string') return
  const parts = templateParts(value)
  if (typeof parts === 'string') check.add(path, parts)
  else for (const part of parts) if ('cel' in part) checkCel(check, path, part.cel, readable, 'any')
}

function checkCel({ cel, add }: Check, path: Path, expression: string, readable: Readable, wanted: Wanted): void {
  const checked = cel.check(expression, readable)
  if (!checked.ok) add(path, `${expression.slice(0, 100)}: ${checked.problem}`)
  else if (wanted !== 'any' && checked.type !== 'dyn' && !checked.type.startsWith(wanted))
    add(path, wanted === 'bool' ? 'must be true or false' : 'must be a list')
}

/** What sets itself off without end is refused where that can be seen. */
function checkLoop({ add }: Check, definition: Definition): void {
  const { triggers, throttle, oncePer } = definition
  if (throttle || oncePer) return
  const own = ownEvents(stepsOf(definition))
  triggers.forEach((trigger, n) => {
    if (trigger.kind !== 'event' || trigger.when) return
    const hit = own.find((type) => trigger.type === type || trigger.type === `${type.split('.')[0]}.*`)
    if (hit) add(['triggers', n], `sets itself off by ${hit}: give it \`when\`, \`throttle\` or \`oncePer\``)
  })
}
