import { and, eq, getTableColumns, ne, sql } from 'drizzle-orm'
import { z } from 'zod'
import { type Ctx, defineEvent, s } from '#core'
import { type ColumnsOf, jsonObject } from '#database'
import { tell } from '#queue'
import { webhookDeliveries } from './tables.ts'

/** What the person's assistant sends, of which it wants to know what became. */
export const CALLED = 'webhook.called'

/** A call was taken, or is given up. */
export const webhookSettled = defineEvent(
  'webhook.settled',
  null,
  z.strictObject({ id: s.id('whd'), status: z.enum(['delivered', 'failed']) }),
)

type Changed = Parameters<typeof tell>[2] & ColumnsOf<typeof webhookDeliveries>

/** CTEs that tell of the calls among the deliveries that a CTE ended. */
export function tellCalls(db: Ctx['db'], changed: Changed) {
  const isCall = and(eq(changed.type, CALLED), ne(changed.status, 'pending'))
  const columns = getTableColumns(webhookDeliveries)
  const calls = db.$with('calls', columns).as(sql`select * from ${changed} where ${isCall}`)
  const { id, userId, attempts, status } = calls
  const about = { userId, key: id, version: attempts, data: jsonObject({ id, status }) }
  return [calls, tell(db, 'told', calls, { kind: webhookSettled, ...about })] as const
}
