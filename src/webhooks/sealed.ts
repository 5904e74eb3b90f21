import type { SealedColumn } from '#security'
import { webhookEndpoints } from './tables.ts'

const { id, userId, secret, previousSecret } = webhookEndpoints

/** The secrets that sign. */
export const webhooksSealed: SealedColumn[] = [secret, previousSecret].map((column) => ({
  table: webhookEndpoints,
  column,
  id,
  userId,
}))
