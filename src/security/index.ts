export {
  claimKey,
  type IdempotentRequest,
  keepAnswer,
  pruneKeys,
  releaseKey,
} from './idempotency.ts'
export { type Take, takeLimit } from './limits.ts'
export { hashPassword, hashToken, verifyPassword } from './password.ts'
