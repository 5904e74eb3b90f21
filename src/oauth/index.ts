export { pruneOauth } from './grants.ts'
export { challengeAt } from './metadata.ts'
