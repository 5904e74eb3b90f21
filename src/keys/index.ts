export { isKey, readKey } from './access.ts'
export { keyRevoked, pruneApiKeys } from './keys.ts'
