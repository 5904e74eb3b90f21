import { createRemoteJWKSet, type JWTPayload, jwtVerify } from 'jose'
import { z } from 'zod'
import { type Ctx, s } from '#core'
import { isSame } from '#security'
import { failed, type Idp, refused, type Verdict } from './providers.ts'

// Each of the three signs with this one alone.
const ALGORITHM = 'RS256'
const SKEW_S = 60
const MAX_AGE_S = 600
const KEYS_MS = 5000
// What is wrong with the keys, or with the way to them, and not with the token.
const AWAY = new Set(['ERR_JWKS_TIMEOUT', 'ERR_JWKS_INVALID', 'ERR_JOSE_GENERIC'])

/** Whom a provider says it signed in. */
export type Claims = {
  issuer: string
  subject: string
  email: string | null
  /** Whether the provider answers for the address. */
  isVouched: boolean
  name: string | null
}

const Shown = z.looseObject({
  sub: z.string().regex(/^[\x21-\x7e]{1,255}$/),
  iss: z.string().max(300),
  nonce: z.string(),
  azp: z.string().optional(),
  tid: z.string().optional(),
  email: z.email().max(254).nullable().catch(null),
  // Apple's is a text.
  email_verified: z.union([z.boolean(), z.enum(['true', 'false'])]).catch(false),
  name: s.line(100).nullable().catch(null),
})

// Each guards itself against being asked by several requests at once.
const keySets = new Map<string, ReturnType<typeof createRemoteJWKSet>>()

function keysAt(url: string) {
  const known = keySets.get(url)
  if (known) return known
  const made = createRemoteJWKSet(new URL(url), { timeoutDuration: KEYS_MS })
  keySets.set(url, made)
  return made
}

/** Whom the token names, if it is from this provider, for us, of now, and answers what this browser was sent with. */
export async function readIdToken(
  ctx: Pick<Ctx, 'now'>,
  idp: Idp,
  token: string,
  nonce: string,
): Promise<Verdict<Claims>> {
  try {
    const { payload } = await jwtVerify(token, keysAt(idp.keysUrl), {
      algorithms: [ALGORITHM],
      audience: idp.clientId,
      requiredClaims: ['iss', 'sub', 'aud', 'exp', 'iat', 'nonce'],
      clockTolerance: SKEW_S,
      maxTokenAge: MAX_AGE_S,
      currentDate: ctx.now(),
    })
    return judge(idp, payload, nonce)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : undefined
    const isRead = code !== undefined && /^ERR_J/.test(code) && !AWAY.has(code)
    return isRead
      ? refused(`the ID token: ${code} ${String(error)}`.slice(0, 200))
      : failed(`its keys: ${String(error)}`)
  }
}

function judge(idp: Idp, payload: JWTPayload, nonce: string): Verdict<Claims> {
  const parsed = Shown.safeParse(payload)
  if (!parsed.success) return refused('the ID token says too little, or something else')
  const { sub, iss, azp, tid, email, email_verified, name, nonce: shown } = parsed.data
  if (!idp.isIssuer(iss)) return refused(`the ID token is from ${iss}`)
  if (idp.provider === 'microsoft' && !(tid && iss.endsWith(`/${tid}/v2.0`)))
    return refused('the tenant is not its own')
  const isForSeveral = Array.isArray(payload.aud) && payload.aud.length > 1
  if (azp === undefined ? isForSeveral : azp !== idp.clientId) return refused('the ID token is for somebody else')
  if (!isSame(shown, nonce)) return refused('the ID token answers another browser')
  const isVerified = email_verified === true || email_verified === 'true'
  const isVouched = idp.vouches && isVerified && email !== null
  return { ok: true, value: { issuer: iss, subject: sub, email, isVouched, name } }
}
