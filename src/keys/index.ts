export { isKey, readKey } from './access.ts'
export { keyRevoked, pruneApiKeys } from './keys.ts'
export { keysApp } from './routes.ts'
