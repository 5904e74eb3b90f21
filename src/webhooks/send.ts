import { and, eq, sql } from 'drizzle-orm'
import type { PgUpdateSetSource } from 'drizzle-orm/pg-core'
import { type Ctx, describeError, findAppError, withTimeout } from '#core'
import { notify } from '#notifications'
import { kick } from '#queue'
import { fetchOutside } from '#security'
import { tellCalls } from './called.ts'
import { secretsOf } from './endpoints.ts'
import { signedHeaders } from './signature.ts'
import { webhookDeliveries, webhookEndpoints } from './tables.ts'

const BATCH = 25
const AT_ONCE = 5
// Of a claim: who answers nothing takes this much of it, however much waits for them.
const SHARE = 5
// The next minute's run begins again with whose turn it is.
const RUN_MS = 40_000
const TIMEOUT_MS = 10_000
// Longer than a batch can take: whoever claimed it is gone.
const LEASE_S = 90
const MAX_ERROR = 300
const GONE = 410
const MINUTE_S = 60
const HOUR_S = 3600
/** Seconds from one attempt to the next: ten attempts in a little more than three days. */
export const DELAYS_S = [
  MINUTE_S,
  5 * MINUTE_S,
  30 * MINUTE_S,
  2 * HOUR_S,
  5 * HOUR_S,
  10 * HOUR_S,
  14 * HOUR_S,
  20 * HOUR_S,
  24 * HOUR_S,
]

type SendCtx = Pick<Ctx, 'db' | 'config' | 'env' | 'now' | 'newId' | 'log' | 'waitUntil'>
type Due = typeof webhookDeliveries.$inferSelect & { endpoint: typeof webhookEndpoints.$inferSelect }
type Outcome = { kind: 'delivered' | 'gone' | 'refused'; status: number | null; error: string | null }

/** Sends what is due, of everybody or of one person, until its time is over; answers how many attempts were made. */
export async function sendDue(ctx: SendCtx, userId?: string): Promise<number> {
  const endsMs = ctx.now().getTime() + RUN_MS
  let sent = 0
  for (;;) {
    const due = await claim(ctx, userId)
    const queue = due.values()
    const work = async () => {
      for (const one of queue) await attempt(ctx, one)
    }
    await Promise.all(Array.from({ length: AT_ONCE }, work))
    sent += due.length
    if (due.length < SHARE || ctx.now().getTime() >= endsMs) return sent
  }
}

/**
 * Those whose time has come, a few of each person, or of each endpoint of the one; for this caller alone until the lease
 * is over. One trip.
 */
async function claim({ db }: SendCtx, userId?: string): Promise<Due[]> {
  const d = webhookDeliveries
  const isDue = sql`status = 'pending' and next_at <= now()`
  const theirs = userId === undefined ? sql`` : sql`and user_id = ${userId}`
  const whose = userId === undefined ? sql`user_id` : sql`endpoint_id`
  const ranked = sql`select id, next_at, row_number() over (partition by ${whose} order by next_at) as place
    from ${d} where ${isDue} ${theirs}`
  const first = sql`select id from (${ranked}) ranked where place <= ${SHARE} order by next_at limit ${BATCH}`
  const due = sql`(select id from ${d} where id in (${first}) and ${isDue} for update skip locked)`
  const claimed = db.$with('claimed').as(
    db
      .update(d)
      .set({ attempts: sql`${d.attempts} + 1`, nextAt: sql`now() + ${LEASE_S} * interval '1 second'` })
      .where(sql`${d.id} in ${due}`)
      .returning(),
  )
  const rows = await db
    .with(claimed)
    .select()
    .from(claimed)
    .innerJoin(webhookEndpoints, eq(webhookEndpoints.id, claimed.endpointId))
  return rows.map(({ claimed: one, webhook_endpoints: endpoint }) => ({ ...one, endpoint }))
}

/** Never throws: what could not be written down is attempted again after the lease. */
async function attempt(ctx: SendCtx, due: Due): Promise<void> {
  try {
    const outcome = due.endpoint.enabled ? await post(ctx, due) : OFF
    await settle(ctx, due, outcome)
  } catch (error) {
    ctx.log.error('webhook.unsettled', { deliveryId: due.id, ...describeError(error) })
  }
}

const OFF: Outcome = { kind: 'gone', status: null, error: 'it is switched off' }

async function post(ctx: SendCtx, { id, body, endpoint }: Due): Promise<Outcome> {
  try {
    const signed = signedHeaders(id, ctx.now(), body, await secretsOf(ctx, endpoint))
    const headers = { 'content-type': 'application/json', 'user-agent': 'Aurelius-Webhooks/1', ...signed }
    const response = await withTimeout(TIMEOUT_MS, (signal) =>
      fetchOutside(endpoint.url, { method: 'POST', headers, body, signal }, ctx.config.outbound),
    )
    await response.body?.cancel()
    const { status, ok } = response
    const error = ok ? null : `it answered ${status}`
    return { kind: ok ? 'delivered' : status === GONE ? 'gone' : 'refused', status, error }
  } catch (error) {
    const isLate = error instanceof Error && error.name === 'TimeoutError'
    const said = findAppError(error)?.message ?? (isLate ? 'it took more than ten seconds' : 'it cannot be reached')
    return { kind: 'refused', status: null, error: said.slice(0, MAX_ERROR) }
  }
}

async function settle(ctx: SendCtx, due: Due, { kind, status, error }: Outcome): Promise<void> {
  const seen = { responseStatus: status, error }
  if (kind === 'delivered') return await mark(ctx, due, { ...seen, status: 'delivered', endedAt: sql`now()` })
  const delayS = DELAYS_S[due.attempts - 1]
  if (kind === 'refused' && delayS !== undefined)
    return await mark(ctx, due, { ...seen, nextAt: sql`now() + ${delayS} * interval '1 second'` })
  // Told first, switched off next, ended last: whatever breaks off in between is done again after the lease.
  if (due.endpoint.enabled) await stop(ctx, due, kind === 'gone' ? 'gone' : 'failing')
  await mark(ctx, due, { ...seen, status: 'failed', endedAt: sql`now()` })
}

// Only this attempt's claim: replayed meanwhile, or after its lease, it is another's.
async function mark(ctx: SendCtx, due: Due, set: PgUpdateSetSource<typeof webhookDeliveries>): Promise<void> {
  const { db } = ctx
  const d = webhookDeliveries
  const mine = and(eq(d.id, due.id), eq(d.status, 'pending'), eq(d.attempts, due.attempts))
  const changed = db.$with('changed').as(db.update(d).set(set).where(mine).returning())
  const [calls, told] = tellCalls(db, changed)
  const events = await db.with(changed, calls, told).select({ id: told.id }).from(told)
  kick(
    ctx,
    events.map(({ id }) => id),
  )
}

/** Switches an endpoint off and tells its person why; one that took something in three days only failed this time. */
async function stop(ctx: SendCtx, { endpoint }: Due, reason: 'gone' | 'failing'): Promise<void> {
  const { db } = ctx
  const w = webhookEndpoints
  const [alive] =
    reason === 'gone'
      ? []
      : await db
          .select({ id: webhookDeliveries.id })
          .from(webhookDeliveries)
          .where(
            sql`${webhookDeliveries.endpointId} = ${endpoint.id} and ${webhookDeliveries.status} = 'delivered'
              and ${webhookDeliveries.endedAt} > now() - interval '3 days'`,
          )
          .limit(1)
  if (alive) return
  const { host } = new URL(endpoint.url)
  const why = reason === 'gone' ? 'it answered that it is gone' : 'nothing arrived there for three days'
  await notify(
    { ...ctx, actor: { kind: 'person', userId: endpoint.userId, sessionId: null } },
    {
      kind: 'webhook',
      title: `Your webhook to ${host} was switched off`.slice(0, 200),
      body: `${why[0]?.toUpperCase()}${why.slice(1)}. Switch it on again when it is mended.`,
      dedupeKey: `webhook:${endpoint.id}:${endpoint.version}`,
    },
  )
  await db
    .update(w)
    .set({ enabled: false, disabledReason: reason, version: sql`${w.version} + 1`, updatedAt: sql`now()` })
    .where(and(eq(w.id, endpoint.id), eq(w.version, endpoint.version)))
}
