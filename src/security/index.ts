export { seal, unseal } from './envelope.ts'
export {
  claimKey,
  forgetKeys,
  type IdempotentRequest,
  keepAnswer,
  pruneKeys,
  releaseKey,
} from './idempotency.ts'
export { networkOf, type Take, takeLimit } from './limits.ts'
export { hashPassword, hashToken, verifyPassword } from './password.ts'
export { isSame, sign } from './signature.ts'
export { checkUrl, fetchOutside, type OutboundPolicy } from './url-guard.ts'
