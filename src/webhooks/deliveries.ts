import { and, desc, eq, lt, type SQL, sql } from 'drizzle-orm'
import { z } from 'zod'
import { AppError, type Ctx, decodeCursor, encodeCursor, type Fate, s, toPage, type UserCtx } from '#core'
import { type ColumnsOf, iso, jsonObject, ownedBy } from '#database'
import { CALLED } from './called.ts'
import { mine, missing } from './endpoints.ts'
import type { Delivery } from './schema.ts'
import { webhookDeliveries, webhookEndpoints } from './tables.ts'

const LIST = 'webhook_deliveries'
const CursorKey = z.tuple([s.id('whd')])
const PRUNE_BATCH = 5000

type ReadCtx = Pick<UserCtx, 'actor' | 'db'>

function shown(d: ColumnsOf<typeof webhookDeliveries>): SQL<Delivery> {
  return jsonObject<Delivery>({
    id: d.id,
    type: d.type,
    status: d.status,
    attempts: d.attempts,
    responseStatus: d.responseStatus,
    error: d.error,
    nextAttemptAt: sql`case when ${d.status} = 'pending' then ${iso(d.nextAt)} end`,
    createdAt: iso(d.createdAt),
    endedAt: iso(d.endedAt),
  })
}

/** What was sent to an endpoint, newest first, kept for thirty days. One trip. */
export async function listDeliveries(
  ctx: ReadCtx,
  endpointId: string,
  { limit, cursor, status }: { limit: number; cursor?: string | undefined; status?: Delivery['status'] | undefined },
) {
  const [after] = cursor ? decodeCursor(LIST, cursor, CursorKey) : []
  const d = webhookDeliveries
  const theirs = and(
    eq(d.endpointId, webhookEndpoints.id),
    status && eq(d.status, status),
    after === undefined ? undefined : lt(d.id, after),
  )
  const rows = await ctx.db
    .select({ delivery: sql<Delivery | null>`case when ${d.id} is not null then ${shown(d)} end` })
    .from(webhookEndpoints)
    .leftJoin(d, theirs)
    .where(mine(ctx, endpointId))
    .orderBy(desc(d.id))
    .limit(limit + 1)
  if (rows.length === 0) throw missing()
  return toPage(
    rows.flatMap(({ delivery }) => delivery ?? []),
    limit,
    (last) => encodeCursor(LIST, [last.id]),
  )
}

/** Sends one again, under the same id, whatever became of it before. One trip. */
export async function replayDelivery(ctx: ReadCtx, id: string): Promise<Delivery> {
  const d = webhookDeliveries
  const [row] = await ctx.db
    .update(d)
    .set({ status: 'pending', attempts: 0, nextAt: sql`now()`, error: null, responseStatus: null, endedAt: null })
    .where(and(eq(d.id, id), ownedBy(ctx.actor, d.userId)))
    .returning({ delivery: shown(d) })
  if (!row) throw new AppError('not_found', 'There is no such delivery')
  return row.delivery
}

type PostCtx = ReadCtx & Pick<UserCtx, 'newId' | 'now'>

/** Sends a `webhook.test`, so that whoever receives can see that it arrives. One trip. */
export async function testWebhook(ctx: PostCtx, endpointId: string): Promise<Delivery> {
  return await deliverTo(ctx, endpointId, 'webhook.test', { id: endpointId })
}

/** Sends this to an endpoint as a `webhook.called`. One trip. */
export async function callWebhook(ctx: PostCtx, endpointId: string, data: object): Promise<Delivery> {
  return await deliverTo(ctx, endpointId, CALLED, data)
}

async function deliverTo(ctx: PostCtx, endpointId: string, type: string, data: object): Promise<Delivery> {
  const { db } = ctx
  const id = ctx.newId('whd')
  const body = JSON.stringify({ type, timestamp: ctx.now().toISOString(), data })
  const w = webhookEndpoints
  const endpoint = db
    .$with('endpoint')
    .as(db.select({ id: w.id, userId: w.userId }).from(w).where(mine(ctx, endpointId)))
  const d = webhookDeliveries
  const made = db.$with('made', { delivery: shown(d).as('delivery') }).as(sql`
    insert into ${d} (id, user_id, endpoint_id, event_id, type, body)
    select ${id}, user_id, id, ${id}, ${type}, ${body} from endpoint
    on conflict (id) do update set id = excluded.id
    returning ${shown(d)} as delivery`)
  const [row] = await db.with(endpoint, made).select().from(made)
  if (!row) throw missing()
  return row.delivery
}

const Called = z.object({ id: z.string() })

/** What became of a call, for whoever had it made. One trip. */
export async function fateOfCall({ actor, db }: ReadCtx, called: unknown): Promise<Fate | null> {
  const { id } = Called.parse(called)
  const d = webhookDeliveries
  const [row] = await db
    .select({ status: d.status, error: d.error })
    .from(d)
    .where(and(eq(d.id, id), ownedBy(actor, d.userId)))
  if (row?.status === 'pending') return null
  const isDone = row?.status === 'delivered'
  const output = { id, status: row?.status ?? 'gone' }
  const status = isDone ? 'done' : row ? 'failed' : 'unknown'
  const detail = row?.error ?? 'Its webhook is gone, and with it what became of it'
  return { status, detail, output, evidence: { id: isDone ? id : null, provider: 'webhook' } }
}

/** Drops what ended a month ago. */
export async function pruneDeliveries(ctx: Pick<Ctx, 'db'>): Promise<void> {
  await ctx.db.execute(sql`
    delete from ${webhookDeliveries} where id in (
      select id from ${webhookDeliveries} where ended_at < now() - interval '30 days' limit ${PRUNE_BATCH})`)
}
