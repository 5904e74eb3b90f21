export { lackingScopes, POLICY, ruleOf, scopesAsked } from './policy.ts'
export { sessionsApp, signInApp } from './routes.ts'
export { SessionList } from './schema.ts'
export { SCOPES, type Scope, scopeOf, scopesOf, toolsWithin } from './scopes.ts'
export {
  endAllOf,
  endSession,
  pruneSessions,
  requireRole,
  requireSession,
  sessionEnded,
  sessionsOf,
} from './sessions.ts'
export { publicKeys, readAccessToken, readStatement, requireFresh, signStatement } from './tokens.ts'
