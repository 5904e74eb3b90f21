import { and, desc, eq, inArray, isNotNull, isNull, lt, type SQL, sql } from 'drizzle-orm'
import { z } from 'zod'
import { AppError, type Ctx, decodeCursor, encodeCursor, type PersonActor, s, toPage, type UserCtx } from '#core'
import { iso, jsonObject, ownedBy } from '#database'
import { kick, tell } from '#queue'
import { notificationAction, notificationAllRead, notificationDeleted, notificationUpdated, shown } from './events.ts'
import { EMPTIED, isShown } from './notify.ts'
import type { AllRead, Notification, NotificationQuery } from './schema.ts'
import { notifications } from './tables.ts'

const LIST = 'notifications'
const CursorKey = z.tuple([s.id('ntf')])
const PRUNE_BATCH = 5000
// One is unseen, and of those that were seen few are unread.
const MAX_COLLAPSED = 20

type ReadCtx = Pick<UserCtx, 'actor' | 'db'>
type ChangeCtx = ReadCtx & Pick<UserCtx, 'env' | 'waitUntil' | 'log'>

/** Theirs, and still to be shown. */
function current(actor: PersonActor): SQL | undefined {
  return and(ownedBy(actor, notifications.userId), isShown())
}

/** What the person was told, newest first. One trip. */
export async function listNotifications(ctx: ReadCtx, query: NotificationQuery) {
  const [after] = query.cursor ? decodeCursor(LIST, query.cursor, CursorKey) : []
  const read =
    query.unread === undefined
      ? undefined
      : query.unread
        ? isNull(notifications.readAt)
        : isNotNull(notifications.readAt)
  const rows = await ctx.db
    .select({ notification: shown(notifications) })
    .from(notifications)
    .where(
      and(
        current(ctx.actor),
        read,
        query.kind && eq(notifications.kind, query.kind),
        after === undefined ? undefined : lt(notifications.id, after),
      ),
    )
    .orderBy(desc(notifications.id))
    .limit(query.limit + 1)
  return toPage(
    rows.map((row) => row.notification),
    query.limit,
    (last) => encodeCursor(LIST, [last.id]),
  )
}

/** How many wait to be read. One trip. */
export async function unreadCount(ctx: ReadCtx): Promise<number> {
  const where = and(current(ctx.actor), isNull(notifications.readAt))
  const [row] = await ctx.db.select({ count: sql<number>`count(*)::int` }).from(notifications).where(where)
  return row?.count ?? 0
}

/** Marks one as read; doing it again changes nothing. One trip. */
export function markRead(ctx: ChangeCtx, id: string): Promise<Notification> {
  return mark(ctx, id, isNull(notifications.readAt), { seenAt: SEEN, readAt: READ })
}

/** Says that a device of theirs showed it; doing it again changes nothing. One trip. */
export function markSeen(ctx: ChangeCtx, id: string): Promise<Notification> {
  return mark(ctx, id, isNull(notifications.seenAt), { seenAt: SEEN })
}

/** Marks as read what the person was told under this collapse key. One trip, and one for each. */
export async function readCollapsed(ctx: ChangeCtx, collapseKey: string): Promise<void> {
  const n = notifications
  const unread = await ctx.db
    .select({ id: n.id })
    .from(n)
    .where(and(current(ctx.actor), eq(n.collapseKey, collapseKey), isNull(n.readAt)))
    .limit(MAX_COLLAPSED)
  for (const { id } of unread) await markRead(ctx, id)
}

const SEEN = sql`coalesce(${notifications.seenAt}, now())`
const READ = sql`coalesce(${notifications.readAt}, now())`

async function mark(ctx: ChangeCtx, id: string, isFirst: SQL, set: { seenAt: SQL; readAt?: SQL }) {
  const { db, actor } = ctx
  const changed = db.$with('changed').as(
    db
      .update(notifications)
      .set({
        ...set,
        updatedAt: sql`case when ${isFirst} then now() else ${notifications.updatedAt} end`,
        version: sql`${notifications.version} + (${isFirst})::int`,
      })
      .where(and(eq(notifications.id, id), current(actor)))
      .returning(),
  )
  // The second time the version is the same, and with it the event: told once.
  const told = tell(db, 'told', changed, {
    kind: notificationUpdated,
    userId: changed.userId,
    key: changed.id,
    version: changed.version,
    data: shown(changed),
  })
  const [row] = await db
    .with(changed, told)
    .select({ notification: shown(changed), eventId: told.id })
    .from(changed)
    .leftJoin(told, sql`true`)
  if (!row) throw missing()
  kick(ctx, [row.eventId])
  return row.notification
}

const missing = () => new AppError('not_found', 'There is no such notification')

/**
 * Does what an action of the notification says: it is read, and whoever it is about hears of what approved or dismissed
 * it, once. Two trips; 409 where another action was taken.
 */
export async function takeAction(ctx: ChangeCtx, id: string, actionId: string): Promise<Notification> {
  const { db, actor } = ctx
  const n = notifications
  const [known] = await db
    .select({ actions: n.actions })
    .from(n)
    .where(and(eq(n.id, id), current(actor)))
  const action = known?.actions.find((one) => one.id === actionId)
  if (!action) throw missing()
  if (action.method === 'open') return await markRead(ctx, id)
  const isFirst = isNull(n.actionTaken)
  const changed = db.$with('changed').as(
    db
      .update(n)
      .set({
        actionTaken: actionId,
        seenAt: SEEN,
        readAt: READ,
        updatedAt: sql`case when ${isFirst} then now() else ${n.updatedAt} end`,
        version: sql`${n.version} + (${isFirst})::int`,
      })
      .where(and(eq(n.id, id), current(actor), sql`(${isFirst} or ${n.actionTaken} = ${actionId})`))
      .returning(),
  )
  const about = { userId: changed.userId, key: changed.id, version: changed.version }
  const told = tell(db, 'told', changed, { ...about, kind: notificationUpdated, data: shown(changed) })
  const taken = jsonObject({
    id: changed.id,
    kind: changed.kind,
    action: sql`${JSON.stringify(action)}::json`,
    link: changed.link,
  })
  // One of a notification, whatever is changed of it later.
  const acted = tell(db, 'acted', changed, { ...about, version: sql`1`, kind: notificationAction, data: taken })
  const [row] = await db
    .with(changed, told, acted)
    .select({ notification: shown(changed), eventId: told.id, actedId: acted.id })
    .from(changed)
    .leftJoin(told, sql`true`)
    .leftJoin(acted, sql`true`)
  if (!row) throw new AppError('conflict', 'Another of its actions was taken')
  kick(ctx, [row.eventId, row.actedId])
  return row.notification
}

/** Marks everything unread as read, with one event for all of it. One trip. */
export async function markAllRead(ctx: ChangeCtx): Promise<AllRead> {
  const { db, actor } = ctx
  const read = db.$with('read').as(
    db
      .update(notifications)
      .set({ seenAt: SEEN, readAt: sql`now()`, updatedAt: sql`now()`, version: sql`${notifications.version} + 1` })
      .where(and(current(actor), isNull(notifications.readAt)))
      .returning(),
  )
  const sum = db.$with('sum').as(
    db
      .select({ marked: sql<number>`count(*)::int`.as('marked'), readAt: sql<Date>`now()`.as('marked_at') })
      .from(read)
      .having(sql`count(*) > 0`),
  )
  const result = jsonObject<AllRead>({ marked: sum.marked, readAt: iso(sum.readAt) })
  const told = tell(db, 'told', sum, {
    kind: notificationAllRead,
    userId: actor.userId,
    key: sql`${actor.userId}::text`,
    version: sql`(extract(epoch from ${sum.readAt}) * 1000000)::bigint`,
    data: result,
  })
  const [row] = await db.with(read, sum, told).select({ result, eventId: told.id }).from(sum).leftJoin(told, sql`true`)
  if (!row) return { marked: 0, readAt: null }
  kick(ctx, [row.eventId])
  return row.result
}

/** Takes one away for good. One trip. */
export async function deleteNotification(ctx: ChangeCtx, id: string): Promise<void> {
  const { db, actor } = ctx
  const gone = db.$with('gone').as(
    db
      .update(notifications)
      .set(EMPTIED)
      .where(and(eq(notifications.id, id), current(actor)))
      .returning(),
  )
  const told = tell(db, 'told', gone, {
    kind: notificationDeleted,
    userId: gone.userId,
    key: gone.id,
    version: gone.version,
    data: jsonObject({ id: gone.id }),
  })
  const [row] = await db.with(gone, told).select({ eventId: told.id }).from(told)
  if (!row) throw missing()
  kick(ctx, [row.eventId])
}

/** Forgets what expired a month ago, and with it the key: whoever still repeats it after that is heard again. */
export async function pruneNotifications(ctx: Pick<Ctx, 'db'>): Promise<void> {
  const old = ctx.db
    .select({ id: notifications.id })
    .from(notifications)
    .where(lt(notifications.expiresAt, sql`now() - interval '30 days'`))
    .limit(PRUNE_BATCH)
  await ctx.db.delete(notifications).where(inArray(notifications.id, old))
}
