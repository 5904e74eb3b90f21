import { and, desc, eq, gt, isNull, lt, ne, type SQL, sql, type WithSubquery } from 'drizzle-orm'
import { z } from 'zod'
import { AppError, type Ctx, decodeCursor, defineEvent, encodeCursor, s, toPage, type UserCtx } from '#core'
import { type ColumnsOf, iso, jsonObject, ownedBy, ownerId, prepared } from '#database'
import { cutOff, kick, tell } from '#queue'
import { hashToken } from '#security'
import { renewStamp } from '#users'
import { issue, sessionOf } from './open.ts'
import type { Session, Tokens } from './schema.ts'
import { refreshTokens, sessions } from './tables.ts'
import { IDLE_DAYS, type SignInTime, successorOf } from './tokens.ts'

const GRACE_S = 10
const IDLE_MS = IDLE_DAYS * 86_400_000
const MAX_HURRIED = 100
const LIST = 'sessions'
const CursorKey = z.tuple([s.id('ses')])
const PRUNE_BATCH = 5000
const MAX_SHOWN = 100

/** A session ended, by whom or what: its sockets and running turns end with it. */
export const sessionEnded = defineEvent('session.ended', null, z.strictObject({ id: z.string(), reason: z.string() }))

type RefreshCtx = Pick<Ctx, 'db' | 'config' | 'now' | 'newId' | 'env' | 'waitUntil' | 'log'>
type Verdict = 'rotate' | 'grace' | 'replay' | 'ended'

type Rotation = { hash: string; nextHash: string; nextId: string; at: string }

const rotate = prepared((db, { hash, nextHash, nextId, at }: Rotation) => {
  const now = sql`${at}::timestamptz`
  const presented = db.$with('presented', {}).as(sql`
    select r.id, r.session_id, r.generation, r.used_at, s.user_id, s.auth_at, s.ended_at, s.expires_at, s.last_used_at
    from ${refreshTokens} r join ${sessions} s on s.id = r.session_id where r.hash = ${hash} for update of r`)
  const judged = db
    .$with('judged', {
      verdict: sql<Verdict>`verdict`.as('verdict'),
      sessionId: sql<string>`session_id`.as('session_id'),
      userId: sql<string>`user_id`.as('user_id'),
      authAt: sql<string>`auth_at`.as('auth_at'),
    })
    .as(sql`
    select id, session_id, user_id, auth_at, generation, case
      when ended_at is not null or expires_at < ${now} or last_used_at < ${now} - interval '1 day' * ${IDLE_DAYS} then 'ended'
      when used_at is null then 'rotate'
      when used_at > ${now} - interval '1 second' * ${GRACE_S}
        and not exists (select 1 from ${refreshTokens} n where n.hash = ${nextHash} and n.used_at is not null) then 'grace'
      else 'replay' end as verdict
    from presented`)
  const next = db.$with('next', {}).as(sql`
    insert into ${refreshTokens} (id, session_id, hash, generation, created_at)
    select ${nextId}::text, session_id, ${nextHash}, generation + 1, ${now} from judged where verdict = 'rotate'`)
  const used = db.$with('used', {}).as(sql`
    update ${refreshTokens} set used_at = ${now} where id in (select id from judged where verdict = 'rotate')`)
  const touched = db.$with('touched', {}).as(sql`
    update ${sessions} set last_used_at = ${now} where id in (select session_id from judged where verdict = 'rotate')`)
  const ended = db.$with('ended').as(
    db
      .update(sessions)
      .set({ endedAt: now, endReason: 'replay' })
      .where(
        and(sql`${sessions.id} in (select session_id from judged where verdict = 'replay')`, isNull(sessions.endedAt)),
      )
      .returning(),
  )
  const told = tellEnded(db, ended, 'replay')
  return db
    .with(presented, judged, next, used, touched, ended, told)
    .select({
      verdict: judged.verdict,
      sessionId: judged.sessionId,
      userId: judged.userId,
      authAt: iso(judged.authAt),
      eventId: sql<string | null>`(select id from told)`,
    })
    .from(judged)
})

/** The next tokens of the family. */
export async function refresh(ctx: RefreshCtx, input: { refreshToken: string }): Promise<Tokens> {
  const { signedIn, refreshToken } = await renew(ctx, input)
  return await issue(ctx, signedIn, refreshToken)
}

/**
 * The next token of the family. One statement decides and does it: the first use rotates, the same token within
 * ten seconds is given the same successor, any older one ends the whole family.
 */
export async function renew(
  ctx: RefreshCtx,
  input: { refreshToken: string },
): Promise<{ signedIn: SignInTime; refreshToken: string }> {
  const { db } = ctx
  const successor = successorOf(ctx, input.refreshToken)
  const [hash, nextHash] = await Promise.all([hashToken(input.refreshToken), hashToken(successor)])
  const [row] = await rotate(db, { hash, nextHash, nextId: ctx.newId('rft'), at: ctx.now().toISOString() })
  if (!row) throw new AppError('invalid_token', 'The refresh token is not known')
  if (row.eventId !== null) hurry(ctx, row.userId, [{ id: row.sessionId, eventId: row.eventId }])
  switch (row.verdict) {
    case 'rotate':
    case 'grace':
      return { signedIn: { ...row, authAt: new Date(row.authAt ?? 0) }, refreshToken: successor }
    case 'ended':
      throw new AppError('session_ended', 'This session has ended; sign in again', { subject: row.userId })
    case 'replay':
      throw new AppError('token_replayed', 'This refresh token was used before; the session is ended for safety', {
        subject: row.userId,
      })
  }
}

export function tellEnded(
  db: Ctx['db'],
  ended: WithSubquery & Pick<ColumnsOf<typeof sessions>, 'id' | 'userId'>,
  reason: string,
) {
  return tell(db, 'told', ended, {
    kind: sessionEnded,
    userId: ended.userId,
    key: ended.id,
    version: sql`1`,
    data: jsonObject({ id: ended.id, reason: sql`${reason}::text` }),
  })
}

/**
 * Ends every open session of the person `userId` but `except`, as CTEs of the statement that gives the reason; they
 * are answered as `endedSessions`.
 */
export function endAll(db: Ctx['db'], { userId, except = '', now, reason }: EndAll) {
  const ended = db.$with('ended').as(
    db
      .update(sessions)
      .set({ endedAt: now, endReason: reason })
      .where(and(sql`${sessions.userId} = ${userId}`, ne(sessions.id, except), isNull(sessions.endedAt)))
      .returning(),
  )
  return [ended, tellEnded(db, ended, reason)] as const
}
type Ended = { id: string; eventId: string }
type EndAll = { userId: SQL; except?: string; now: Date; reason: string }
/** What `endAll` ended, in the same statement. */
export const endedSessions = sql<Ended[]>`(select coalesce(json_agg(
  json_build_object('id', split_part(id, '.', 1), 'eventId', id)), '[]'::json) from told)`

type EndCtx = Pick<UserCtx, 'db' | 'actor' | 'now' | 'env' | 'waitUntil' | 'log'>

/** Closes now what these have open, and hurries the events of the first hundred: a queue takes no more at once. */
export function hurry(ctx: Pick<Ctx, 'env' | 'waitUntil' | 'log'>, userId: string, ended: Ended[]): void {
  cutOff(
    ctx,
    userId,
    ended.map(({ id }) => id),
  )
  kick(
    ctx,
    ended.slice(0, MAX_HURRIED).map(({ eventId }) => eventId),
  )
}

/** The statement that ends those of the person's open sessions, and tells of each. */
export function ending({ db, actor, now }: Pick<EndCtx, 'db' | 'actor' | 'now'>, which: SQL, reason: string) {
  const ended = db.$with('ended').as(
    db
      .update(sessions)
      .set({ endedAt: now(), endReason: reason })
      .where(and(which, ownedBy(actor, sessions.userId), isNull(sessions.endedAt)))
      .returning(),
  )
  const told = tellEnded(db, ended, reason)
  return db
    .with(ended, told)
    .select({ id: ended.id, eventId: told.id })
    .from(told)
    .innerJoin(ended, sql`starts_with(${told.id}, ${ended.id})`)
}

/** Ends one of the person's sessions: its tokens are refused from the next request on. One trip. */
export async function endSession(ctx: EndCtx, id: string, reason: 'logout' | 'revoked'): Promise<void> {
  const rows = await ending(ctx, eq(sessions.id, id), reason)
  if (rows.length === 0) throw new AppError('not_found', 'No such session is open')
  hurry(ctx, ctx.actor.userId, rows)
}

/** Ends all of the person's sessions but the one that asks, and those that are just being made. One trip. */
export async function endOtherSessions(ctx: EndCtx): Promise<void> {
  const { db, actor } = ctx
  const others = ending(ctx, ne(sessions.id, sessionOf(actor)), 'revoked')
  const [, rows] = await db.batch([renewStamp(db, sql`${ownerId(actor)}`), others])
  hurry(ctx, actor.userId, rows)
}

/** Every way in of someone who was disabled ends, as a statement of the batch that disables them; sockets follow. */
export function endAllOf(db: Ctx['db'], userId: string) {
  const isDisabled = sql`exists (select 1 from users u where u.id = ${userId} and u.disabled_at is not null)`
  const ended = db.$with('ended').as(
    db
      .update(sessions)
      .set({ endedAt: sql`now()`, endReason: 'disabled' })
      .where(and(eq(sessions.userId, userId), isNull(sessions.endedAt), isDisabled))
      .returning(),
  )
  // A key is not revoked, so that it works again with its person; what it has open is closed.
  const gone = db.$with('gone', { id: sql<string>`id`.as('id'), userId: sql<string>`user_id`.as('user_id') }).as(sql`
    select id, user_id from ended union all
    select k.id, k.user_id from api_keys k where k.user_id = ${userId} and k.revoked_at is null and ${isDisabled}`)
  const told = tell(db, 'told', gone, {
    kind: sessionEnded,
    userId: gone.userId,
    key: gone.id,
    version: sql`extract(epoch from now())::bigint`,
    data: jsonObject({ id: gone.id, reason: sql`'disabled'::text` }),
  })
  return db
    .with(ended, gone, told)
    .select({ id: sql<string>`split_part(${told.id}, '.', 1)`, eventId: told.id })
    .from(told)
}

/** The open sessions of somebody, for support: where and when, newest first. One trip. */
export async function sessionsOf(ctx: Pick<Ctx, 'db' | 'now'>, userId: string) {
  const rows = await ctx.db
    .select({ session: shown('') })
    .from(sessions)
    .where(and(eq(sessions.userId, userId), isNull(sessions.endedAt), gt(sessions.expiresAt, ctx.now())))
    .orderBy(desc(sessions.id))
    .limit(MAX_SHOWN)
  return rows.map(({ session }) => session)
}

/** Ends the session that asks. */
export async function logout(ctx: EndCtx): Promise<void> {
  await endSession(ctx, sessionOf(ctx.actor), 'logout')
}

const shown = (current: string) =>
  jsonObject<Session>({
    id: sessions.id,
    deviceName: sessions.deviceName,
    userAgent: sessions.userAgent,
    country: sessions.country,
    current: sql`${sessions.id} = ${current}`,
    createdAt: iso(sessions.createdAt),
    lastUsedAt: iso(sessions.lastUsedAt),
    expiresAt: iso(sessions.expiresAt),
  })

/** The person's open sessions, newest first. One trip. */
export async function listSessions(
  ctx: Pick<UserCtx, 'db' | 'actor' | 'now'>,
  page: { limit: number; cursor?: string | undefined },
) {
  const { db, actor } = ctx
  const [after] = page.cursor ? decodeCursor(LIST, page.cursor, CursorKey) : []
  const session = shown(actor.sessionId ?? '')
  const rows = await db
    .select({ session })
    .from(sessions)
    .where(
      and(
        ownedBy(actor, sessions.userId),
        isNull(sessions.endedAt),
        gt(sessions.expiresAt, ctx.now()),
        gt(sessions.lastUsedAt, new Date(ctx.now().getTime() - IDLE_MS)),
        after === undefined ? undefined : lt(sessions.id, after),
      ),
    )
    .orderBy(desc(sessions.id))
    .limit(page.limit + 1)
  return toPage(
    rows.map((row) => row.session),
    page.limit,
    (last) => encodeCursor(LIST, [last.id]),
  )
}

/** Drops sessions that ended or ran out three months ago, and tokens used more than a month ago. */
export async function pruneSessions(ctx: Pick<Ctx, 'db'>): Promise<void> {
  await ctx.db.execute(sql`
    with old as (
      delete from ${sessions} where id in (
        select id from ${sessions} where least(ended_at, expires_at) < now() - interval '90 days' limit ${PRUNE_BATCH}))
    delete from ${refreshTokens} where id in (
      select id from ${refreshTokens} where used_at < now() - interval '30 days' limit ${PRUNE_BATCH})`)
}
