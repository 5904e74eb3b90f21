export { endFamilies, familyOf, openSessions, startFamily } from './families.ts'
export { lackingScopes, POLICY, ruleOf } from './policy.ts'
export { sessionsApp, signInApp } from './routes.ts'
export { Login } from './schema.ts'
export { SCOPES, type Scope, scopeOf, scopesOf, toolsWithin } from './scopes.ts'
export { endSession, pruneSessions, renew, requireSession, sessionEnded } from './sessions.ts'
export { login } from './sign-in.ts'
export {
  ACCESS_TOKEN_S,
  type Granted,
  publicKeys,
  readAccessToken,
  readToken,
  requireFresh,
  resourceAt,
  signGrantToken,
} from './tokens.ts'
