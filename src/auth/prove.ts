import { and, eq, gt, isNotNull, isNull, lt, or, type SQL, sql } from 'drizzle-orm'
import { AppError, type Ctx } from '#core'
import { kick } from '#queue'
import { hashToken, unseal } from '#security'
import { userById } from '#users'
import { hasSecondFactor } from './factors.ts'
import type { Assertion, FactorAnswer } from './factors-schema.ts'
import { factorMail } from './mails.ts'
import { hashCode } from './recovery-codes.ts'
import { passkeyChallenges, passkeys, recoveryCodes, totpSecrets } from './tables.ts'
import { stepOf } from './totp.ts'
import { challengeOf, verifyAssertion } from './webauthn.ts'

// NIST SP 800-63B-4, 3.2.2: at most a hundred wrong codes in a row; after each tenth a wait.
const MOST_FAILURES = 100
const FAILURES_A_WAIT = 10
const WAIT_S = 900

type ProveCtx = Pick<Ctx, 'db' | 'config' | 'now' | 'newId' | 'client' | 'env' | 'waitUntil' | 'log'>

/** The place a secret is sealed for. */
export const secretPlace = (rowId: string, userId: string) => ({
  table: 'totp_secrets',
  column: 'secret',
  rowId,
  userId,
})

/** `subject`: whose factor it was to be, if that is known. */
export const wrongFactor = (subject: string | undefined, cause?: unknown) =>
  new AppError('wrong_factor', 'The code or the passkey is wrong, was used before, or came too late', {
    subject,
    cause,
  })

/**
 * What was shown, right as far as reading tells. `spend` uses it up, as a CTE that has a row if it did: whatever is
 * shown works once, however many show it at once.
 */
export type Proof = { userId: string; spend(condition: SQL): ReturnType<typeof spending> }

// The three are one type: a CTE of the owner's id.
function spending(db: Ctx['db'], update: SQL) {
  return db.$with('used', { userId: sql<string>`user_id`.as('user_id') }).as(update)
}

export async function checkFactor(ctx: ProveCtx, userId: string, input: FactorAnswer): Promise<Proof> {
  switch (input.method) {
    case 'totp':
      return await checkTotp(ctx, userId, input.code)
    case 'recovery_code':
      return checkRecoveryCode(ctx, userId, input.code)
    case 'passkey':
      return await checkPasskey(ctx, input.response, userId)
  }
}

/** The secret of an app in the clear; `unavailable` where no configured key opens it: then other ways are left. */
export async function openSecret(
  { config }: Pick<Ctx, 'config'>,
  userId: string,
  { id, secret }: { id: string; secret: string },
): Promise<string> {
  try {
    return await unseal(config.encryptionKeys, secretPlace(id, userId), secret)
  } catch (cause) {
    throw new AppError('unavailable', 'The secret of the app cannot be opened; show something else', { cause })
  }
}

/** Counts the try before it is looked at: however many try at once, no more are looked at than may be. */
async function checkTotp(ctx: ProveCtx, userId: string, code: string): Promise<Proof> {
  const { db } = ctx
  const t = totpSecrets
  const now = ctx.now()
  const [row] = await db
    .update(t)
    .set({ failures: sql`${t.failures} + 1`, failedAt: now })
    .where(
      and(
        eq(t.userId, userId),
        isNotNull(t.confirmedAt),
        lt(t.failures, MOST_FAILURES),
        or(
          eq(t.failures, 0),
          sql`${t.failures} % ${FAILURES_A_WAIT} <> 0`,
          lt(t.failedAt, new Date(now.getTime() - WAIT_S * 1000)),
        ),
      ),
    )
    .returning({ id: t.id, secret: t.secret, failures: t.failures })
  if (!row && !(await hasSecondFactor(ctx, userId))) throw wrongFactor(userId)
  if (!row)
    throw new AppError('rate_limited', 'Too many wrong codes; wait, or show something else', { retryAfterS: WAIT_S })
  const secret = await openSecret(ctx, userId, row)
  const step = stepOf(secret, code, now)
  if (step === null) {
    if (row.failures % FAILURES_A_WAIT === 0) await tellGuessed(ctx, userId, `${row.id}:${now.getTime()}`)
    throw wrongFactor(userId)
  }
  return {
    userId,
    spend: (condition) =>
      spending(
        db,
        sql`update ${t} set last_step = ${step}::int, failures = 0, failed_at = null
          where id = ${row.id} and last_step < ${step}::int and ${condition} returning user_id`,
      ),
  }
}

// Whoever tries codes has shown the password, or has a session.
async function tellGuessed(ctx: ProveCtx, userId: string, key: string): Promise<void> {
  const [found] = await userById(ctx.db, userId)
  if (!found) return
  const change = `${FAILURES_A_WAIT} wrong codes were given in a row, by somebody who knows your password or has a session`
  const { statements, job } = await factorMail(ctx, found.me, change, `totp-guessed:${key}`)
  const [first, ...more] = statements
  if (first) await ctx.db.batch([first, ...more])
  kick(ctx, [job])
}

function checkRecoveryCode(ctx: ProveCtx, userId: string, code: string): Proof {
  const hash = hashCode(ctx, code)
  const at = ctx.now().toISOString()
  return {
    userId,
    spend: (condition) =>
      spending(
        ctx.db,
        sql`update ${recoveryCodes} set used_at = ${at}::timestamptz
          where hash = ${hash} and user_id = ${userId} and used_at is null and ${condition} returning user_id`,
      ),
  }
}

/** Whose passkey signed what nobody had signed yet; `userId` where it must be theirs. One trip, which takes the challenge. */
export async function checkPasskey(ctx: ProveCtx, response: Assertion, userId?: string): Promise<Proof> {
  const { db, now, log } = ctx
  const challenge = challengeOf(response)
  const c = passkeyChallenges
  const taken = db.$with('taken').as(
    db
      .delete(c)
      .where(and(eq(c.hash, await hashToken(challenge)), isNull(c.userId), gt(c.expiresAt, now())))
      .returning({ hash: c.hash }),
  )
  const [row] = await db
    .with(taken)
    .select({
      id: passkeys.id,
      userId: passkeys.userId,
      credentialId: passkeys.credentialId,
      publicKey: passkeys.publicKey,
      counter: passkeys.counter,
      handle: passkeys.handle,
    })
    .from(taken)
    .innerJoin(passkeys, eq(passkeys.credentialId, response.id))
  const subject = userId ?? row?.userId
  if (!row || subject !== row.userId) throw wrongFactor(subject)
  const { userHandle } = response.response
  // Without a name the handle is who they say they are; a wrong one is another account's answer.
  if (userHandle ? userHandle !== row.handle : userId === undefined) throw wrongFactor(subject)
  const verified = await verifyAssertion(ctx, response, challenge, row)
  if (!verified.ok) {
    log.warn('passkey.refused', { id: row.id, reason: String(verified.cause) })
    throw wrongFactor(subject, verified.cause)
  }
  const { counter, backedUp } = verified.value
  const at = now().toISOString()
  return {
    userId: row.userId,
    spend: (condition) =>
      spending(
        db,
        sql`update ${passkeys} set counter = ${counter}::bigint, backed_up = ${backedUp}::boolean, last_used_at = ${at}::timestamptz
          where id = ${row.id} and (counter < ${counter}::bigint or ${counter}::bigint = 0) and ${condition} returning user_id`,
      ),
  }
}
