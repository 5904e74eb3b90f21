import type { SealedColumn } from '#security'
import { emailMessages } from './tables.ts'

/** What is sealed of mail that waits. */
export const mailSealed: SealedColumn[] = [
  { table: emailMessages, column: emailMessages.content, id: emailMessages.id, userId: emailMessages.userId },
]
