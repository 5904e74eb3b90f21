import { createHmac } from 'node:crypto'
import { type CryptoKey, importJWK, type JWK, jwtVerify, SignJWT } from 'jose'
import { AppError, type Ctx, type PersonActor, type UserCtx } from '#core'

const ALGORITHM = 'EdDSA' as const
const ACCESS_TYPE = 'at+jwt'
const RECEIPT_TYPE = 'erasure-receipt+jwt'
/** How long an access token lasts; a session that ends sooner ends it sooner. */
export const ACCESS_TOKEN_S = 600
const CLOCK_SKEW_S = 5
const FRESH_MS = 300_000
const MAX_KNOWN = 5000

type TokenCtx = Pick<Ctx, 'config' | 'now'>
type KeyUse = 'sign' | 'verify'

// Finished keys only: a pending import of another request may never resolve here.
const imported = new Map<string, CryptoKey>()

async function key(jwk: JWK & { kid: string }, use: KeyUse): Promise<CryptoKey> {
  const name = `${use}:${jwk.kid}:${jwk.x}`
  const known = imported.get(name)
  if (known) return known
  const { d: _, ...publicPart } = jwk
  const made = await importJWK(use === 'sign' ? jwk : publicPart, ALGORITHM)
  if (made instanceof Uint8Array) throw new Error('a signing key must be asymmetric')
  imported.set(name, made)
  return made
}

/** The public keys, newest first, for `/.well-known/jwks.json`. */
export function publicKeys(ctx: Pick<Ctx, 'config'>) {
  return ctx.config.auth.jwtKeys.map(({ kty, crv, kid, x }) => ({
    kty,
    crv,
    kid,
    x,
    use: 'sig' as const,
    alg: ALGORITHM,
  }))
}

/** Who signed in, and when they did so themselves: renewing does not make it later. */
export type SignInTime = { userId: string; sessionId: string; authAt: Date }

/** A JWT of RFC 9068 for one session, signed with the first key. */
export async function signAccessToken(ctx: TokenCtx, { userId, sessionId, authAt }: SignInTime): Promise<string> {
  const [first] = ctx.config.auth.jwtKeys
  if (!first) throw new Error('no signing key')
  const iat = Math.floor(ctx.now().getTime() / 1000)
  return await new SignJWT({ sid: sessionId, auth_time: Math.floor(authAt.getTime() / 1000) })
    .setProtectedHeader({ alg: ALGORITHM, kid: first.kid, typ: ACCESS_TYPE })
    .setIssuer(ctx.config.publicUrl)
    .setAudience(ctx.config.publicUrl)
    .setSubject(userId)
    .setIssuedAt(iat)
    .setExpirationTime(iat + ACCESS_TOKEN_S)
    .sign(await key(first, 'sign'))
}

/** That a person was erased, signed by the key of the access tokens, and no access token: RFC 8725, 3.11. */
export async function signReceipt(ctx: TokenCtx, id: string, claims: Record<string, unknown>): Promise<string> {
  const [first] = ctx.config.auth.jwtKeys
  if (!first) throw new Error('no signing key')
  return await new SignJWT(claims)
    .setProtectedHeader({ alg: ALGORITHM, kid: first.kid, typ: RECEIPT_TYPE })
    .setIssuer(ctx.config.publicUrl)
    .setJti(id)
    .setIssuedAt(Math.floor(ctx.now().getTime() / 1000))
    .sign(await key(first, 'sign'))
}

type Known = { actor: PersonActor; expiresMs: number }
const known = new Map<string, Known>()

/** Whose token this is. Checks signature, type, issuer, audience and time; whether the session lives, the database says. */
export async function readAccessToken(ctx: TokenCtx, token: string): Promise<PersonActor> {
  const nowMs = ctx.now().getTime()
  const seen = known.get(token)
  if (seen && nowMs < seen.expiresMs) return seen.actor
  try {
    const { payload } = await jwtVerify(
      token,
      async (header) => {
        const jwk = ctx.config.auth.jwtKeys.find(({ kid }) => kid === header.kid)
        if (!jwk) throw new Error('no such key')
        return key(jwk, 'verify')
      },
      {
        algorithms: [ALGORITHM],
        typ: ACCESS_TYPE,
        issuer: ctx.config.publicUrl,
        audience: ctx.config.publicUrl,
        requiredClaims: ['sub', 'sid', 'iat', 'exp'],
        clockTolerance: CLOCK_SKEW_S,
        currentDate: ctx.now(),
      },
    )
    const { sub, sid, exp, auth_time: authTime } = payload
    if (typeof sub !== 'string' || typeof sid !== 'string' || exp === undefined) throw new Error('claims')
    const authAtMs = typeof authTime === 'number' ? authTime * 1000 : 0
    const actor: PersonActor = { kind: 'person', userId: sub, sessionId: sid, authAtMs }
    remember(token, { actor, expiresMs: exp * 1000 })
    return actor
  } catch (cause) {
    throw new AppError('invalid_token', 'The access token is not valid or has expired', { cause })
  }
}

/** Throws unless the person themselves signed in within five minutes: for acts that outlive a stolen token. */
export function requireFresh({ actor, now }: Pick<UserCtx, 'actor' | 'now'>): void {
  if (actor.key) throw new AppError('forbidden', 'An API key cannot do this; sign in')
  if (now().getTime() - (actor.authAtMs ?? 0) <= FRESH_MS) return
  throw new AppError('step_up_required', 'This needs a sign-in of the last five minutes; sign in again')
}

function remember(token: string, entry: Known): void {
  known.set(token, entry)
  const oldest = known.size > MAX_KNOWN ? known.keys().next().value : undefined
  if (oldest !== undefined) known.delete(oldest)
}

/**
 * The one successor a refresh token can have. Derived, not drawn, so that an honest second try within the grace
 * is given the same token again although only hashes are stored.
 */
export function successorOf(ctx: Pick<Ctx, 'config'>, refreshToken: string): string {
  return `rt_${createHmac('sha256', ctx.config.auth.refreshKey).update(refreshToken, 'utf8').digest('base64url')}`
}
