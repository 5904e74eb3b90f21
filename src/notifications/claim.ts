import { and, eq, getTableColumns, inArray, type SQL, sql } from 'drizzle-orm'
import { openSessions } from '#auth'
import type { Ctx } from '#core'
import { hasEnded, insertClears, isLapsed, MAX_ATTEMPTS, stamp } from './ledger.ts'
import { deliveries, devices, notifications } from './tables.ts'

// Five at a time; whoever is slower loses what it has not begun to another.
const CLAIM = 25
/** What is due by then is looked at: whoever looks may be behind whoever woke it. */
export const EARLY_MS = 1000
/** What was gathered goes out in one mail: not in parts. */
const MAX_GATHERED = 1000

const d = deliveries
const n = notifications

type Row = Pick<typeof d.$inferSelect, 'id' | 'channel' | 'purpose' | 'attempts' | 'claimedAt'>
type Told = Pick<
  typeof n.$inferSelect,
  'id' | 'kind' | 'title' | 'body' | 'priority' | 'link' | 'actions' | 'collapseKey' | 'expiresAt'
>
/** What is to be sent, what it is about, and the device it is for, where that is still signed in. */
export type Claimed = { row: Row; told: Told; device: typeof devices.$inferSelect | null }
/** Until when quiet hours put off what is urgent, and all else; null: not at all. */
export type Held = { urgent: Date | null; others: Date | null }
/** `again`: when there is something more to do. */
type Claims = { claimed: Claimed[]; taken: number; again: Date[] }

/**
 * What is due of a person, for this caller alone until the lease is over; it counts as being sent only from `begin` on.
 * What was seen meanwhile is skipped, what comes in quiet hours put off, and what somebody was pushing and never said is
 * `unknown` from now on; mail that was claimed too often has failed. One trip, a second where something is.
 */
export async function claimDue(ctx: Pick<Ctx, 'db' | 'now' | 'newId'>, userId: string, held: Held): Promise<Claims> {
  const { db, now } = ctx
  const at = now()
  const soon = new Date(at.getTime() + EARLY_MS)
  const isDue = sql`${d.userId} = ${userId} and ((${d.status} = 'sending' and ${isLapsed(at)})
    or (${d.status} = 'waiting' and ${d.dueAt} < ${stamp(soon)} and (${d.claimedAt} is null or ${isLapsed(at)})))`
  const some = (name: string, isOf: SQL, most: number) =>
    db
      .$with(name)
      .as(
        db
          .select({ id: d.id })
          .from(d)
          .where(and(isDue, isOf))
          .orderBy(d.dueAt, d.id)
          .limit(most)
          .for('update', { skipLocked: true }),
      )
  const due = some('due', sql`${d.channel} <> 'digest'`, CLAIM)
  const gathered = some('gathered', sql`${d.channel} = 'digest'`, MAX_GATHERED)
  // Of mail, record and sending are one commit: nothing is lost of it.
  const isLost = sql`(${d.status} = 'sending' and ${d.channel} = 'push')`
  // Its claim is its attempt: one that cannot be written down would be claimed for ever.
  const isSpent = sql`(${d.channel} <> 'push' and ${d.attempts} >= ${MAX_ATTEMPTS})`
  const isIdle = sql`${d.purpose} = 'show' and (${n.seenAt} is not null or ${hasEnded(n, at)})`
  const isOver = sql`(${isLost} or ${isIdle} or ${isSpent})`
  const until = (date: Date | null) => sql`${date?.toISOString() ?? null}::timestamptz`
  const heldTo = sql`case when ${d.purpose} = 'show'
    then case when ${n.priority} = 'urgent' then ${until(held.urgent)} else ${until(held.others)} end end`
  const taken = db.$with('taken').as(
    db
      .update(d)
      .set({
        status: sql`case when ${isLost} then 'unknown' when ${isIdle} then 'skipped'
          when ${isSpent} then 'failed' else 'waiting' end`,
        reason: sql`case when ${isLost} then 'it was being sent, and nobody heard how it went'
          when ${isIdle} then case when ${n.seenAt} is not null then 'it was seen'
            when ${n.title} = '' then 'it was taken away' else 'it expired' end
          when ${isSpent} then 'it could not be written down' else ${d.reason} end`,
        dueAt: sql`case when ${isOver} then ${d.dueAt} else coalesce(${heldTo}, ${d.dueAt}) end`,
        attempts: sql`${d.attempts} + case when ${d.channel} = 'push' or ${isOver} or ${heldTo} is not null then 0 else 1 end`,
        claimedAt: sql`case when ${isOver} or ${heldTo} is null then ${stamp(at)} end`,
        endedAt: sql`case when ${isOver} then ${stamp(at)} end`,
      })
      .from(n)
      .where(sql`${n.id} = ${d.notificationId} and ${d.id} in (select id from due union all select id from gathered)`)
      .returning(getTableColumns(d)),
  )
  const open = openSessions(db, at)
  const { id, channel, purpose, attempts, claimedAt, status, dueAt } = taken
  const rows = await db
    .with(due, gathered, taken)
    .select({
      row: { id, channel, purpose, attempts, claimedAt },
      status,
      dueAt,
      told: n,
      device: devices,
      session: open.id,
    })
    .from(taken)
    .innerJoin(n, eq(n.id, taken.notificationId))
    .leftJoin(devices, and(eq(devices.id, taken.deviceId), eq(devices.userId, taken.userId)))
    .leftJoin(open, eq(open.id, devices.sessionId))
    .orderBy(taken.dueAt, taken.id)
  const isHeld = ({ row, status: is }: (typeof rows)[number]) => is === 'waiting' && row.claimedAt === null
  const again = rows.filter(isHeld).map((one) => one.dueAt)
  const digests = rows.filter(({ row }) => row.channel === 'digest').length
  if (digests === MAX_GATHERED || rows.length - digests === CLAIM) again.push(at)
  const lost = rows.flatMap((one) => (one.status === 'unknown' ? one.row.id : []))
  if (lost.length > 0 && (await insertClears(ctx, inArray(sql`x.id`, lost), lost.length)).rows.length > 0)
    again.push(at)
  const claimed = rows
    .filter((one) => one.status === 'waiting' && !isHeld(one))
    .map(({ row, told, device, session }) => ({ row, told, device: session === null ? null : device }))
  return { claimed, taken: rows.length, again }
}

/** Whose claim it is still, and nobody has begun. */
export const isClaimed = (rows: Pick<Row, 'id' | 'claimedAt'>[]) =>
  and(
    inArray(
      d.id,
      rows.map(({ id }) => id),
    ),
    eq(d.status, 'waiting'),
    sql`${d.claimedAt} = ${rows[0]?.claimedAt?.toISOString() ?? null}::timestamptz`,
  )

/** From here on nobody knows how it goes until it is settled; null: it is no longer this caller's. One trip. */
export async function begin({ db, now }: Pick<Ctx, 'db' | 'now'>, claimed: Claimed): Promise<Claimed | null> {
  const { row } = claimed
  const [begun] = await db
    .update(d)
    .set({ status: 'sending', attempts: sql`${d.attempts} + 1`, claimedAt: now() })
    .where(isClaimed([row]))
    .returning({ attempts: d.attempts, claimedAt: d.claimedAt })
  return begun ? { ...claimed, row: { ...row, ...begun } } : null
}

/** Ends it without sending. */
export async function giveUp({ db, now }: Pick<Ctx, 'db' | 'now'>, rows: Row[], reason: string): Promise<void> {
  await db.update(d).set({ status: 'skipped', reason, endedAt: now() }).where(isClaimed(rows))
}
