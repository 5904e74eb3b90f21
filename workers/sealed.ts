import { authSealed } from '#auth'
import { mailSealed } from '#email'
import { mcpSealed } from '#integrations'
import { devicesSealed } from '#notifications'
import type { SealedColumn } from '#security'
import { webhooksSealed } from '#webhooks'
import { workflowsSealed } from '#workflows'

/** Every column that is sealed: what is not here is not resealed, and proof 21 finds it. */
export const sealedColumns: SealedColumn[] = [
  ...authSealed,
  ...mcpSealed,
  ...mailSealed,
  ...webhooksSealed,
  ...devicesSealed,
  ...workflowsSealed,
]
