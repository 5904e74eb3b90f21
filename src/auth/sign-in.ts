import { eq, sql } from 'drizzle-orm'
import { AppError } from '#core'
import { duplicateOf } from '#database'
import { kick } from '#queue'
import { hashPassword, heedGuesses, noteWrongGuess, verifyPassword } from '#security'
import { insertUser, userByEmail } from '#users'
import { isKnownDevice, welcomeMail } from './mails.ts'
import { type Admission, admit, openSession, type SignInCtx } from './open.ts'
import type { Login, Registration, SignedIn } from './schema.ts'
import { credentials } from './tables.ts'

/** Makes a person, their password and a first session in one transaction. `email_taken` when the address is known. */
export async function register(ctx: SignInCtx, input: Registration): Promise<SignedIn> {
  const passwordHash = await hashPassword(input.password, ctx.config.auth.passwordPepper)
  const userId = ctx.newId('usr')
  const session = await openSession(ctx, { userId, deviceName: input.deviceName, method: 'password' })
  const { email, displayName, timeZone, locale } = input
  const welcome = await welcomeMail(ctx, { id: userId, email, displayName })
  try {
    const [made] = await ctx.db.batch([
      insertUser(ctx.db, { id: userId, email, displayName, timeZone, locale }),
      ctx.db.insert(credentials).values({ userId, passwordHash }),
      ...session.statements,
      ...welcome.statements,
    ])
    kick(ctx, [welcome.eventId])
    const user = made[0]?.me
    if (!user) throw new Error('an insert returned no row')
    return { ...(await session.tokens()), user }
  } catch (error) {
    if (duplicateOf(error) === 'users_email')
      throw new AppError('email_taken', 'This address is already registered; sign in instead')
    throw error
  }
}

/** A new session for a right password; unknown address and wrong password are one answer and one duration. */
export async function login(ctx: SignInCtx, input: Login): Promise<Admission> {
  await heedGuesses(ctx, input.email)
  const found = userByEmail(ctx.db, input.email).as('found')
  const [row] = await ctx.db
    .select({
      userId: found.id,
      me: found.me,
      hash: credentials.passwordHash,
      isKnown: isKnownDevice(ctx, found.id),
    })
    .from(found)
    .leftJoin(credentials, eq(credentials.userId, found.id))
  const checked = await verifyPassword(input.password, row?.hash ?? undefined, ctx.config.auth.passwordPepper)
  if (!row || !checked.ok) {
    noteWrongGuess(ctx)
    throw new AppError('invalid_credentials', 'The address or the password is wrong')
  }
  const { userId, me, isKnown } = row
  const person = { userId, me, isKnown }
  const by = { method: 'password', deviceName: input.deviceName } as const
  if (!checked.stale) return await admit(ctx, person, by)
  const passwordHash = await hashPassword(input.password, ctx.config.auth.passwordPepper)
  const rehash = ctx.db
    .update(credentials)
    .set({ passwordHash, updatedAt: sql`now()` })
    .where(eq(credentials.userId, userId))
  return await admit(ctx, person, by, [rehash])
}
