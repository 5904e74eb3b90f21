export { accountReclaimed, accountSubscriber } from './account-mails.ts'
export { pruneChallenges } from './challenge.ts'
export { pruneCodes } from './codes.ts'
export { ChallengeAnswer } from './factors-schema.ts'
export { endFamilies, familyOf, openSessions, startFamily } from './families.ts'
export { pruneSignInFlows } from './flows.ts'
export { isCsrfToken } from './hand-over.ts'
export { isHighSecurity } from './high-security.ts'
export { POLICY } from './policy.ts'
export { signInHealth } from './providers.ts'
export { requireRole, requireSession } from './require.ts'
export { lackingScopes, ruleOf, scopesAsked } from './rules.ts'
export { type Challenge, Login, SessionList } from './schema.ts'
export { SCOPES, type Scope, scopeOf, scopesOf, toolsWithin } from './scopes.ts'
export { authSealed } from './sealed.ts'
export { answerChallenge } from './second-step.ts'
export { endAllOf, endSession, hurry, pruneSessions, renew, sessionEnded, sessionsOf } from './sessions.ts'
export { login } from './sign-in.ts'
export {
  ACCESS_TOKEN_S,
  type Granted,
  publicKeys,
  readAccessToken,
  readStatement,
  readToken,
  resourceAt,
  signGrantToken,
  signStatement,
} from './tokens.ts'
