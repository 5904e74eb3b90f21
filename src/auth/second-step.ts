import { and, eq, gt, isNull, lt, sql } from 'drizzle-orm'
import { AppError } from '#core'
import { kick } from '#queue'
import { hashToken } from '#security'
import { userById } from '#users'
import type { ChallengeAnswer, PasskeySignIn } from './factors-schema.ts'
import { factorMail, isKnownDevice } from './mails.ts'
import { letIn, type SignInCtx } from './open.ts'
import { checkFactor, checkPasskey, wrongFactor } from './prove.ts'
import type { SignedIn } from './schema.ts'
import { recoveryCodes, signInChallenges, totpSecrets } from './tables.ts'

const MOST_TRIES = 5
const c = signInChallenges

const gone = () =>
  new AppError('invalid_token', 'The challenge is unknown, used, too old or tried too often: sign in again')

/** Ends a sign-in that was asked for a second factor. Each try counts, and one statement decides for all who try at once. */
export async function answerChallenge(ctx: SignInCtx, input: ChallengeAnswer): Promise<SignedIn> {
  const { db } = ctx
  const hash = await hashToken(input.challenge)
  const open = and(eq(c.hash, hash), isNull(c.usedAt), gt(c.expiresAt, ctx.now()))
  const [tried] = await db
    .update(c)
    .set({ tries: sql`${c.tries} + 1` })
    .where(and(open, lt(c.tries, MOST_TRIES)))
    .returning({ userId: c.userId })
  if (!tried) throw gone()
  const { userId } = tried
  const proof = await checkFactor(ctx, userId, input)
  const held = db.$with('held', {}).as(sql`select 1 from ${c} where ${open} for update`)
  const used = proof.spend(sql`exists (select 1 from held)`)
  const spent = db
    .$with('spent')
    .as(
      db
        .update(c)
        .set({ usedAt: ctx.now() })
        .where(and(open, sql`exists (select 1 from used)`))
        .returning({ method: c.method, deviceName: c.deviceName, stamp: c.securityStamp }),
    )
  const found = userById(db, userId).as('found')
  const [row] = await db
    .with(held, used, spent)
    .select({
      method: spent.method,
      deviceName: spent.deviceName,
      stamp: spent.stamp,
      me: found.me,
      isKnown: isKnownDevice(ctx, found.id),
      codesLeft: sql<number>`(select count(*)::int from ${recoveryCodes} r
        where r.user_id = ${userId} and r.used_at is null) - (select count(*)::int from used)`,
    })
    .from(spent)
    .innerJoin(found, sql`true`)
  if (!row) throw wrongFactor(userId)
  const { me, stamp, isKnown, deviceName, method, codesLeft } = row
  const change = `A recovery code was used to sign in; ${codesLeft} are left`
  const mail = input.method === 'recovery_code' ? await factorMail(ctx, me, change, `recovery-code:${hash}`) : null
  // Whoever shows another factor may try codes again.
  const forget = db.update(totpSecrets).set({ failures: 0, failedAt: null }).where(eq(totpSecrets.userId, userId))
  const shown = { method: input.method, before: [method], deviceName }
  const signedIn = await letIn(ctx, { userId, stamp, me, isKnown }, shown, [forget, ...(mail?.statements ?? [])])
  kick(ctx, [mail?.job])
  return signedIn
}

/** Signs in whoever a passkey says they are: it is two factors itself. */
export async function signInWithPasskey(ctx: SignInCtx, { response, deviceName }: PasskeySignIn): Promise<SignedIn> {
  const { db } = ctx
  const { userId, spend } = await checkPasskey(ctx, response)
  const used = spend(sql`true`)
  const found = userById(db, userId).as('found')
  const [row] = await db
    .with(used)
    .select({ me: found.me, stamp: found.stamp, isKnown: isKnownDevice(ctx, found.id) })
    .from(used)
    .innerJoin(found, sql`true`)
  if (!row) throw wrongFactor(userId)
  return await letIn(ctx, { userId, ...row }, { method: 'passkey', deviceName })
}
