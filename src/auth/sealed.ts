import type { SealedColumn } from '#security'
import { signInFlows, totpSecrets } from './tables.ts'

/** What is sealed of people's ways to sign in; on the way to a provider it is nobody's yet. */
export const authSealed: SealedColumn[] = [
  { table: totpSecrets, column: totpSecrets.secret, id: totpSecrets.id, userId: totpSecrets.userId },
  { table: signInFlows, column: signInFlows.sealed, id: signInFlows.hash, userId: null },
]
