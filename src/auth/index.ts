export { isHighSecurity, lackingScopes, POLICY, ruleOf } from './policy.ts'
export { SCOPES, type Scope, scopeOf, scopesOf, toolsWithin } from './scopes.ts'
export { pruneSessions, requireSession, sessionEnded } from './sessions.ts'
export { publicKeys, readAccessToken, requireFresh } from './tokens.ts'
