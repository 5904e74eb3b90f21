import { POLICY, type Rule } from './policy.ts'
import type { Scope } from './scopes.ts'

/** Throws for a route that has no row: nobody said who may call it. */
export function ruleOf(method: string, path: string): Rule {
  const rule = POLICY[`${method} ${path}`]
  if (rule === undefined) throw new Error(`the policy has no row for ${method} ${path}`)
  return rule
}

/** The scopes a rule asks a key for; undefined where no key will do. */
export function scopesAsked(rule: Rule | undefined): readonly Scope[] | undefined {
  return rule === undefined || typeof rule === 'string' || 'roles' in rule ? undefined : rule
}

/** The scopes a key lacks for what this rule asks; undefined where no key will do. */
export function lackingScopes(rule: Rule, held: ReadonlySet<Scope>): Scope[] | undefined {
  if (rule === 'public') return []
  return scopesAsked(rule)?.filter((scope) => !held.has(scope))
}
