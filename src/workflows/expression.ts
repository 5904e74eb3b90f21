import type { Context, Environment } from '@marcbachmann/cel-js'
import { HELPERS } from './cel-functions.ts'
import { metered, Refused, type Use } from './cel-source.ts'

const LIMITS = { maxAstNodes: 300, maxDepth: 24, maxListElements: 50, maxMapEntries: 50, maxCallArguments: 8 }
/** Steps of work one expression may take, and all that share their work; what it costs is in docs/decisions/0057. */
const BUDGET = 200_000
const SHARED_BUDGET = 1_000_000
const MAX_COMPILED = 500
const MAX_TEXT = 20_000
const MAX_LIST = 2000
const MAX_DEPTH = 40

export type Evaluated = { ok: true; value: unknown } | { ok: false; problem: string }
export type Checked = { ok: true; type: string; uses: Use[] } | { ok: false; problem: string }
/** What expressions may read at one place, by name: a type of CEL, or the fields there are. */
export type Readable = { [name: string]: string | Record<string, string> }
/** Steps that are left. */
export type Work = { left: number }
type Meter = Work
/** Values made ready to be read by many expressions, which share the work they may take. */
export type Scope = { readonly values: Context; readonly work: Meter }

/** What everything that is evaluated for one event, or one step, may take together. */
export const newWork = (): Meter => ({ left: SHARED_BUDGET })

class TooCostly extends Error {}

function charge(meter: Meter, cost: number): void {
  meter.left -= cost
  if (meter.left < 0) throw new TooCostly('takes too much work')
}

function lengthOf(list: unknown): number {
  if (Array.isArray(list)) return list.length
  return typeof list === 'object' && list !== null ? Object.keys(list).length : 1
}

function weigh(meter: Meter, value: unknown): void {
  charge(meter, typeof value === 'string' ? 1 + (value.length >> 5) : 1)
  if (typeof value !== 'object' || value === null) return
  for (const inner of Object.values(value)) weigh(meter, inner)
}

// What joins two texts or lists copies both.
function sized(meter: Meter, value: unknown): unknown {
  charge(meter, typeof value === 'string' ? 1 + (value.length >> 5) : Array.isArray(value) ? 1 + value.length : 1)
  if (typeof value === 'string' && value.length > MAX_TEXT) throw new TooCostly('makes a text too long')
  if (Array.isArray(value) && value.length > MAX_LIST) throw new TooCostly('makes a list too long')
  return value
}

// Of JSON, its whole numbers are the language's integers.
function fromJson(value: unknown, depth = 0): unknown {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : value
  if (typeof value !== 'object' || value === null) return value ?? null
  if (depth >= MAX_DEPTH) return null
  if (value instanceof Date) return value.toISOString()
  if (Array.isArray(value)) return value.map((one) => fromJson(one, depth + 1))
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, one]) =>
      one === undefined || key === '__proto__' ? [] : [[key, fromJson(one, depth + 1)]],
    ),
  )
}

function toJson(value: unknown): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value)
  if (typeof value === 'number') return Number.isFinite(value) ? value : null
  if (typeof value !== 'object' || value === null) return value ?? null
  if (value instanceof Date) return value.toISOString()
  if (Array.isArray(value)) return value.map(toJson)
  if (value.constructor !== Object) return String(value)
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, toJson(one)]))
}

/** What went wrong, in the words of the language, without the lines that point into the source. */
function problemOf(error: unknown): string {
  if (error instanceof Refused || error instanceof TooCostly) return error.message
  if (error instanceof Error && 'summary' in error) return String(error.summary).slice(0, 300)
  return error instanceof Error ? error.message.slice(0, 300) : 'is not an expression'
}

/** What a value reads as inside a text. */
function said(value: unknown): string {
  if (value === null || value === undefined) return ''
  if (Array.isArray(value)) return value.map(said).join(', ')
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

type Part = { text: string } | { cel: string }

/** A template as its texts and expressions; a string says what is wrong with it. */
export function templateParts(template: string): Part[] | string {
  const parts: Part[] = []
  let at = 0
  for (;;) {
    const open = template.indexOf('{{', at)
    if (open < 0) break
    const end = endOf(template, open + 2)
    if (end < 0) return 'a {{ is not closed by }}'
    if (open > at) parts.push({ text: template.slice(at, open) })
    parts.push({ cel: template.slice(open + 2, end).trim() })
    at = end + 2
  }
  if (at < template.length) parts.push({ text: template.slice(at) })
  return parts
}

// Where the }} is that is in no string and closes no map.
function endOf(template: string, from: number): number {
  let quote = ''
  let open = 0
  for (let at = from; at < template.length; at++) {
    const letter = template[at] ?? ''
    if (quote) {
      if (letter === '\\') at++
      else if (letter === quote) quote = ''
    } else if (letter === '"' || letter === "'") quote = letter
    else if (letter === '{') open++
    else if (letter === '}' && open > 0) open--
    else if (letter === '}' && template[at + 1] === '}') return at
  }
  return -1
}

export type Expressions = {
  scope(values: Record<string, unknown>, work?: Meter): Scope
  /** The value as JSON. Ends soon, whatever is asked. */
  evaluate(expression: string, scope: Scope): Evaluated
  /** A condition: anything but true or false is a problem. */
  holds(expression: string, scope: Scope): { ok: true; value: boolean } | { ok: false; problem: string }
  /** Fills every `{{ }}` inside; a text that is one expression keeps the type of its value. */
  render(template: unknown, scope: Scope): Evaluated
  /** Whether it can be evaluated where these names can be read, and what it gives. */
  check(expression: string, readable: Readable): Checked
}

type Compiled = { run: (values: Context) => unknown; cost: number }

function open(Env: typeof Environment): Expressions {
  const options = { homogeneousAggregateLiterals: false, limits: LIMITS }
  const base = new Env(options)
  for (const [signature, handler] of Object.entries(HELPERS))
    base.registerFunction(signature, { handler, async: false })
  const sync = (handler: (...given: never[]) => unknown) => ({ handler, async: false })
  // The rewritten source is longer than what was written, in proportion.
  const running = base
    .clone({ ...options, unlistedVariablesAreDyn: true, limits: { ...LIMITS, maxAstNodes: 3000, maxDepth: 250 } })
    .registerVariable('meter__', 'map')
    .registerFunction(
      'over__(map, int, dyn): dyn',
      sync((meter: Meter, cost: bigint, list: unknown) => {
        charge(meter, 1 + lengthOf(list) * Number(cost))
        return list
      }),
    )
    .registerFunction(
      'weigh__(map, int, dyn): dyn',
      sync((meter: Meter, cost: bigint, value: unknown) => {
        charge(meter, Number(cost))
        weigh(meter, value)
        return value
      }),
    )
    .registerFunction('sized__(map, dyn): dyn', sync(sized))

  const compiled = new Map<string, Compiled>()
  /** Parsing costs more than most of what is parsed, and the same few are asked again and again. */
  function compile(expression: string): Compiled {
    const known = compiled.get(expression)
    if (known) return known
    const { source } = metered(base.parse(expression).ast)
    const made = { run: running.parse(source), cost: source.length }
    const [oldest] = compiled.keys()
    if (compiled.size >= MAX_COMPILED && oldest !== undefined) compiled.delete(oldest)
    compiled.set(expression, made)
    return made
  }

  function evaluate(expression: string, { values, work }: Scope): Evaluated {
    const most = Math.min(BUDGET, work.left)
    const meter: Meter = { left: most }
    try {
      const { run, cost } = compile(expression)
      charge(meter, cost)
      const value: unknown = run({ ...values, meter__: meter })
      // A quantifier swallows what its parts throw: the meter does not forget.
      charge(meter, 0)
      weigh(meter, value)
      return { ok: true, value: toJson(value) }
    } catch (error) {
      return { ok: false, problem: meter.left < 0 ? 'takes too much work' : problemOf(error) }
    } finally {
      work.left -= most - Math.max(0, meter.left)
    }
  }

  function renderText(template: string, scope: Scope): Evaluated {
    const parts = templateParts(template)
    if (typeof parts === 'string') return { ok: false, problem: parts }
    const [only] = parts
    if (only && parts.length === 1) return 'cel' in only ? evaluate(only.cel, scope) : { ok: true, value: template }
    let text = ''
    for (const part of parts) {
      const filled: Evaluated = 'cel' in part ? evaluate(part.cel, scope) : { ok: true, value: part.text }
      if (!filled.ok) return filled
      text += said(filled.value)
      if (text.length > MAX_TEXT) return { ok: false, problem: 'makes a text too long' }
    }
    return { ok: true, value: text }
  }

  function render(template: unknown, scope: Scope): Evaluated {
    if (typeof template === 'string') return renderText(template, scope)
    if (typeof template !== 'object' || template === null) return { ok: true, value: template }
    const filled: [string, unknown][] = []
    for (const [key, inner] of Object.entries(template)) {
      const one = render(inner, scope)
      if (!one.ok) return one
      filled.push([key, one.value])
    }
    return { ok: true, value: Array.isArray(template) ? filled.map(([, value]) => value) : Object.fromEntries(filled) }
  }

  return {
    evaluate,
    render,
    scope: (values, work = newWork()) => ({
      values: Object.fromEntries(Object.entries(values).map(([k, v]) => [k, fromJson(v)])),
      work,
    }),
    holds(expression, scope) {
      const made = evaluate(expression, scope)
      if (!made.ok) return made
      return typeof made.value === 'boolean'
        ? { ok: true, value: made.value }
        : { ok: false, problem: 'must be true or false' }
    },
    check(expression, readable) {
      try {
        const { uses } = metered(base.parse(expression).ast)
        const unknown = uses.find(({ root }) => !Object.hasOwn(readable, root))
        if (unknown) return { ok: false, problem: `${unknown.root} cannot be read here` }
        const env = base.clone()
        for (const [name, type] of Object.entries(readable)) {
          if (typeof type === 'string') env.registerVariable(name, type)
          else env.registerVariable(name, { schema: type })
        }
        const { valid, type = 'dyn', error } = env.check(expression)
        return valid ? { ok: true, type, uses } : { ok: false, problem: problemOf(error) }
      } catch (error) {
        return { ok: false, problem: problemOf(error) }
      }
    },
  }
}

let opened: Expressions | undefined

/** The language, loaded with the first expression of an isolate. */
export async function openExpressions(): Promise<Expressions> {
  opened ??= open((await import('@marcbachmann/cel-js')).Environment)
  return opened
}

export function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (at, part) =>
      typeof at === 'object' && at !== null ? Object.entries(at).find(([key]) => key === String(part))?.[1] : undefined,
    value,
  )
}

export const holdsTemplate = (value: unknown): boolean =>
  typeof value === 'string'
    ? value.includes('{{')
    : typeof value === 'object' && value !== null && Object.values(value).some(holdsTemplate)
