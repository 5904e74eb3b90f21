import type { BatchItem } from 'drizzle-orm/batch'
import { AppError, type Ctx, type PersonActor, randomToken } from '#core'
import { kick } from '#queue'
import { hashToken } from '#security'
import type { Me } from '#users'
import { openChallenge } from './challenge.ts'
import { hasSecondFactor } from './factors.ts'
import { newDeviceMail } from './mails.ts'
import type { Challenge, SignedIn, Tokens } from './schema.ts'
import { refreshTokens, sessions } from './tables.ts'
import { ACCESS_TOKEN_S, type SignInTime, signAccessToken } from './tokens.ts'
import { letInAs } from './ways-in.ts'

const SESSION_DAYS = 180

export type SignInCtx = Pick<Ctx, 'db' | 'config' | 'now' | 'newId' | 'client' | 'env' | 'waitUntil' | 'log'>
/** What somebody showed to be let in. */
export type Method = 'password' | 'link' | 'passkey' | 'google' | 'microsoft' | 'apple'
type Shown = Method | 'totp' | 'recovery_code'
/** A session, or what must be shown besides. */
export type Admission = { kind: 'signed-in'; answer: SignedIn } | { kind: 'challenge'; answer: Challenge }

/**
 * `stamp` is of the moment what they show was looked up. `hasFactor`, where the query that found them asked for it
 * (`secondFactorOf`): else it is asked for here.
 */
type Newcomer = { userId: string; stamp: number; me: Me; isKnown: boolean; hasFactor?: boolean }

/** Whoever showed `method` is let in, or asked for their second factor: one batch, which also does what `also` says. */
export async function admit(
  ctx: SignInCtx,
  person: Newcomer,
  { method, deviceName }: { method: Method; deviceName: string },
  also: BatchItem<'pg'>[] = [],
): Promise<Admission> {
  const { userId, stamp } = person
  // A passkey is two factors: the device, and the finger or PIN it asked for.
  const isEnough = method === 'passkey' || !(person.hasFactor ?? (await hasSecondFactor(ctx, userId)))
  if (isEnough) return { kind: 'signed-in', answer: await letIn(ctx, person, { method, deviceName }, also) }
  const challenge = await openChallenge(ctx, { userId, stamp, method, deviceName })
  const [[row]] = await ctx.db.batch([challenge.statement, ...also])
  if (!row) throw new Error('an insert returned no row')
  return { kind: 'challenge', answer: challenge.tell(row.methods) }
}

/** Opens the session of whoever showed all that is asked of them; `before` is what they showed before `method`. */
export async function letIn(
  ctx: SignInCtx,
  { userId, stamp, me, isKnown }: Newcomer,
  { method, before, deviceName }: { method: Shown; before?: string[]; deviceName: string },
  also: BatchItem<'pg'>[] = [],
): Promise<SignedIn> {
  const session = await openSession(ctx, { userId, stamp, deviceName, method, before })
  const told = isKnown ? null : await newDeviceMail(ctx, me, session.id, deviceName)
  await ctx.db.batch([...session.statements, ...(told?.statements ?? []), ...also])
  kick(ctx, [told?.job])
  return { ...(await session.tokens()), user: me }
}

type NewSession = {
  userId: string
  stamp: number
  deviceName: string
  method: Shown
  before?: string[] | undefined
}

/** A new session, as statements of a batch, and the tokens it gives once that is done. */
export async function openSession(ctx: SignInCtx, { userId, stamp, deviceName, method, before = [] }: NewSession) {
  const sessionId = ctx.newId('ses')
  const refreshToken = `rt_${randomToken()}`
  const now = ctx.now()
  const { address, country, userAgent } = ctx.client
  const row = {
    id: sessionId,
    userId: letInAs({ userId, stamp }),
    deviceName,
    userAgent,
    address,
    country,
    methods: [...before, method],
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
