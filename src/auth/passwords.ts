import { and, type Column, eq, ne, type SQL, sql, type WithSubquery } from 'drizzle-orm'
import { AppError, type Ctx, requireFresh, type UserCtx } from '#core'
import { jsonObject, liveSession, ownerId } from '#database'
import { revokeAll, revokedKeys } from '#keys'
import { kick, tell } from '#queue'
import { hashPassword, hashToken, heedGuesses, noteWrongGuess, verifyPassword } from '#security'
import { renewStamp, userById } from '#users'
import { passwordChanged } from './account-mails.ts'
import { askCode, badCode, holderOf, isLive, isTheirs, TAKEN, takeCode } from './codes.ts'
import { secondFactorOf } from './factors.ts'
import { countFailure, failuresOf, forgotten, isElsewhere, isShut } from './password-failures.ts'
import { isLongPassword, requireStrong } from './password-rules.ts'
import { reclaim, reclaimedEvents } from './reclaim.ts'
import type { PasswordChange, PasswordResetConfirm } from './schema.ts'
import { endAll, endedSessions, hurry } from './sessions.ts'
import { authCodes, credentials, signInChallenges } from './tables.ts'

type AskCtx = Pick<Ctx, 'db' | 'config' | 'now' | 'newId' | 'client' | 'env' | 'waitUntil' | 'log'>

/** Mails a link to choose a new password, if the address is known: the answer does not say. */
export async function askReset(ctx: AskCtx, { email }: { email: string }): Promise<void> {
  await heedGuesses(ctx, email)
  await askCode(ctx, 'reset', email)
}

type ResetCtx = Pick<Ctx, 'db' | 'config' | 'now' | 'client' | 'env' | 'waitUntil' | 'log'>

/**
 * Sets a new password, ends every session and revokes every API key. It signs nobody in: whoever reads the mail of a
 * person still lacks their second factor. Where nobody had confirmed the address, somebody else may have begun the
 * account in its owner's name: whatever they left to open it by goes too.
 */
export async function confirmReset(ctx: ResetCtx, { token, password }: PasswordResetConfirm): Promise<void> {
  const { db } = ctx
  const hash = await hashToken(token)
  const [code] = await db
    .select({ userId: authCodes.userId, hasSecondFactor: secondFactorOf(authCodes.userId) })
    .from(authCodes)
    .where(and(isLive(ctx, 'reset', hash), isTheirs))
  if (!code?.userId) throw badCode()
  const [known] = await userById(db, code.userId)
  if (!known) throw badCode()
  const hasSecondFactor = code.hasSecondFactor && known.me.emailVerified
  await requireStrong(password, { ...known.me, hasSecondFactor })
  const passwordHash = await hashPassword(ctx, password)
  const taken = takeCode(ctx, 'reset', hash, isTheirs)
  const others = db.$with('others').as(
    db
      .delete(authCodes)
      .where(and(sql`${authCodes.userId} = ${TAKEN.userId}`, ne(authCodes.hash, hash)))
      .returning({ id: authCodes.id }),
  )
  const set = db.$with('set', {}).as(sql`
    insert into ${credentials} (user_id, password_hash, is_long)
    select user_id, ${passwordHash}::text, ${isLongPassword(password)}::boolean from taken
    on conflict (user_id) do update set password_hash = excluded.password_hash, is_long = excluded.is_long,
      updated_at = now()`)
  const ended = endAll(db, { userId: TAKEN.userId, now: ctx.now(), reason: 'password_reset' })
  const revoked = revokeAll(db, TAKEN.userId)
  const changed = tellPassword(db, taken, sql`${taken.id}`)
  const done = db
    .with(
      taken,
      others,
      unanswered(db, TAKEN.userId),
      set,
      forgotten(db, TAKEN.userId),
      ...ended,
      ...revoked,
      ...reclaim(db, { ...TAKEN, at: ctx.now() }),
      changed,
    )
    .select({
      changed: changed.id,
      reclaimed: reclaimedEvents,
      ended: endedSessions,
      revoked: revokedKeys,
    })
    .from(changed)
  const [, [row]] = await db.batch([renewStamp(db, holderOf(ctx, 'reset', hash)), done])
  if (!row) throw badCode(code.userId)
  kick(ctx, [row.changed, ...row.reclaimed])
  hurry(ctx, code.userId, [...row.ended, ...row.revoked])
}

type ChangeCtx = Pick<UserCtx, 'db' | 'config' | 'actor' | 'now' | 'newId' | 'client' | 'env' | 'waitUntil' | 'log'>

/** Changes the password, or gives the first one to whoever has none, and ends every other session. */
export async function changePassword(ctx: ChangeCtx, { currentPassword, newPassword }: PasswordChange): Promise<void> {
  requireFresh(ctx)
  const { db, actor } = ctx
  await heedGuesses(ctx, actor.userId)
  const found = userById(db, actor.userId).as('found')
  const [row] = await db
    .select({
      userId: found.id,
      me: found.me,
      hash: credentials.passwordHash,
      hasSecondFactor: secondFactorOf(found.id),
      failures: failuresOf(found.id),
      isElsewhere: isElsewhere(ctx, found.id),
    })
    .from(found)
    .leftJoin(credentials, eq(credentials.userId, found.id))
    .where(liveSession(actor))
  if (!row) throw new AppError('not_found', 'This person no longer exists')
  const { me, hash, hasSecondFactor } = row
  if (hash !== null && (!(await verifyPassword(ctx, currentPassword ?? '', hash)).ok || isShut(row))) {
    noteWrongGuess(ctx)
    countFailure(ctx, row)
    throw new AppError('invalid_credentials', 'The current password is wrong')
  }
  await requireStrong(newPassword, { ...me, hasSecondFactor }, '/newPassword')
  const made = { passwordHash: await hashPassword(ctx, newPassword), isLong: isLongPassword(newPassword) }
  const set = db.$with('set').as(
    db
      .insert(credentials)
      .values({ userId: ownerId(actor), ...made })
      .onConflictDoUpdate({
        target: credentials.userId,
        set: { ...made, updatedAt: ctx.now() },
        // What another device set meanwhile is not the password that was shown.
        setWhere: eq(credentials.passwordHash, hash ?? ''),
      })
      .returning(),
  )
  const userId = sql`(select user_id from ${set})`
  const voided = db
    .$with('voided')
    .as(db.delete(authCodes).where(sql`${authCodes.userId} = ${userId}`).returning({ id: authCodes.id }))
  const except = actor.sessionId ?? ''
  const ended = endAll(db, { userId, except, now: ctx.now(), reason: 'password_changed' })
  const changed = tellPassword(db, set, sql`${ctx.newId('cod')}::text`)
  const change = db
    .with(set, forgotten(db, userId), voided, unanswered(db, userId), ...ended, changed)
    .select({ changed: changed.id, ended: endedSessions })
    .from(changed)
  const [, [done]] = await db.batch([renewStamp(db, sql`${ownerId(actor)}`), change])
  if (!done) throw new AppError('invalid_credentials', 'The password was changed elsewhere meanwhile')
  kick(ctx, [done.changed])
  hurry(ctx, actor.userId, done.ended)
}

/** Nobody who showed the password before goes on with a second factor. */
const unanswered = (db: Ctx['db'], userId: SQL) =>
  db.$with('unanswered', {}).as(sql`delete from ${signInChallenges} where user_id = ${userId}`)

function tellPassword(db: Ctx['db'], rows: WithSubquery & { userId: Column }, key: SQL) {
  const userId = sql`${rows.userId}`
  return tell(db, 'told_changed', rows, { kind: passwordChanged, userId, key, version: sql`1`, data: jsonObject({}) })
}
