import { type Evaluated, openExpressions, type Scope } from './expression.ts'

/** What expressions read; JSON all through. `item` and its name are there inside a for-each. */
export type Values = {
  params: Record<string, unknown>
  trigger: Record<string, unknown>
  now: Record<string, unknown>
  facts: Record<string, unknown>
  findings: unknown[]
  steps: Record<string, unknown>
  [item: string]: unknown
}

/** The words of a workflow that could not be made sense of when it ran: trying again would end the same. */
export class ExpressionError extends Error {}

export type Reader = {
  holds(expression: string, values: Values): boolean
  evaluate(expression: string, values: Values): unknown
  render(template: unknown, values: Values): unknown
  text(template: string, values: Values, max: number): string
  /** What an effect is given. */
  input(template: Record<string, unknown>, values: Values): Record<string, unknown>
}

export async function openReader(): Promise<Reader> {
  const language = await openExpressions()
  const scopes = new WeakMap<Values, Scope>()
  const scopeOf = (values: Values): Scope => {
    const scope = scopes.get(values) ?? language.scope(values)
    scopes.set(values, scope)
    return scope
  }
  const render = (template: unknown, values: Values) => madeOf(language.render(template, scopeOf(values)), template)
  return {
    render,
    holds: (expression, values) => madeOf(language.holds(expression, scopeOf(values)), expression) === true,
    evaluate: (expression, values) => madeOf(language.evaluate(expression, scopeOf(values)), expression),
    text: (template, values, max) => cut(String(render(template, values) ?? ''), max),
    input: (template, values) => Object.fromEntries(Object.entries(template).map(([k, v]) => [k, render(v, values)])),
  }
}

function madeOf<T>(made: { ok: true; value: T } | Extract<Evaluated, { ok: false }>, said: unknown): T {
  if (made.ok) return made.value
  throw new ExpressionError(`${cut(typeof said === 'string' ? said : JSON.stringify(said), 120)}: ${made.problem}`)
}

/** Never through the middle of a surrogate pair. */
export function cut(value: string, max: number): string {
  return value.length <= max ? value : `${value.slice(0, max - 1).replace(/[\ud800-\udbff]$/, '')}\u2026`
}
