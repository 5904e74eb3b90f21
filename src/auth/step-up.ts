import { and, eq, sql } from 'drizzle-orm'
import { AppError, type UserCtx } from '#core'
import { ownedBy } from '#database'
import { heedGuesses, noteWrongGuess, verifyPassword } from '#security'
import { type Me, userById } from '#users'
import { secondFactorOf } from './factors.ts'
import type { StepUp } from './factors-schema.ts'
import { openSession, type SignInCtx, sessionOf } from './open.ts'
import { countFailure, failuresOf, isElsewhere, isShut } from './password-failures.ts'
import { checkFactor, wrongFactor } from './prove.ts'
import type { Tokens } from './schema.ts'
import { ending, hurry } from './sessions.ts'
import { credentials, sessions } from './tables.ts'

type StepUpCtx = Omit<SignInCtx, 'actor'> & Pick<UserCtx, 'actor'>

/**
 * Shows again who it is: a new session takes the place of the one that asks, signed in at this moment (ASVS 7.2.4). Who
 * has a second factor shows that: a password alone would not have let them in either.
 */
export async function stepUp(ctx: StepUpCtx, input: StepUp): Promise<Tokens> {
  const { db, actor } = ctx
  const { userId } = actor
  const sessionId = sessionOf(actor)
  const found = userById(db, userId).as('found')
  const [row] = await db
    .select({
      userId: found.id,
      stamp: found.stamp,
      me: found.me,
      failures: failuresOf(found.id),
      isElsewhere: isElsewhere(ctx, found.id),
      deviceName: sessions.deviceName,
      methods: sessions.methods,
      hash: credentials.passwordHash,
      hasFactor: secondFactorOf(userId),
    })
    .from(sessions)
    .innerJoin(found, eq(found.id, sessions.userId))
    .leftJoin(credentials, eq(credentials.userId, sessions.userId))
    .where(and(eq(sessions.id, sessionId), ownedBy(actor, sessions.userId)))
  if (!row) throw new AppError('session_ended', 'This session has ended; sign in again')
  if (input.method === 'password') {
    if (row.hasFactor)
      throw new AppError('forbidden', 'Show the second factor: a code of the authenticator app, or a passkey')
    await checkPassword(ctx, input.password, row)
  } else {
    const proof = await checkFactor(ctx, userId, input)
    const used = proof.spend(sql`true`)
    const [spent] = await db.with(used).select({ userId: used.userId }).from(used)
    if (!spent) throw wrongFactor(userId)
  }
  const before = row.methods.filter((method) => method !== input.method)
  const { stamp, deviceName } = row
  const session = await openSession(ctx, { userId, stamp, deviceName, method: input.method, before })
  // Whoever ends the session at this moment is waited for, and then heeded.
  const held = db.select({ id: sessions.id }).from(sessions).where(eq(sessions.id, sessionId)).for('update')
  const [, , , ended] = await db.batch([
    ...session.statements,
    held,
    ending(ctx, eq(sessions.id, sessionId), 'step_up'),
  ])
  if (ended.length === 0) throw new Error('a session that lives can be ended')
  hurry(ctx, userId, ended)
  return await session.tokens()
}

type Kept = { userId: string; me: Me; hash: string | null; failures: number; isElsewhere: boolean }

async function checkPassword(ctx: StepUpCtx, password: string, kept: Kept): Promise<void> {
  await heedGuesses(ctx, kept.userId)
  const { ok } = await verifyPassword(ctx, password, kept.hash ?? undefined)
  if (ok && !isShut(kept)) return
  noteWrongGuess(ctx)
  countFailure(ctx, kept)
  throw new AppError('invalid_credentials', 'The password is wrong')
}
