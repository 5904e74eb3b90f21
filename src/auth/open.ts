import type { BatchItem } from 'drizzle-orm/batch'
import { AppError, type Ctx, type PersonActor, randomToken } from '#core'
import { kick } from '#queue'
import { hashToken } from '#security'
import type { Me } from '#users'
import { newDeviceMail } from './mails.ts'
import type { Challenge, SignedIn, Tokens } from './schema.ts'
import { refreshTokens, sessions } from './tables.ts'
import { ACCESS_TOKEN_S, type SignInTime, signAccessToken } from './tokens.ts'

const SESSION_DAYS = 180

export type SignInCtx = Pick<Ctx, 'db' | 'config' | 'now' | 'newId' | 'client' | 'env' | 'waitUntil' | 'log'>
/** What somebody showed to be let in. */
export type Method = 'password' | 'link' | 'passkey' | 'google' | 'microsoft' | 'apple'
/** A session, or what must be shown besides. */
export type Admission = { kind: 'signed-in'; answer: SignedIn } | { kind: 'challenge'; answer: Challenge }

/** Lets in whoever showed `method`: one batch makes the session, and does what `also` says. */
export async function admit(
  ctx: SignInCtx,
  { userId, me, isKnown }: { userId: string; me: Me; isKnown: boolean },
  { method, deviceName }: { method: Method; deviceName: string },
  also: BatchItem<'pg'>[] = [],
): Promise<Admission> {
  const session = await openSession(ctx, { userId, deviceName, method })
  const told = isKnown ? null : await newDeviceMail(ctx, me, session.id, deviceName)
  await ctx.db.batch([...session.statements, ...(told?.statements ?? []), ...also])
  kick(ctx, [told?.eventId])
  return { kind: 'signed-in', answer: { ...(await session.tokens()), user: me } }
}

/** A new session, as statements of a batch, and the tokens it gives once that is done. */
export async function openSession(
  ctx: SignInCtx,
  { userId, deviceName, method }: { userId: string; deviceName: string; method: Method },
) {
  const sessionId = ctx.newId('ses')
  const refreshToken = `rt_${randomToken()}`
  const now = ctx.now()
  const { address, country, userAgent } = ctx.client
  const row = {
    id: sessionId,
    userId,
    deviceName,
    userAgent,
    address,
    country,
    methods: [method],
    authAt: now,
    createdAt: now,
    lastUsedAt: now,
    expiresAt: new Date(now.getTime() + SESSION_DAYS * 86_400_000),
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
