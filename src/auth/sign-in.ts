import { eq, sql } from 'drizzle-orm'
import { AppError, type Ctx, type PersonActor, randomToken } from '#core'
import { duplicateOf } from '#database'
import { kick } from '#queue'
import { hashPassword, hashToken, networkOf, takeLimit, verifyPassword } from '#security'
import { insertUser, userByEmail } from '#users'
import { isKnownDevice, newDeviceMail, welcomeMail } from './mails.ts'
import type { Login, Registration, SignedIn, Tokens } from './schema.ts'
import { credentials, refreshTokens, sessions } from './tables.ts'
import { ACCESS_TOKEN_S, type SignInTime, signAccessToken } from './tokens.ts'

const SESSION_DAYS = 180

type SignInCtx = Pick<Ctx, 'db' | 'config' | 'now' | 'newId' | 'client' | 'env' | 'waitUntil' | 'log'>

/** Makes a person, their password and a first session in one transaction. `email_taken` when the address is known. */
export async function register(ctx: SignInCtx, input: Registration): Promise<SignedIn> {
  const passwordHash = await hashPassword(input.password, ctx.config.auth.passwordPepper)
  const userId = ctx.newId('usr')
  const session = await newSession(ctx, userId, input.deviceName)
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
export async function login(ctx: SignInCtx, input: Login): Promise<SignedIn> {
  // By address and network together: whoever guesses from elsewhere does not lock the owner out.
  const guesser = `${input.email.toLowerCase()} ${networkOf(ctx.client.address)}`
  const tries = takeLimit('signin', guesser, ctx.now(), ctx.config.rateLimitFactor)
  if (!tries.ok)
    throw new AppError('rate_limited', 'Too many sign-ins for this address; wait a moment', {
      retryAfterS: tries.resetS,
    })
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
  if (!row || !checked.ok) throw new AppError('invalid_credentials', 'The address or the password is wrong')
  const session = await newSession(ctx, row.userId, input.deviceName)
  const told = row.isKnown ? null : await newDeviceMail(ctx, row.me, session.id, input.deviceName)
  const statements = [...session.statements, ...(told?.statements ?? [])] as const
  if (checked.stale) {
    const passwordHash = await hashPassword(input.password, ctx.config.auth.passwordPepper)
    const rehash = ctx.db
      .update(credentials)
      .set({ passwordHash, updatedAt: sql`now()` })
      .where(eq(credentials.userId, row.userId))
    await ctx.db.batch([...statements, rehash])
  } else {
    await ctx.db.batch(statements)
  }
  kick(ctx, [told?.eventId])
  return { ...(await session.tokens()), user: row.me }
}

async function newSession(ctx: SignInCtx, userId: string, deviceName: string) {
  const sessionId = ctx.newId('ses')
  const refreshToken = `rt_${randomToken()}`
  const now = ctx.now()
  const { address, country, userAgent } = ctx.client
  const expiresAt = new Date(now.getTime() + SESSION_DAYS * 86_400_000)
  const row = {
    id: sessionId,
    userId,
    deviceName,
    userAgent,
    address,
    country,
    authAt: now,
    createdAt: now,
    lastUsedAt: now,
    expiresAt,
  }
  const token = { id: ctx.newId('rft'), sessionId, hash: await hashToken(refreshToken), generation: 1, createdAt: now }
  return {
    id: sessionId,
    statements: [ctx.db.insert(sessions).values(row), ctx.db.insert(refreshTokens).values(token)] as const,
    tokens: () => issue(ctx, { userId, sessionId, authAt: now }, refreshToken),
  }
}

/** What a client holds: a short access token and the refresh token that renews it once. */
export async function issue(
  ctx: Pick<Ctx, 'config' | 'now'>,
  signedIn: SignInTime,
  refreshToken: string,
): Promise<Tokens> {
  const accessToken = await signAccessToken(ctx, signedIn)
  const { sessionId } = signedIn
  return { accessToken, tokenType: 'Bearer', expiresIn: ACCESS_TOKEN_S, refreshToken, sessionId }
}

/** The session a person acts in; the system, acting for them, has none. */
export function sessionOf(actor: PersonActor): string {
  if (actor.sessionId === null || actor.key) throw new AppError('forbidden', 'This needs a signed-in person')
  return actor.sessionId
}
