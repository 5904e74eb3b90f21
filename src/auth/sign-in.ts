import { eq, sql } from 'drizzle-orm'
import { AppError } from '#core'
import { hashPassword, heedGuesses, noteWrongGuess, verifyPassword } from '#security'
import { userByEmail } from '#users'
import { secondFactorOf } from './factors.ts'
import { isKnownDevice } from './mails.ts'
import { type Admission, admit, type SignInCtx } from './open.ts'
import { countFailure, failuresOf, forgetFailures, isElsewhere, isShut } from './password-failures.ts'
import type { Login } from './schema.ts'
import { credentials } from './tables.ts'

/** A new session for a right password; unknown address and wrong password are one answer and one duration. */
export async function login(ctx: SignInCtx, input: Login): Promise<Admission> {
  await heedGuesses(ctx, input.email)
  const found = userByEmail(ctx.db, input.email).as('found')
  const [row] = await ctx.db
    .select({
      userId: found.id,
      stamp: found.stamp,
      me: found.me,
      hash: credentials.passwordHash,
      isKnown: isKnownDevice(ctx, found.id),
      hasFactor: secondFactorOf(found.id),
      failures: failuresOf(found.id),
      isElsewhere: isElsewhere(ctx, found.id),
    })
    .from(found)
    .leftJoin(credentials, eq(credentials.userId, found.id))
  const checked = await verifyPassword(ctx, input.password, row?.hash ?? undefined)
  // Said only after the hash was made: the answer and its time are those of a wrong password.
  if (!row || !checked.ok || isShut(row)) {
    noteWrongGuess(ctx)
    countFailure(ctx, row)
    throw new AppError('invalid_credentials', 'The address or the password is wrong', { subject: row?.userId })
  }
  const { userId, stamp, me, isKnown, hasFactor, failures } = row
  const person = { userId, stamp, me, isKnown, hasFactor }
  const by = { method: 'password', deviceName: input.deviceName } as const
  const forgotten = failures > 0 ? [forgetFailures(ctx, userId)] : []
  if (!checked.stale) return await admit(ctx, person, by, forgotten)
  const passwordHash = await hashPassword(ctx, input.password)
  const rehash = ctx.db
    .update(credentials)
    .set({ passwordHash, updatedAt: sql`now()` })
    .where(eq(credentials.userId, userId))
  return await admit(ctx, person, by, [rehash, ...forgotten])
}
