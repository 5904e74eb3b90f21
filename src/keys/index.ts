export { isKey, readKey } from './access.ts'
export { keyCreated, keyRevoked, pruneApiKeys, revokeAll, revokedKeys } from './keys.ts'
