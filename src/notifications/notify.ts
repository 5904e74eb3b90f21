import { and, eq, getTableColumns, isNull, type SQL, sql } from 'drizzle-orm'
import type { Ctx, PersonActor, UserCtx } from '#core'
import { jsonObject, ownedBy, ownerId } from '#database'
import { kick, tell } from '#queue'
import { notificationCreated, notificationDeleted, shown } from './events.ts'
import { NewNotification } from './schema.ts'
import { notifications } from './tables.ts'

/** What empties a row, and lets nobody see it again; its key stays, so it is not said again. */
export const EMPTIED = {
  title: '',
  body: '',
  link: null,
  actions: [],
  expiresAt: sql`now()`,
  updatedAt: sql`now()`,
  version: sql`${notifications.version} + 1`,
}

/**
 * The statement that tells a person something once, where `onlyIf` holds, with its event; no row back: they were told
 * before, or it does not. `replaced`: the events of what it takes the place of, for which the batch begins with `takeTurn`.
 */
export function insertNotification(
  db: Ctx['db'],
  actor: PersonActor,
  id: string,
  input: NewNotification,
  onlyIf: SQL = sql`true`,
) {
  const n = notifications
  const { link, actions, scheduledAt, expiresAt, ...words } = NewNotification.parse(input)
  const made = db.$with('made', getTableColumns(n)).as(sql`
    insert into ${n} (id, user_id, kind, title, body, priority, link, actions, collapse_key, dedupe_key, scheduled_at, expires_at)
    select ${id}, ${ownerId(actor)}, ${words.kind}, ${words.title}, ${words.body}, ${words.priority},
      ${link && JSON.stringify(link)}::jsonb, ${JSON.stringify(actions)}::jsonb, ${words.collapseKey}, ${words.dedupeKey},
      ${scheduledAt?.toISOString() ?? null}::timestamptz, ${expiresAt?.toISOString() ?? null}::timestamptz
    where ${onlyIf}
    on conflict (user_id, dedupe_key) do nothing returning *`)
  const told = tell(db, 'told', made, {
    kind: notificationCreated,
    userId: made.userId,
    key: made.id,
    version: made.version,
    data: shown(made),
  })
  // The statement does not see what it inserts: the new one does not replace itself.
  const stale = sql`(select m.user_id, m.collapse_key from made m)`
  const replaced = db.$with('replaced').as(
    db
      .update(n)
      .set(EMPTIED)
      .where(and(sql`(${n.userId}, ${n.collapseKey}) in ${stale}`, isNull(n.seenAt), isNull(n.readAt), isShown()))
      .returning(),
  )
  const gone = tell(db, 'gone', replaced, {
    kind: notificationDeleted,
    userId: replaced.userId,
    key: replaced.id,
    version: replaced.version,
    data: jsonObject({ id: replaced.id }),
  })
  return db
    .with(made, told, replaced, gone)
    .select({
      id: made.id,
      eventId: told.id,
      replaced: sql<string[]>`(select coalesce(json_agg(g.id), '[]') from gone g)`,
    })
    .from(made)
    .leftJoin(told, sql`true`)
}

/** Only one statement at a time replaces what a person has not seen: in a batch, before it. */
export function takeTurn(db: Ctx['db'], { userId }: PersonActor) {
  return db.execute(sql`select pg_advisory_xact_lock(hashtextextended(${`notifications:${userId}`}, 0))`)
}

/** Has not expired. */
export const isShown = (): SQL => sql`(${notifications.expiresAt} is null or ${notifications.expiresAt} > now())`

type NotifyCtx = Pick<UserCtx, 'actor' | 'db' | 'env' | 'newId' | 'waitUntil' | 'log'>

/**
 * Tells a person something: one row and its event, from which every channel takes its own. The same `dedupeKey` again
 * answers the first one. One trip; two where it was told before.
 */
export async function notify(ctx: NotifyCtx, input: NewNotification): Promise<{ id: string; isNew: boolean }> {
  const { db, actor } = ctx
  const insert = insertNotification(db, actor, ctx.newId('ntf'), input)
  const [made] = input.collapseKey ? (await db.batch([takeTurn(db, actor), insert]))[1] : await insert
  if (made) {
    kick(ctx, [made.eventId, ...made.replaced])
    return { id: made.id, isNew: true }
  }
  const n = notifications
  const [known] = await db
    .select({ id: n.id })
    .from(n)
    .where(and(ownedBy(actor, n.userId), eq(n.dedupeKey, input.dedupeKey)))
  if (!known) throw new Error('a notification was neither made nor there')
  return { id: known.id, isNew: false }
}
