import { and, eq, inArray, type SQL, sql } from 'drizzle-orm'
import type { PgUpdateSetSource } from 'drizzle-orm/pg-core'
import { openSessions } from '#auth'
import { AppError, type Ctx, type UserCtx } from '#core'
import { iso, jsonObject, ownedBy } from '#database'
import { isShown } from './notify.ts'
import type { Outcome } from './outcome.ts'
import type { Planned } from './plan.ts'
import type { NotificationDelivery } from './reach-schema.ts'
import { deliveries, devices, notifications } from './tables.ts'

// Longer than a round of sends may take: whoever claimed it is gone.
const LEASE_S = 60
/** As many are claimed at once: five at a time, each given up after eight seconds, they are done before the lease. */
export const CLAIM = 25
const MAX_ATTEMPTS = 5
const FIRST_DELAY_S = 30
const LATE_S = 15
const MAX_LISTED = 100
const PRUNE_BATCH = 5000

const d = deliveries
const n = notifications

type Row = typeof deliveries.$inferSelect

/** What waits is claimed with what it is about, and with the device it is for, where that is still signed in. */
export type Claimed = {
  row: Row
  told: Pick<
    typeof notifications.$inferSelect,
    'id' | 'kind' | 'title' | 'body' | 'priority' | 'link' | 'actions' | 'collapseKey' | 'expiresAt'
  >
  device: typeof devices.$inferSelect | null
}

/** The devices of a person whose sign-in is still good. One trip. */
export async function reachable({ db, now }: Pick<Ctx, 'db' | 'now'>, userId: string) {
  const open = openSessions(db, now())
  return await db
    .select({ id: devices.id, kind: devices.kind })
    .from(devices)
    .innerJoin(open, eq(open.id, devices.sessionId))
    .where(eq(devices.userId, userId))
}

type Plan = { notificationId: string; planned: Planned[] }

/** Writes down by which ways notifications go; written before, it stays as it is. One trip. */
export async function recordPlans(
  ctx: Pick<Ctx, 'db' | 'now' | 'newId'>,
  userId: string,
  plans: Plan[],
  deviceIds: string[],
): Promise<void> {
  const at = ctx.now()
  const rows = plans.flatMap(({ notificationId, planned }) =>
    planned.flatMap(({ channel, dueAt }) =>
      (channel === 'push' ? deviceIds : ['']).map((deviceId) => ({
        ...{ id: ctx.newId('dlv'), userId, notificationId, channel, deviceId, dueAt, createdAt: at },
        // The event that brought this here is what sockets are sent.
        ...(channel === 'socket' ? { status: 'sent' as const, endedAt: at } : { status: 'waiting' as const }),
      })),
    ),
  )
  if (rows.length > 0) await ctx.db.insert(d).values(rows).onConflictDoNothing()
}

const ended = (at: Date) => sql`n.read_at is not null or n.expires_at <= ${at.toISOString()}::timestamptz`
const stamp = (at: Date) => sql`${at.toISOString()}::timestamptz`

/**
 * What is due of a person, for this caller alone. What was seen meanwhile is skipped; what somebody was pushing and never
 * said is `unknown` from now on, and not claimed: mail, whose record and sending are one commit, is. One trip.
 */
export async function claimDue({ db, now }: Pick<Ctx, 'db' | 'now'>, userId: string): Promise<Claimed[]> {
  const at = now()
  const isLost = sql`(x.status = 'sending' and x.channel = 'push')`
  const isIdle = sql`(x.purpose = 'show' and (n.seen_at is not null or ${ended(at)}))`
  const due = sql`select id from ${d} where user_id = ${userId} and ((status = 'waiting' and due_at <= ${stamp(at)})
    or (status = 'sending' and claimed_at < ${stamp(at)} - ${LEASE_S} * interval '1 second'))
    order by due_at limit ${CLAIM} for update skip locked`
  const { rows } = await db.execute<{ row: string; claimed: string }>(sql`
    with due as (${due}), taken as (
      update ${d} x set
        status = case when ${isLost} then 'unknown' when ${isIdle} then 'skipped' else 'sending' end,
        reason = case when ${isLost} then 'it was being sent, and nobody heard how it went' when ${isIdle} then 'it was seen' end,
        attempts = x.attempts + case when ${isLost} or ${isIdle} then 0 else 1 end,
        claimed_at = ${stamp(at)}, ended_at = case when ${isLost} or ${isIdle} then ${stamp(at)} end
      from ${n} n where n.id = x.notification_id and x.id in (select id from due)
      returning x.id, x.status)
    select id as row, status as claimed from taken where status = 'sending'`)
  const ids = rows.map(({ row }) => row)
  if (ids.length === 0) return []
  const open = openSessions(db, at)
  const held = await db
    .select({ row: d, told: n, device: devices, session: open.id })
    .from(d)
    .innerJoin(n, eq(n.id, d.notificationId))
    .leftJoin(devices, and(eq(devices.id, d.deviceId), eq(devices.userId, d.userId)))
    .leftJoin(open, eq(open.id, devices.sessionId))
    .where(inArray(d.id, ids))
    .orderBy(d.dueAt, d.id)
  return held.map(({ session, device, ...rest }) => ({ ...rest, device: session === null ? null : device }))
}

const mine = ({ id, attempts }: Row) => and(eq(d.id, id), eq(d.status, 'sending'), eq(d.attempts, attempts))

/** Puts off what was claimed, as though it had not been. */
export async function putOff({ db }: Pick<Ctx, 'db'>, row: Row, dueAt: Date): Promise<void> {
  await db
    .update(d)
    .set({ status: 'waiting', dueAt, attempts: row.attempts - 1, claimedAt: null })
    .where(mine(row))
}

/** Ends it without sending. */
export async function giveUp({ db, now }: Pick<Ctx, 'db' | 'now'>, row: Row, reason: string): Promise<void> {
  await db.update(d).set({ status: 'skipped', reason, endedAt: now() }).where(mine(row))
}

/** Writes down what became of a push; answers when it is tried again. */
export async function settlePush(
  ctx: Pick<Ctx, 'db' | 'now'>,
  { row, device }: Claimed,
  outcome: Outcome,
): Promise<Date | null> {
  const { db } = ctx
  const at = ctx.now()
  const mark = async (set: PgUpdateSetSource<typeof deliveries>) => {
    await db.update(d).set(set).where(mine(row))
  }
  switch (outcome.kind) {
    case 'sent':
      await mark({ status: 'sent', providerId: outcome.providerId?.slice(0, 300) ?? null, reason: null, endedAt: at })
      if (device) await db.update(devices).set({ lastSentAt: at }).where(eq(devices.id, device.id))
      return null
    case 'gone':
      await mark({ status: 'failed', reason: 'the device is gone', endedAt: at })
      // Only as it was asked: registered anew meanwhile, it is there.
      if (device) await db.delete(devices).where(and(eq(devices.id, device.id), eq(devices.address, device.address)))
      return null
    case 'refused':
      await mark({ status: 'failed', reason: outcome.reason, endedAt: at })
      return null
    case 'unknown':
      await mark({ status: 'unknown', reason: outcome.reason, endedAt: at })
      return null
    case 'later': {
      if (row.attempts >= MAX_ATTEMPTS) {
        await mark({ status: 'failed', reason: outcome.reason, endedAt: at })
        return null
      }
      const waitS = Math.max(outcome.retryAfterS, FIRST_DELAY_S * 4 ** (row.attempts - 1))
      const dueAt = new Date(at.getTime() + waitS * 1000)
      await mark({ status: 'waiting', reason: outcome.reason, dueAt })
      return dueAt
    }
  }
}

/** The statement that says that these went out with a mail, or that it was refused, for the batch that queues it. */
export function settleMailed(
  { db, now }: Pick<Ctx, 'db' | 'now'>,
  rows: Row[],
  mail: { id: string | null; isQueued: SQL<boolean> },
) {
  const ids = rows.map(({ id }) => id)
  return db
    .update(d)
    .set({
      status: sql`case when ${mail.isQueued} then 'sent' else 'failed' end`,
      reason: sql`case when not ${mail.isQueued} then 'too many mails, or an address that takes none' end`,
      providerId: mail.id,
      endedAt: now(),
    })
    .where(and(inArray(d.id, ids), eq(d.status, 'sending')))
}

/**
 * Sockets were heard where a notification was seen; and what was pushed of one that was read, or is gone, is to be taken
 * back from apps. `ids`: of these alone. Answers whether anything is. Two trips, a third where something is.
 */
export async function acknowledge(
  ctx: Pick<Ctx, 'db' | 'now' | 'newId'>,
  userId: string,
  ids: string[] | null,
): Promise<boolean> {
  const { db } = ctx
  const at = ctx.now()
  const those =
    ids === null
      ? sql``
      : sql`and x.notification_id in (select jsonb_array_elements_text(${JSON.stringify(ids)}::jsonb))`
  const [, pushed] = await db.batch([
    db.execute(sql`update ${d} x set status = 'acknowledged', ended_at = ${stamp(at)} from ${n} n
      where n.id = x.notification_id and x.user_id = ${userId} ${those} and x.channel = 'socket' and x.status = 'sent'
        and (n.seen_at is not null or ${ended(at)})`),
    // A browser may show nothing without being seen: its pages hear of it by their socket.
    db.execute<{ notificationId: string; deviceId: string }>(sql`
      select x.notification_id as "notificationId", x.device_id as "deviceId" from ${d} x
      join ${n} n on n.id = x.notification_id join ${devices} v on v.id = x.device_id and v.kind <> 'web_push'
      where x.user_id = ${userId} ${those} and x.channel = 'push' and x.purpose = 'show'
        and x.status in ('sent', 'unknown') and (${ended(at)}) and not exists (select 1 from ${d} c
          where c.notification_id = x.notification_id and c.device_id = x.device_id and c.purpose = 'clear')`),
  ])
  const rows = pushed.rows.map((row) => ({
    ...{ ...row, id: ctx.newId('dlv'), userId, channel: 'push' as const, purpose: 'clear' as const },
    ...{ status: 'waiting' as const, dueAt: at, createdAt: at },
  }))
  if (rows.length > 0) await db.insert(d).values(rows).onConflictDoNothing()
  return rows.length > 0
}

/** Who has deliveries that nobody made in time, longest first. */
export async function overduePeople({ db, now }: Pick<Ctx, 'db' | 'now'>, limit: number): Promise<string[]> {
  const at = now()
  const rows = await db
    .select({ userId: d.userId })
    .from(d)
    .where(
      sql`(${d.status} = 'waiting' and ${d.dueAt} < ${stamp(at)} - ${LATE_S} * interval '1 second')
        or (${d.status} = 'sending' and ${d.claimedAt} < ${stamp(at)} - ${LEASE_S} * interval '1 second')`,
    )
    .groupBy(d.userId)
    .orderBy(sql`min(${d.dueAt})`)
    .limit(limit)
  return rows.map(({ userId }) => userId)
}

/** How a notification was told, by every way it went. One trip; 404 where it is not theirs. */
export async function listDeliveries(
  { actor, db }: Pick<UserCtx, 'actor' | 'db'>,
  notificationId: string,
): Promise<{ items: NotificationDelivery[] }> {
  const shown = jsonObject<NotificationDelivery>({
    id: d.id,
    channel: d.channel,
    purpose: d.purpose,
    deviceId: sql`nullif(${d.deviceId}, '')`,
    status: d.status,
    reason: d.reason,
    attempts: d.attempts,
    dueAt: iso(d.dueAt),
    endedAt: iso(d.endedAt),
    createdAt: iso(d.createdAt),
  })
  const rows = await db
    .select({ delivery: sql<NotificationDelivery | null>`case when ${d.id} is not null then ${shown} end` })
    .from(n)
    .leftJoin(d, eq(d.notificationId, n.id))
    .where(and(eq(n.id, notificationId), ownedBy(actor, n.userId), isShown()))
    .orderBy(d.dueAt, d.id)
    .limit(MAX_LISTED)
  if (rows.length === 0) throw new AppError('not_found', 'There is no such notification')
  return { items: rows.flatMap(({ delivery }) => delivery ?? []) }
}

/** Drops what ended a month ago. */
export async function pruneLedger({ db, now }: Pick<Ctx, 'db' | 'now'>): Promise<void> {
  await db.execute(sql`delete from ${d} where id in (
    select id from ${d} where ended_at < ${stamp(now())} - interval '30 days' limit ${PRUNE_BATCH})`)
}
