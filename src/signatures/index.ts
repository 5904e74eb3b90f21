export { asSigned } from './check.ts'
export { pruneNonces } from './signing-keys.ts'
