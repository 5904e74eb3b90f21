import type { SealedColumn } from '#security'
import { totpSecrets } from './tables.ts'

const { id, userId, secret } = totpSecrets

/** What is sealed of people's ways to sign in. */
export const authSealed: SealedColumn[] = [{ table: totpSecrets, column: secret, id, userId }]
