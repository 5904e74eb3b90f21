export { seal, unseal } from './envelope.ts'
export { heedGuesses, noteWrongGuess } from './guesses.ts'
export {
  claimKey,
  forgetKeys,
  type IdempotentRequest,
  keepAnswer,
  pruneKeys,
  releaseKey,
} from './idempotency.ts'
export { LIMITS, networkOf, takeLimit } from './limits.ts'
export { isNetwork, isWithin } from './networks.ts'
export { hashPassword, hashToken, verifyPassword } from './password.ts'
export { takeKey, takeOwn } from './shares.ts'
export { isSame, sign } from './signature.ts'
export { checkUrl, fetchOutside, type OutboundPolicy } from './url-guard.ts'
export { type Grant, grant, LIMIT_MIGRATIONS, type LimitAsk } from './windows.ts'
