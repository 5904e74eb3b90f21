export { isKey, readKey } from './access.ts'
export { keyRevoked, pruneApiKeys, revokeAll, revokedKeys } from './keys.ts'
