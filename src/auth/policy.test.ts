import { expect, test } from 'vitest'
import { HIGH_SECURITY } from './high-security.ts'
import { POLICY } from './policy.ts'
import { lackingScopes, ruleOf, scopesAsked } from './rules.ts'
import { SCOPES } from './scopes.ts'

test('what has no row is open to nobody', () => {
  expect(() => ruleOf('GET', '/v1/secrets')).toThrow('no row for GET /v1/secrets')
  expect(ruleOf('GET', '/v1/tasks')).toEqual(['tasks:read'])
})

test('a key lacks what it was not given, and no key will do where a person must sign in', () => {
  expect(lackingScopes(['ai:write', 'conversations:read'], new Set(['ai:write']))).toEqual(['conversations:read'])
  expect(lackingScopes(['tasks:read'], new Set(['tasks:read']))).toEqual([])
  expect(lackingScopes(['tasks:read'], new Set(['tasks:write']))).toEqual(['tasks:read'])
  for (const rule of ['session', { roles: ['admin'] }] as const)
    expect(lackingScopes(rule, new Set(SCOPES))).toBeUndefined()
})

test('no key reaches an account, a session, another key or a limit, whatever its scopes', () => {
  const reached = Object.entries(POLICY).flatMap(([route, rule]) => (scopesAsked(rule) ? [route] : []))
  expect(reached.filter((route) => /\/v1\/(auth|api-keys|admin)\b|^DELETE \/v1\/me$|^PUT /.test(route))).toEqual([])
})

test('what is high security changes something or gives all away, and no key reaches it', () => {
  const wrong = [...HIGH_SECURITY].filter(
    (route) => POLICY[route] !== 'session' || /^GET .*(?<!\/archive)$/.test(route),
  )
  expect(wrong).toEqual([])
})

test('every scope opens something, and each row asks for at least one', () => {
  const asked = new Set(Object.values(POLICY).flatMap((rule) => scopesAsked(rule) ?? []))
  // What a key may mail it does by a kind of effect, which asks for the scope itself.
  expect([...asked, 'mail:write'].sort()).toEqual([...SCOPES].sort())
  expect(Object.values(POLICY).filter((rule) => scopesAsked(rule)?.length === 0)).toEqual([])
})
