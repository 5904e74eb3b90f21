import { and, type Column, eq, type SQL, sql } from 'drizzle-orm'
import type { PgUpdateSetSource } from 'drizzle-orm/pg-core'
import { openSessions } from '#auth'
import { AppError, type Ctx, type UserCtx } from '#core'
import { iso, jsonObject, ownedBy } from '#database'
import { chance } from '#queue'
import { isShown } from './notify.ts'
import type { Outcome } from './outcome.ts'
import type { Planned } from './plan.ts'
import type { NotificationDelivery } from './reach-schema.ts'
import { deliveries, devices, notifications } from './tables.ts'

/** Longer than a send may take, with the token it needs: whoever began it is gone. */
export const LEASE_S = 60
export const MAX_ATTEMPTS = 5
const FIRST_DELAY_S = 30
const LATE_S = 15
const MAX_LISTED = 100
// A phone that shows more than these is opened, and hears of the rest.
const MAX_CLEARED = 200
const PRUNE_BATCH = 5000

const d = deliveries
const n = notifications

type Value = SQL | Column
type Sent = Pick<typeof deliveries.$inferSelect, 'id' | 'attempts'>

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

export const stamp = (at: Date) => sql`${at.toISOString()}::timestamptz`
/** It was read, or is no longer there. */
export const hasEnded = ({ readAt, expiresAt }: { readAt: Value; expiresAt: Value }, at: Date) =>
  sql`(${readAt} is not null or ${expiresAt} <= ${stamp(at)})`

const mine = ({ id, attempts }: Sent) => and(eq(d.id, id), eq(d.status, 'sending'), eq(d.attempts, attempts))

/**
 * The statement that takes back what was pushed of notifications that have ended, the newest `most` of a week; `x` is the
 * delivery. A browser may show nothing without being seen: its pages hear of it by their socket.
 */
export function insertClears(ctx: Pick<Ctx, 'db' | 'now' | 'newId'>, which: SQL | undefined, most: number) {
  const at = ctx.now()
  const ids = JSON.stringify(Array.from({ length: most }, () => ctx.newId('dlv')))
  return ctx.db.execute<{ id: string }>(sql`
    insert into ${d} (id, user_id, notification_id, channel, purpose, device_id, status, due_at, created_at)
    select i.id, c.user_id, c.notification_id, 'push', 'clear', c.device_id, 'waiting', ${stamp(at)}, ${stamp(at)} from (
      select x.user_id, x.notification_id, x.device_id, row_number() over (order by x.ended_at desc, x.id) as place
      from ${d} x join ${n} n on n.id = x.notification_id
      join ${devices} v on v.id = x.device_id and v.kind <> 'web_push'
      where ${which} and x.channel = 'push' and x.purpose = 'show' and x.status in ('sent', 'unknown')
        and x.ended_at > ${stamp(at)} - interval '7 days'
        and ${hasEnded({ readAt: sql`n.read_at`, expiresAt: sql`n.expires_at` }, at)}
        and not exists (select 1 from ${d} k
          where k.notification_id = x.notification_id and k.device_id = x.device_id and k.purpose = 'clear')
      order by place limit ${most}) c
    join jsonb_array_elements_text(${ids}::jsonb) with ordinality i (id, place) on i.place = c.place
    on conflict do nothing returning id`)
}

/** Writes down what became of a push; answers when there is more to do. One trip. */
export async function settlePush(
  ctx: Pick<Ctx, 'db' | 'now' | 'newId'>,
  { row, device }: { row: Sent; device: typeof devices.$inferSelect | null },
  outcome: Outcome,
): Promise<Date | null> {
  const { db } = ctx
  const at = ctx.now()
  const mark = (set: PgUpdateSetSource<typeof deliveries>) => db.update(d).set(set).where(mine(row))
  const ofDevice = eq(devices.id, device?.id ?? '')
  // Read while it was on its way, it has to be taken back: nothing else will happen to the notification.
  const clears = insertClears(ctx, sql`x.id = ${row.id}`, 1)
  switch (outcome.kind) {
    case 'sent': {
      const providerId = outcome.providerId?.slice(0, 300) ?? null
      const sent = mark({ status: 'sent', providerId, reason: null, endedAt: at })
      const [, , { rows }] = await db.batch([sent, db.update(devices).set({ lastSentAt: at }).where(ofDevice), clears])
      return rows.length > 0 ? at : null
    }
    case 'unknown': {
      const [, { rows }] = await db.batch([mark({ status: 'unknown', reason: outcome.reason, endedAt: at }), clears])
      return rows.length > 0 ? at : null
    }
    case 'gone': {
      // Only as it was asked: registered anew meanwhile, it is there.
      const forgotten = db.delete(devices).where(and(ofDevice, eq(devices.address, device?.address ?? '')))
      await db.batch([mark({ status: 'failed', reason: 'the device is gone', endedAt: at }), forgotten])
      return null
    }
    case 'refused':
      await mark({ status: 'failed', reason: outcome.reason, endedAt: at })
      return null
    case 'later': {
      if (row.attempts >= MAX_ATTEMPTS) {
        await mark({ status: 'failed', reason: outcome.reason, endedAt: at })
        return null
      }
      // By chance up to twice as long: what failed together does not come back together.
      const waitS = Math.max(outcome.retryAfterS, FIRST_DELAY_S * 4 ** (row.attempts - 1) * (1 + chance()))
      const dueAt = new Date(at.getTime() + waitS * 1000)
      await mark({ status: 'waiting', reason: outcome.reason, dueAt, claimedAt: null })
      return dueAt
    }
  }
}

/** The statement that says that these went out with a mail, or that it was refused, for the batch that queues it. */
export function settleMailed(
  { db, now }: Pick<Ctx, 'db' | 'now'>,
  isTheirs: SQL | undefined,
  mail: { id: string | null; isQueued: SQL<boolean> },
) {
  return db
    .update(d)
    .set({
      status: sql`case when ${mail.isQueued} then 'sent' else 'failed' end`,
      reason: sql`case when not ${mail.isQueued} then 'too many mails, or an address that takes none' end`,
      providerId: mail.id,
      endedAt: now(),
    })
    .where(isTheirs)
}

/**
 * Sockets were heard where a notification was seen; and what was pushed of one that was read, or is gone, is to be taken
 * back from apps. `ids`: of these alone. Answers whether anything is. One trip.
 */
export async function acknowledge(
  ctx: Pick<Ctx, 'db' | 'now' | 'newId'>,
  userId: string,
  ids: string[] | null,
): Promise<boolean> {
  const { db } = ctx
  const those =
    ids === null
      ? sql``
      : sql`and x.notification_id in (select jsonb_array_elements_text(${JSON.stringify(ids)}::jsonb))`
  const [, cleared] = await db.batch([
    db.execute(sql`update ${d} x set status = 'acknowledged', ended_at = ${stamp(ctx.now())} from ${n} n
      where n.id = x.notification_id and x.user_id = ${userId} ${those} and x.channel = 'socket' and x.status = 'sent'
        and n.seen_at is not null`),
    insertClears(ctx, sql`x.user_id = ${userId} ${those}`, MAX_CLEARED),
  ])
  return cleared.rows.length > 0
}

/** Whoever claimed it was lost. Mail that could not be written down is claimed again each time four times later: an hour and more in all. */
export const isLapsed = (at: Date) => sql`(${d.claimedAt} < ${stamp(at)} - ${LEASE_S} * interval '1 second'
  * case when ${d.channel} = 'push' then 1 else power(4, least(greatest(${d.attempts}, 1), 4) - 1) end)`

/** Who has deliveries that nobody made in time, longest first; `at` is another whenever somebody began them since. */
export async function overduePeople(
  { db, now }: Pick<Ctx, 'db' | 'now'>,
  limit: number,
): Promise<{ userId: string; at: string }[]> {
  const at = now()
  const msOf = (of: SQL) => sql`coalesce((extract(epoch from ${of}) * 1000)::bigint, 0)`
  const first = msOf(sql`min(${d.dueAt})`)
  const last = msOf(sql`max(${d.claimedAt})`)
  return await db
    .select({ userId: d.userId, at: sql<string>`'swept:' || ${first} || ':' || ${last}` })
    .from(d)
    .where(
      sql`(${d.status} = 'waiting' and ${d.dueAt} < ${stamp(at)} - ${LATE_S} * interval '1 second'
          and (${d.claimedAt} is null or ${isLapsed(at)}))
        or (${d.status} = 'sending' and ${isLapsed(at)})`,
    )
    .groupBy(d.userId)
    .orderBy(sql`min(${d.dueAt})`)
    .limit(limit)
}

/** When deliveries of people are due until then that are not late yet, soonest first. */
export async function soonDue({ db, now }: Pick<Ctx, 'db' | 'now'>, until: Date, limit: number) {
  return await db
    .selectDistinct({ userId: d.userId, dueAt: d.dueAt })
    .from(d)
    .where(
      sql`${d.status} = 'waiting' and ${d.dueAt} >= ${stamp(now())} - ${LATE_S} * interval '1 second'
        and ${d.dueAt} < ${stamp(until)} and ${d.claimedAt} is null`,
    )
    .orderBy(d.dueAt, d.userId)
    .limit(limit)
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
