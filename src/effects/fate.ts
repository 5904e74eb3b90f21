import { and, eq, type SQL, sql } from 'drizzle-orm'
import { z } from 'zod'
import { letterSettled } from '#email'
import type { Subscriber } from '#queue'
import { webhookSettled } from '#webhooks'
import { endSent } from './act.ts'
import { onBehalfOf } from './held.ts'
import { effectKind } from './kinds.ts'
import { effects } from './tables.ts'

const WANTED = new Set([letterSettled.type, webhookSettled.type])
const Settled = z.object({ id: z.string().max(100) })

/** Ends the effects whose mail or call was taken, refused, or given up. */
export const fateSubscriber: Subscriber = {
  name: 'effects',
  wants: (type) => WANTED.has(type),
  async handle(ctx, events) {
    const userId = events[0]?.userId
    if (userId === undefined) return
    const own = onBehalfOf(ctx, userId)
    const ids = JSON.stringify(events.map(({ data }) => Settled.parse(data).id))
    const e = effects
    const handedOn: SQL = sql`exists (select 1 from jsonb_array_elements_text(${ids}::jsonb) as t(id)
      where ${e.output}->>'id' = t.id or ${e.output}->'ids' @> to_jsonb(t.id))`
    const rows = await ctx.db
      .select()
      .from(e)
      .where(and(eq(e.userId, userId), eq(e.status, 'sending'), handedOn))
    for (const row of rows) {
      const kind = effectKind(row.kind)
      if (kind) await endSent(own, row, kind.tool)
    }
  },
}
