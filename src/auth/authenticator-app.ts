import { and, eq, isNull, lt, sql } from 'drizzle-orm'
import { AppError, requireFresh, type UserCtx } from '#core'
import { ownedBy, ownerId } from '#database'
import { kick } from '#queue'
import { seal } from '#security'
import { getMe } from '#users'
import { hasSecondFactor } from './factors.ts'
import type { RecoveryCodes, TotpSecret } from './factors-schema.ts'
import { factorMail } from './mails.ts'
import { minPasswordLength } from './password-rules.ts'
import { openSecret, secretPlace } from './prove.ts'
import { replaceCodes } from './recovery-codes.ts'
import { credentials, recoveryCodes, totpSecrets } from './tables.ts'
import { newSecret, otpauthUri, stepOf } from './totp.ts'

const t = totpSecrets

type FactorCtx = Pick<UserCtx, 'actor' | 'db' | 'config' | 'now' | 'newId' | 'client' | 'env' | 'waitUntil' | 'log'>

const none = () => new AppError('not_found', 'There is no authenticator app')
const mine = ({ actor }: Pick<UserCtx, 'actor'>) => ownedBy(actor, t.userId)

/** A new secret for an authenticator app; it counts once a code of it was given. One there is must be removed first. */
export async function enrolTotp(ctx: FactorCtx): Promise<TotpSecret> {
  requireFresh(ctx)
  const { db, actor } = ctx
  const { email } = await getMe(ctx)
  const id = ctx.newId('totp')
  const secret = newSecret()
  const sealed = await seal(ctx.config.encryptionKeys, secretPlace(id, actor.userId), secret)
  const [made] = await db
    .insert(t)
    .values({ id, userId: ownerId(actor), secret: sealed, createdAt: ctx.now() })
    .onConflictDoUpdate({
      target: t.userId,
      set: { id, secret: sealed, lastStep: 0, failures: 0, failedAt: null, createdAt: ctx.now() },
      setWhere: isNull(t.confirmedAt),
    })
    .returning({ id: t.id })
  if (!made) throw new AppError('conflict', 'There is an authenticator app already; remove it first')
  return { secret, uri: otpauthUri(secret, email) }
}

/** From here on a sign-in asks for its codes. The recovery codes are shown this once. */
export async function confirmTotp(ctx: FactorCtx, { code }: { code: string }): Promise<RecoveryCodes> {
  requireFresh(ctx)
  const { db, actor } = ctx
  const [me, [row]] = await Promise.all([
    getMe(ctx),
    db.select({ id: t.id, secret: t.secret, confirmedAt: t.confirmedAt }).from(t).where(mine(ctx)),
  ])
  if (!row) throw none()
  const done = () => new AppError('conflict', 'The authenticator app is confirmed already')
  if (row.confirmedAt) throw done()
  const secret = await openSecret(ctx, actor.userId, row)
  const step = stepOf(secret, code, ctx.now())
  if (step === null) {
    const detail = 'is not the code of this moment'
    throw new AppError('invalid_request', `/code: ${detail}`, { errors: [{ pointer: '/code', detail }] })
  }
  const who = db.$with('who').as(
    db
      .update(t)
      .set({ confirmedAt: ctx.now(), lastStep: step })
      .where(and(mine(ctx), eq(t.id, row.id), isNull(t.confirmedAt), lt(t.lastStep, step)))
      .returning({ userId: t.userId }),
  )
  const { codes, ctes } = replaceCodes(ctx)
  const mail = await factorMail(ctx, me, 'An authenticator app was added', `totp-added:${row.id}`)
  const [confirmed] = await db.batch([
    db
      .with(who, ...ctes)
      .select({ userId: who.userId })
      .from(who),
    ...mail.statements,
  ])
  if (confirmed.length === 0) throw done()
  kick(ctx, [mail.job])
  return { codes }
}

/**
 * Takes the authenticator app away, and its recovery codes: a sign-in asks for one factor again. `conflict` where the
 * password is too short to be that factor.
 */
export async function removeTotp(ctx: FactorCtx): Promise<void> {
  requireFresh(ctx)
  const { db, actor } = ctx
  const [me, [row]] = await Promise.all([
    getMe(ctx),
    db
      .select({
        id: t.id,
        confirmedAt: t.confirmedAt,
        isShort: sql<boolean>`exists (select 1 from ${credentials} c where c.user_id = ${t.userId} and not c.is_long)`,
      })
      .from(t)
      .where(mine(ctx)),
  ])
  if (!row) throw none()
  if (row.confirmedAt && row.isShort)
    throw new AppError(
      'conflict',
      `Set a password of at least ${minPasswordLength(false)} characters first: it will stand alone`,
    )
  const mail = await factorMail(ctx, me, 'The authenticator app was removed', `totp-removed:${row.id}`)
  await db.batch([
    db.delete(t).where(and(mine(ctx), eq(t.id, row.id))),
    db.delete(recoveryCodes).where(ownedBy(actor, recoveryCodes.userId)),
    // One that was never confirmed never counted: nobody is told.
    ...(row.confirmedAt ? mail.statements : []),
  ])
  if (row.confirmedAt) kick(ctx, [mail.job])
}

/** Ten new recovery codes; those before work no more. */
export async function renewRecoveryCodes(ctx: FactorCtx): Promise<RecoveryCodes> {
  requireFresh(ctx)
  const { db, actor } = ctx
  const [me, hasApp] = await Promise.all([getMe(ctx), hasSecondFactor(ctx, actor.userId)])
  const none = () => new AppError('conflict', 'Recovery codes go with an authenticator app; add one first')
  if (!hasApp) throw none()
  const who = db
    .$with('who', { userId: sql<string>`user_id`.as('user_id') })
    .as(sql`select user_id from ${t} where ${mine(ctx)} and confirmed_at is not null for update`)
  const { codes, ctes } = replaceCodes(ctx)
  const mail = await factorMail(ctx, me, 'New recovery codes were made', `recovery-codes:${ctx.newId('evt')}`)
  // Of two at once the second must see the codes of the first, to take them away.
  const [, made] = await db.batch([
    db.execute(sql`select id from ${t} where ${mine(ctx)} for update`),
    db
      .with(who, ...ctes)
      .select({ userId: who.userId })
      .from(who),
    ...mail.statements,
  ])
  if (made.length === 0) throw none()
  kick(ctx, [mail.job])
  return { codes }
}
