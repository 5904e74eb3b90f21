export { asSigned } from './check.ts'
export { pruneNonces, removeSigningKeys } from './signing-keys.ts'
