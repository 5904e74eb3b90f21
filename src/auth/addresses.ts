import { eq, sql } from 'drizzle-orm'
import { AppError, type Ctx, requireFresh, type UserCtx } from '#core'
import { duplicateOf, jsonObject, ownedBy } from '#database'
import { sendMail } from '#email'
import { kick, tell } from '#queue'
import { hashToken, verifyPassword } from '#security'
import { addressOf, getMe, reachAddress } from '#users'
import { addressChanged, readerOf } from './account-mails.ts'
import { badCode, issueCode, requireMail, TAKEN, takeCode, tryCode } from './codes.ts'
import type { AddressConfirm } from './schema.ts'
import { authCodes, credentials } from './tables.ts'

type AskCtx = Pick<UserCtx, 'db' | 'config' | 'actor' | 'now' | 'newId' | 'env' | 'waitUntil' | 'log'>
type ConfirmCtx = Pick<Ctx, 'db' | 'config' | 'now' | 'client' | 'env' | 'waitUntil' | 'log'>
type MoveCtx = Omit<ConfirmCtx, 'config' | 'client'> & Pick<UserCtx, 'actor'>

/** Mails another link to confirm the address; `conflict` where it is confirmed. */
export async function askVerification(ctx: AskCtx): Promise<void> {
  requireMail(ctx)
  const me = await getMe(ctx)
  if (me.emailVerified) throw new AppError('conflict', 'This address is confirmed already')
  await mailCode(ctx, { kind: 'verify', userId: me.id, email: me.email, reader: readerOf(me) })
}

/**
 * The address is the person's, who showed that mail to it reaches them. The password is asked for: whoever is mailed what
 * somebody else began in their name does not know it, and ten wrong ones end the code.
 */
export async function confirmVerification(ctx: ConfirmCtx, { token, password }: AddressConfirm): Promise<void> {
  const { db } = ctx
  const hash = await hashToken(token)
  const { userId } = await tryCode(ctx, 'verify', hash)
  const [kept] = await db
    .select({ hash: credentials.passwordHash })
    .from(credentials)
    .where(eq(credentials.userId, userId ?? ''))
  if (!(await verifyPassword(ctx, password, kept?.hash)).ok)
    throw new AppError('invalid_credentials', 'This is not the password of the account', {
      subject: userId ?? undefined,
    })
  const taken = takeCode(ctx, 'verify', hash)
  const reached = reachAddress(db, { ...TAKEN, at: ctx.now() })
  const [row] = await db
    .with(taken, ...reached)
    .select({ eventId: sql<string | null>`(select id from told_reached)` })
    .from(taken)
  if (!row) throw badCode()
  kick(ctx, [row.eventId])
}

/** Mails a code to the new address, known or not, and tells the old one. Nothing changes until it is confirmed. */
export async function askMove(ctx: AskCtx, { email }: { email: string }): Promise<void> {
  requireFresh(ctx)
  requireMail(ctx)
  const me = await getMe(ctx)
  const change = `It was asked to change the address of your account to ${email}.`
  const data = { name: me.displayName, change, url: ctx.config.publicUrl }
  const id = ctx.newId('cod')
  const mail = { userId: me.id, to: me.email, template: 'account_changed', data, key: `moving:${id}` } as const
  const told = await sendMail(ctx, mail)
  await mailCode(ctx, { id, kind: 'email', userId: me.id, email, reader: readerOf(me) }, told)
}

/**
 * The address becomes that of the person who asked, and confirms it: a stranger who was mailed the code cannot. What was
 * mailed to the old one works no more. One trip.
 */
export async function confirmMove(ctx: MoveCtx, { token }: { token: string }): Promise<void> {
  const { db, actor } = ctx
  const hash = await hashToken(token)
  const taken = takeCode(ctx, 'email', hash, ownedBy(actor, authCodes.userId))
  const before = addressOf(db, TAKEN.userId)
  const reached = reachAddress(db, { ...TAKEN, at: ctx.now() }, { moves: true })
  const voided = db
    .$with('voided')
    .as(
      db
        .delete(authCodes)
        .where(sql`${authCodes.userId} = ${TAKEN.userId} and ${authCodes.hash} <> ${hash}`)
        .returning({ id: authCodes.id }),
    )
  const changed = tell(db, 'told_changed', taken, {
    kind: addressChanged,
    userId: sql`${taken.userId}`,
    key: taken.id,
    version: sql`1`,
    data: jsonObject({ from: sql`(select email from before)`, to: taken.email }),
  })
  try {
    const [row] = await db
      .with(taken, before, ...reached, voided, changed)
      .select({ changed: changed.id, reached: sql<string | null>`(select id from told_reached)` })
      .from(changed)
    if (!row) throw badCode()
    kick(ctx, [row.changed, row.reached])
  } catch (error) {
    // Told to nobody but who reads the mail of that address.
    if (duplicateOf(error) === 'users_email') throw new AppError('email_taken', 'Another account has this address')
    throw error
  }
}

type Issued = Awaited<ReturnType<typeof issueCode>>
type Mail = Awaited<ReturnType<typeof sendMail>>
type Issue = Omit<Parameters<typeof issueCode>[1], 'id'> & { id?: string }

async function mailCode(ctx: AskCtx, issue: Issue, also?: Mail): Promise<void> {
  const issued: Issued = await issueCode(ctx, { id: ctx.newId('cod'), ...issue })
  const [first, ...rest] = [...issued.statements, ...(also?.statements ?? [])]
  if (first) await ctx.db.batch([first, ...rest])
  kick(ctx, [issued.job, also?.job])
}
