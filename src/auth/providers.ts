import { importPKCS8, SignJWT } from 'jose'
import { z } from 'zod'
import type { Config } from '#config'
import { AppError, type Ctx, withTimeout } from '#core'
import { fetchOutside } from '#security'
import type { Provider } from './schema.ts'

const TOKEN_MS = 8000
const MAX_REPLY = 100_000
const SECRET_S = 300
const GUID = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}'
// The tenant of all personal accounts of Microsoft.
const PERSONAL = '9188040d-6c67-4c5b-b112-36a304b66dad'

/** A provider as this deployment knows it. */
export type Idp = {
  provider: Provider
  name: string
  clientId: string
  authorizeUrl: string
  tokenUrl: string
  keysUrl: string
  scopes: string[]
  /** What the authorization URL says besides. */
  more: Record<string, string>
  hasPkce: boolean
  /** Whether what it says of an address is proof of it. */
  vouches: boolean
  /** Whether it stands on this machine. */
  isLocal: boolean
  isIssuer(issuer: string): boolean
  secret(now: Date): Promise<string>
}
/** Why nothing came of it; the reason is for the log. */
export type Refused = { ok: false; error: 'sign_in_refused' | 'provider_failed'; reason: string }
export type Verdict<T> = { ok: true; value: T } | Refused

export const refused = (reason: string): Refused => ({ ok: false, error: 'sign_in_refused', reason })
export const failed = (reason: string): Refused => ({ ok: false, error: 'provider_failed', reason })

type SignIn = Config['signIn']
const IDPS: { [P in Provider]: (settings: NonNullable<SignIn[P]>) => Omit<Idp, 'clientId' | 'isLocal'> } = {
  google: ({ baseUrl: at, clientSecret }) => ({
    provider: 'google',
    name: 'Google',
    authorizeUrl: `${at ?? 'https://accounts.google.com'}/o/oauth2/v2/auth`,
    tokenUrl: at ? `${at}/oauth2/token` : 'https://oauth2.googleapis.com/token',
    keysUrl: `${at ?? 'https://www.googleapis.com'}/oauth2/v3/certs`,
    scopes: ['openid', 'email', 'profile'],
    more: { prompt: 'select_account' },
    hasPkce: true,
    vouches: true,
    isIssuer: (issuer) => issuer === (at ?? 'https://accounts.google.com'),
    secret: async () => clientSecret,
  }),
  microsoft: ({ baseUrl, clientSecret, tenant }) => {
    const home = baseUrl ?? 'https://login.microsoftonline.com'
    const at = baseUrl ?? `${home}/${tenant}`
    return {
      provider: 'microsoft',
      name: 'Microsoft',
      authorizeUrl: `${at}/oauth2/v2.0/authorize`,
      tokenUrl: `${at}/oauth2/v2.0/token`,
      keysUrl: `${at}/discovery/v2.0/keys`,
      scopes: ['openid', 'email', 'profile'],
      more: { prompt: 'select_account' },
      hasPkce: true,
      // A tenant may write any address it likes there.
      vouches: false,
      isIssuer: (issuer) => isTenant(tenant, tenantOf(home, issuer)),
      secret: async () => clientSecret,
    }
  },
  apple: ({ baseUrl, clientId, teamId, keyId, privateKey }) => {
    const at = baseUrl ?? 'https://appleid.apple.com'
    return {
      provider: 'apple',
      name: 'Apple',
      authorizeUrl: `${at}/auth/authorize`,
      tokenUrl: `${at}/auth/token`,
      keysUrl: `${at}/auth/keys`,
      scopes: ['openid', 'email', 'name'],
      // Whoever asks for name or address is answered by a form.
      more: { response_mode: 'form_post' },
      // Apple documents none; the nonce binds the code.
      hasPkce: false,
      vouches: true,
      isIssuer: (issuer) => issuer === at,
      secret: async (now) => await appleSecret({ clientId, teamId, keyId, privateKey }, now),
    }
  },
}

function tenantOf(home: string, issuer: string): string | undefined {
  const path = issuer.startsWith(`${home}/`) ? issuer.slice(home.length + 1) : ''
  return new RegExp(`^(${GUID})/v2\\.0$`).exec(path)?.[1]
}

function isTenant(wanted: string, tenant: string | undefined): boolean {
  if (tenant === undefined) return false
  if (wanted === 'common') return true
  if (wanted === 'organizations') return tenant !== PERSONAL
  return tenant === (wanted === 'consumers' ? PERSONAL : wanted)
}

/** Apple's client secret: a JWT of ours, signed with the key it gave us. */
async function appleSecret(given: Omit<NonNullable<SignIn['apple']>, 'baseUrl'>, now: Date): Promise<string> {
  const iat = Math.floor(now.getTime() / 1000)
  return await new SignJWT()
    .setProtectedHeader({ alg: 'ES256', kid: given.keyId, typ: 'JWT' })
    .setIssuer(given.teamId)
    .setSubject(given.clientId)
    .setAudience('https://appleid.apple.com')
    .setIssuedAt(iat)
    .setExpirationTime(iat + SECRET_S)
    .sign(await importPKCS8(given.privateKey, 'ES256'))
}

/** `provider_off` where it is not set up. */
export function getIdp({ signIn }: Config, provider: Provider): Idp {
  const { google, microsoft, apple } = signIn
  const made = {
    google: google && { ...IDPS.google(google), ...placeOf(google) },
    microsoft: microsoft && { ...IDPS.microsoft(microsoft), ...placeOf(microsoft) },
    apple: apple && { ...IDPS.apple(apple), ...placeOf(apple) },
  }[provider]
  if (!made) throw new AppError('provider_off', `Nobody signs in by ${provider} here`)
  return made
}

const placeOf = ({ clientId, baseUrl }: { clientId: string; baseUrl: string | undefined }) => ({
  clientId,
  isLocal: baseUrl !== undefined,
})

/** For `/health/ready`; nobody is asked. */
export function signInHealth({ signIn }: Config): { status: 'ok' | 'off'; provider: string; detail: string } {
  const on = (['google', 'microsoft', 'apple'] as const).filter((provider) => signIn[provider])
  if (on.length === 0) return { status: 'off', provider: 'none', detail: 'people sign in by what they have here alone' }
  return { status: 'ok', provider: on.join(', '), detail: 'configured; not probed' }
}

const Reply = z.looseObject({ id_token: z.string().min(1).max(20_000) })
const Refusal = z.looseObject({ error: z.string() })

type Exchange = { code: string; verifier: string; redirectUri: string }

/** Gives the code for an ID token. Not by arctic, whose call ends at no time, goes where it is sent on and reads all there is. */
export async function askIdToken(
  ctx: Pick<Ctx, 'now'>,
  idp: Idp,
  { code, verifier, redirectUri }: Exchange,
): Promise<Verdict<string>> {
  const form = new URLSearchParams({
    grant_type: 'authorization_code',
    code,
    redirect_uri: redirectUri,
    client_id: idp.clientId,
    client_secret: await idp.secret(ctx.now()),
    ...(idp.hasPkce && { code_verifier: verifier }),
  })
  const headers = { accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded' }
  try {
    return await withTimeout(TOKEN_MS, async (signal) => {
      const init = { method: 'POST', headers, body: form.toString(), signal }
      const response = await fetchOutside(idp.tokenUrl, init, { loopback: idp.isLocal })
      const text = await readReply(response)
      if (response.status >= 500) return failed(`its token endpoint answered ${response.status}`)
      const reply: unknown = JSON.parse(text)
      if (!response.ok) {
        const { error } = Refusal.parse(reply)
        // What is wrong with the code is the browser's matter, all else is ours or theirs.
        return error === 'invalid_grant' ? refused('the code is not good') : failed(`it said ${error.slice(0, 60)}`)
      }
      return { ok: true, value: Reply.parse(reply).id_token }
    })
  } catch (error) {
    return failed(`its token endpoint: ${String(error).slice(0, 200)}`)
  }
}

async function readReply(response: Response): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk, { stream: true })
    if (text.length > MAX_REPLY) throw new Error('it is too long')
  }
  return text
}
