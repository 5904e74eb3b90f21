export { seal, unseal } from './envelope.ts'
export { heedGuesses, noteWrongGuess } from './guesses.ts'
export {
  claimKey,
  type IdempotentRequest,
  keepAnswer,
  pruneKeys,
  releaseKey,
} from './idempotency.ts'
export { LIMITS, networkOf, type Take, takeLimit, takeQuota } from './limits.ts'
export {
  acceptSignature,
  claimsSignature,
  isSignedBy,
  readPublicKey,
  readSignature,
  SIGNATURE_MAX_AGE_S,
} from './message-signatures.ts'
export { isNetwork, isWithin } from './networks.ts'
export { hashPassword, hashToken, verifyPassword } from './password.ts'
export { resealSecrets, type SealedColumn } from './reseal.ts'
export { takeKey, takeOwn } from './shares.ts'
export { isSame, sign } from './signature.ts'
export { checkUrl, fetchOutside, type OutboundPolicy } from './url-guard.ts'
export { type Grant, grant, LIMIT_MIGRATIONS, type LimitAsk } from './windows.ts'
