import { createHmac } from 'node:crypto'
import { type CryptoKey, importJWK, type JWK, type JWTPayload, jwtVerify, SignJWT } from 'jose'
import { AppError, type Ctx, type PersonActor, randomToken } from '#core'

const ALGORITHM = 'EdDSA' as const
const ACCESS_TYPE = 'at+jwt'
/** How long an access token lasts; a session that ends sooner ends it sooner. */
export const ACCESS_TOKEN_S = 600
/** A session that nobody renews for so long has ended; `live_session` in the database says the same. */
export const IDLE_DAYS = 30
const CLOCK_SKEW_S = 5
// Three parts in base64url, the last of 64 bytes: its last letter has four bits that mean nothing, and must be nothing.
const COMPACT = /^[\w-]+\.[\w-]+\.[\w-]{85}[AQgw]$/
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
  const claims = { sid: sessionId, auth_time: Math.floor(authAt.getTime() / 1000) }
  return await signClaims(ctx, { ...claims, sub: userId, aud: ctx.config.publicUrl })
}

/** What an app was given by a person: a session of its own, what it may do in it, and where. */
export type Granted = { userId: string; sessionId: string; clientId: string; scopes: string[]; resource: string }

/** The same for an app: it is taken at one resource only, and does what its scopes allow. */
export async function signGrantToken(ctx: TokenCtx, granted: Granted): Promise<string> {
  const { userId, sessionId, clientId, scopes, resource } = granted
  const claims = { sid: sessionId, client_id: clientId, scope: scopes.join(' '), jti: randomToken() }
  return await signClaims(ctx, { ...claims, sub: userId, aud: resource })
}

async function signClaims(ctx: TokenCtx, claims: JWTPayload): Promise<string> {
  const [first] = ctx.config.auth.jwtKeys
  if (!first) throw new Error('no signing key')
  const iat = Math.floor(ctx.now().getTime() / 1000)
  return await new SignJWT({ ...claims, iss: ctx.config.publicUrl, iat, exp: iat + ACCESS_TOKEN_S })
    .setProtectedHeader({ alg: ALGORITHM, kid: first.kid, typ: ACCESS_TYPE })
    .sign(await key(first, 'sign'))
}

/** What we say of somebody, signed with the first key; its own `typ` keeps it from being taken for anything else. */
export async function signStatement(ctx: TokenCtx, typ: string, claims: JWTPayload): Promise<string> {
  const [first] = ctx.config.auth.jwtKeys
  if (!first) throw new Error('no signing key')
  return await new SignJWT(claims)
    .setProtectedHeader({ alg: ALGORITHM, kid: first.kid, typ })
    .setIssuer(ctx.config.publicUrl)
    .setIssuedAt(Math.floor(ctx.now().getTime() / 1000))
    .sign(await key(first, 'sign'))
}

/** The claims of such a statement; `invalid_request` for one that we did not sign, or not as this type. */
export async function readStatement(ctx: TokenCtx, typ: string, token: string): Promise<JWTPayload> {
  const options = { algorithms: [ALGORITHM], typ, issuer: ctx.config.publicUrl, currentDate: ctx.now() }
  const find = async ({ kid }: { kid?: string }) => {
    const jwk = ctx.config.auth.jwtKeys.find((known) => known.kid === kid)
    if (!jwk) throw new Error('no such key')
    return await key(jwk, 'verify')
  }
  try {
    return (await jwtVerify(token, find, { ...options, clockTolerance: CLOCK_SKEW_S })).payload
  } catch (cause) {
    throw new AppError('invalid_request', 'This was not signed here', { cause })
  }
}

/** The resource of RFC 8707 that this path belongs to. */
export function resourceAt({ publicUrl }: Ctx['config'], path: string): string {
  return path === '/mcp' ? `${publicUrl}/mcp` : publicUrl
}

/** `resource`: the only one it is for; null for a session's own, which is taken everywhere. */
type Known = { actor: PersonActor; expiresMs: number; resource: string | null }
const known = new Map<string, Known>()

/** Whose token this is. Checks signature, type, issuer, audience and time; whether the session lives, the database says. */
export async function readAccessToken(ctx: TokenCtx, token: string, resource: string): Promise<PersonActor> {
  const read = await readToken(ctx, token)
  if (read.resource === null || read.resource === resource) return read.actor
  throw new AppError('invalid_token', 'The access token is for another resource', { subject: read.actor.userId })
}

/** The same, wherever it is for. */
export async function readToken(ctx: TokenCtx, token: string): Promise<Known> {
  const nowMs = ctx.now().getTime()
  const seen = known.get(token)
  if (seen && nowMs < seen.expiresMs) return seen
  const { publicUrl } = ctx.config
  try {
    if (!COMPACT.test(token)) throw new Error('not a compact JWS of this algorithm')
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
        issuer: publicUrl,
        audience: [publicUrl, resourceAt(ctx.config, '/mcp')],
        requiredClaims: ['sub', 'sid', 'iat', 'exp'],
        clockTolerance: CLOCK_SKEW_S,
        currentDate: ctx.now(),
      },
    )
    const { sub, sid, exp, aud, client_id: clientId, scope, auth_time: authTime } = payload
    if (typeof sub !== 'string' || typeof sid !== 'string' || exp === undefined) throw new Error('claims')
    if (typeof aud !== 'string' || (clientId === undefined && aud !== publicUrl)) throw new Error('audience')
    const person = { kind: 'person', userId: sub, sessionId: sid } as const
    // An app acts as a key does: by its scopes, and never where a signed-in person is asked for.
    const actor: PersonActor =
      clientId === undefined
        ? { ...person, authAtMs: typeof authTime === 'number' ? authTime * 1000 : 0 }
        : { ...person, key: { id: sid, scopes: String(scope).split(' '), ratePerMinute: null } }
    const entry = { actor, expiresMs: exp * 1000, resource: clientId === undefined ? null : aud }
    remember(token, entry)
    return entry
  } catch (cause) {
    throw new AppError('invalid_token', 'The access token is not valid or has expired', { cause })
  }
}

function remember(token: string, entry: Known): void {
  known.set(token, entry)
  const oldest = known.size > MAX_KNOWN ? known.keys().next().value : undefined
  if (oldest !== undefined) known.delete(oldest)
}

/**
 * The one successor a refresh token can have, of its kind. Derived, not drawn, so that an honest second try within the grace
 * is given the same token again although only hashes are stored.
 */
export function successorOf(ctx: Pick<Ctx, 'config'>, refreshToken: string): string {
  const kind = refreshToken.slice(0, refreshToken.indexOf('_') + 1)
  return kind + createHmac('sha256', ctx.config.auth.refreshKey).update(refreshToken, 'utf8').digest('base64url')
}
