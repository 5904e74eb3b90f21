import { and, desc, eq, gt, inArray, isNotNull, isNull, lt, or, type SQL, sql } from 'drizzle-orm'
import { z } from 'zod'
import {
  AppError,
  type Ctx,
  decodeCursor,
  defineEvent,
  encodeCursor,
  type PersonActor,
  s,
  toPage,
  type UserCtx,
} from '#core'
import { type ColumnsOf, iso, jsonObject, ownedBy, ownerId } from '#database'
import { kick, tell } from '#queue'
import { AllRead, NewNotification, Notification, type NotificationQuery } from './schema.ts'
import { notifications } from './tables.ts'

const notificationCreated = defineEvent('notification.created', 'notifications', Notification)
const notificationUpdated = defineEvent('notification.updated', 'notifications', Notification)
const notificationDeleted = defineEvent('notification.deleted', 'notifications', z.strictObject({ id: z.string() }))
/** Everything unread until then is read; the single ones are not told. */
const notificationAllRead = defineEvent('notification.all_read', 'notifications', AllRead)

const LIST = 'notifications'
const CursorKey = z.tuple([s.id('ntf')])
const PRUNE_BATCH = 5000

type ReadCtx = Pick<UserCtx, 'actor' | 'db'>
type ChangeCtx = ReadCtx & Pick<UserCtx, 'env' | 'waitUntil' | 'log'>

function shown(n: ColumnsOf<typeof notifications>) {
  return jsonObject<Notification>({
    id: n.id,
    kind: n.kind,
    title: n.title,
    body: n.body,
    priority: n.priority,
    link: n.link,
    scheduledAt: iso(n.scheduledAt),
    readAt: iso(n.readAt),
    expiresAt: iso(n.expiresAt),
    version: n.version,
    createdAt: iso(n.createdAt),
    updatedAt: iso(n.updatedAt),
  })
}

/** Theirs, and still to be shown. */
function current(actor: PersonActor): SQL | undefined {
  return and(
    ownedBy(actor, notifications.userId),
    or(isNull(notifications.expiresAt), gt(notifications.expiresAt, sql`now()`)),
  )
}

/** The statement that tells a person something once, with its event; no row back: they were told before. */
export function insertNotification(db: Ctx['db'], actor: PersonActor, id: string, input: NewNotification) {
  const made = db.$with('made').as(
    db
      .insert(notifications)
      .values({ ...NewNotification.parse(input), id, userId: ownerId(actor) })
      .onConflictDoNothing({ target: [notifications.userId, notifications.dedupeKey] })
      .returning(),
  )
  const told = tell(db, 'told', made, {
    kind: notificationCreated,
    userId: made.userId,
    key: made.id,
    version: made.version,
    data: shown(made),
  })
  return db.with(made, told).select({ id: made.id, eventId: told.id }).from(made).leftJoin(told, sql`true`)
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
export async function markRead(ctx: ChangeCtx, id: string): Promise<Notification> {
  const { db, actor } = ctx
  const first = sql`(${notifications.readAt} is null)::int`
  const read = db.$with('read').as(
    db
      .update(notifications)
      .set({
        readAt: sql`coalesce(${notifications.readAt}, now())`,
        updatedAt: sql`case when ${notifications.readAt} is null then now() else ${notifications.updatedAt} end`,
        version: sql`${notifications.version} + ${first}`,
      })
      .where(and(eq(notifications.id, id), current(actor)))
      .returning(),
  )
  // The second time the version is the same, and with it the event: told once.
  const told = tell(db, 'told', read, {
    kind: notificationUpdated,
    userId: read.userId,
    key: read.id,
    version: read.version,
    data: shown(read),
  })
  const [row] = await db
    .with(read, told)
    .select({ notification: shown(read), eventId: told.id })
    .from(read)
    .leftJoin(told, sql`true`)
  if (!row) throw new AppError('not_found', 'There is no such notification')
  kick(ctx, [row.eventId])
  return row.notification
}

/** Marks everything unread as read, with one event for all of it. One trip. */
export async function markAllRead(ctx: ChangeCtx): Promise<AllRead> {
  const { db, actor } = ctx
  const read = db.$with('read').as(
    db
      .update(notifications)
      .set({ readAt: sql`now()`, updatedAt: sql`now()`, version: sql`${notifications.version} + 1` })
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
      .set({
        title: '',
        body: '',
        link: null,
        expiresAt: sql`now()`,
        updatedAt: sql`now()`,
        version: sql`${notifications.version} + 1`,
      })
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
  if (!row) throw new AppError('not_found', 'There is no such notification')
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
