export {
  type Claim,
  claimKey,
  type IdempotentRequest,
  keepAnswer,
  pruneKeys,
  releaseKey,
} from './idempotency.ts'
export { LIMITS, type Take, takeLimit } from './limits.ts'
export { hashPassword, hashToken, verifyPassword } from './password.ts'
