import type { SealedColumn } from '#security'
import { triggers } from './tables.ts'

/** The secrets of addresses that others call. */
export const workflowsSealed: SealedColumn[] = [
  { table: triggers, column: triggers.secret, id: triggers.id, userId: triggers.userId },
]
