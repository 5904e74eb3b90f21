import { z } from 'zod'
import { AppError } from '#core'
import { fetchOutside, type OutboundPolicy } from '#security'
import { refusal, toFailure, whole } from './outside.ts'
import type { Connection } from './tables.ts'

const KIND = 'OAuth'

/** How an authorization server is called: within what is left of the errand. */
export type Wire = { policy: OutboundPolicy; signal: AbortSignal }
export type Client = Pick<Connection, 'clientId' | 'clientAuth'> & { clientSecret: string | null }
export type Tokens = { accessToken: string; refreshToken: string | null; expiresInS: number | null }
/** `final`: asking again gives the same. */
export type Grant = { ok: true; tokens: Tokens } | { ok: false; final: boolean; reason: string }

const visible = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    .regex(/^[\x21-\x7e]+$/)
const TokenReply = z.looseObject({
  access_token: visible(16_000),
  token_type: z.string().regex(/^bearer$/i),
  refresh_token: visible(16_000).nullish(),
  expires_in: z.coerce.number().positive().max(1e9).nullish().catch(null),
})
const ErrorReply = z.looseObject({ error: z.string() })
const AUTH_WAYS = ['none', 'client_secret_basic', 'client_secret_post'] as const
const Registered = z.looseObject({
  client_id: visible(2000),
  client_secret: visible(4000).nullish(),
  token_endpoint_auth_method: z.enum(AUTH_WAYS).optional(),
})
// What a refresh is refused with for good (RFC 6749, 5.2).
const FINAL = new Set(['invalid_grant', 'invalid_client', 'unauthorized_client', 'invalid_scope', 'invalid_target'])
const CODES = new Set([...FINAL, 'invalid_request', 'unsupported_grant_type', 'access_denied', 'server_error'])

/** An error of another's as it may be shown: one of the known codes, never a text of theirs. */
export const errorCode = (given: string | undefined) => (given !== undefined && CODES.has(given) ? given : 'an error')

/** How a client proves who it is; with a secret by the way the server prefers, where it says so (RFC 8414). */
export function authWay(supported: string[] | undefined, hasSecret: boolean): Connection['clientAuth'] {
  if (!hasSecret) return 'none'
  return (supported ?? []).includes('client_secret_post') && !supported?.includes('client_secret_basic')
    ? 'client_secret_post'
    : 'client_secret_basic'
}

/** What we are to an authorization server, told when we register and at the address that is our client id. */
export const clientMetadata = (publicUrl: string, way: Connection['clientAuth'] = 'none') => ({
  client_name: 'Aurelius',
  client_uri: new URL('/', publicUrl).href,
  redirect_uris: [redirectUri(publicUrl)],
  grant_types: ['authorization_code' as const, 'refresh_token' as const],
  response_types: ['code' as const],
  token_endpoint_auth_method: way,
})

/** Where a browser comes back to; the one address, compared exactly. */
export const redirectUri = (publicUrl: string) => new URL('/v1/mcp/callback', publicUrl).href

async function jsonOf(response: Response): Promise<unknown> {
  let all = ''
  for await (const text of whole(response)) all += text
  return JSON.parse(all)
}

/** A document, or undefined where there is none. */
export async function getDocument<T>(wire: Wire, url: string, schema: z.ZodType<T>): Promise<T | undefined> {
  try {
    const init = { signal: wire.signal, headers: { accept: 'application/json' } }
    const response = await fetchOutside(url, init, wire.policy)
    if (response.ok) return schema.parse(await jsonOf(response))
    await response.body?.cancel()
    if (response.status < 500 && response.status !== 429) return undefined
    throw refusal(`It answered HTTP ${response.status} at ${new URL(url).host}`)
  } catch (error) {
    throw toFailure(url, KIND, error)
  }
}

/** Registers us as a client of its own (RFC 7591). */
export async function register(wire: Wire, url: string, metadata: object, supported?: string[]): Promise<Client> {
  try {
    const headers = { 'content-type': 'application/json', accept: 'application/json' }
    const init = { method: 'POST', signal: wire.signal, headers, body: JSON.stringify(metadata) }
    const response = await fetchOutside(url, init, wire.policy)
    if (!response.ok) {
      await response.body?.cancel()
      throw refusal(`It does not let us register: HTTP ${response.status}; give a clientId`)
    }
    const made = Registered.parse(await jsonOf(response))
    const clientSecret = made.client_secret ?? null
    const clientAuth = made.token_endpoint_auth_method ?? authWay(supported, clientSecret !== null)
    return { clientId: made.client_id, clientSecret, clientAuth }
  } catch (error) {
    throw toFailure(url, KIND, error)
  }
}

// RFC 6749, 2.3.1: both are form-encoded before they are joined.
const formEncoded = (text: string) => new URLSearchParams([['', text]]).toString().slice(1)

function formRequest(wire: Wire, client: Client, fields: Record<string, string>): RequestInit {
  const { clientId, clientSecret, clientAuth } = client
  const headers = new Headers({ accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded' })
  const body = new URLSearchParams(fields)
  if (clientAuth === 'client_secret_basic')
    headers.set('authorization', `Basic ${btoa(`${formEncoded(clientId)}:${formEncoded(clientSecret ?? '')}`)}`)
  else body.set('client_id', clientId)
  if (clientAuth === 'client_secret_post') body.set('client_secret', clientSecret ?? '')
  return { method: 'POST', signal: wire.signal, headers, body: body.toString() }
}

/** Asks the token endpoint; a refusal is a value, since what follows depends on it. */
export async function askTokens(
  wire: Wire,
  url: string,
  client: Client,
  fields: Record<string, string>,
): Promise<Grant> {
  try {
    const response = await fetchOutside(url, formRequest(wire, client, fields), wire.policy)
    const reply = await jsonOf(response)
    if (!response.ok) {
      const { error } = ErrorReply.parse(reply)
      return { ok: false, final: FINAL.has(error), reason: `It gave no token: ${errorCode(error)}` }
    }
    const { access_token, refresh_token, expires_in } = TokenReply.parse(reply)
    const tokens = { accessToken: access_token, refreshToken: refresh_token ?? null, expiresInS: expires_in ?? null }
    return { ok: true, tokens }
  } catch (error) {
    throw toFailure(url, KIND, error)
  }
}

/** Ends what a token allows (RFC 7009). */
export async function revokeToken(wire: Wire, url: string, client: Client, token: string, hint: string): Promise<void> {
  const response = await fetchOutside(url, formRequest(wire, client, { token, token_type_hint: hint }), wire.policy)
  await response.body?.cancel()
  if (!response.ok) throw new AppError('unavailable', `HTTP ${response.status}`)
}
