import { z } from 'zod'
import { AppError } from '#core'
import { checkUrl, fetchOutside } from '#security'
import { getDocument, type Wire } from './oauth.ts'
import { partOf, refusal, toFailure } from './outside.ts'

const url = z.string().max(2000)
const Resource = z.looseObject({
  resource: url,
  authorization_servers: z.array(url).min(1).max(20),
  scopes_supported: z.array(z.string().max(200)).max(100).optional(),
})
const AuthorizationServer = z.looseObject({
  issuer: url,
  authorization_endpoint: url,
  token_endpoint: url,
  registration_endpoint: url.optional(),
  revocation_endpoint: url.optional(),
  code_challenge_methods_supported: z.array(z.string()).max(20).optional(),
  token_endpoint_auth_methods_supported: z.array(z.string()).max(50).optional(),
  authorization_response_iss_parameter_supported: z.boolean().optional(),
  client_id_metadata_document_supported: z.boolean().optional(),
})

/** What is to be known of a server's authorization server before a browser is sent there. */
export type Discovered = {
  resource: string
  scope: string | undefined
  server: z.infer<typeof AuthorizationServer>
}

/** Finds who signs in to an MCP server: RFC 9728, then RFC 8414 or OpenID. Each URL on the way is held against the guard. */
export async function discover(wire: Wire, serverUrl: string): Promise<Discovered> {
  const challenge = await challengeOf(wire, serverUrl)
  const found = await findResource(wire, serverUrl, challenge.metadataUrl)
  const [issuer = ''] = found.authorization_servers
  const server = await findServer(wire, issuer)
  const scope = challenge.scope ?? found.scopes_supported?.join(' ')
  return { resource: found.resource, scope: scope === '' ? undefined : scope, server }
}

function requireOutside({ policy }: Wire, what: string, text: string): URL {
  const checked = checkUrl(text, policy)
  if (checked.ok) return checked.url
  throw refusal(`Its ${what} is not called: ${checked.reason}`)
}

// It is asked as anybody would: what it says to that is where its sign-in is.
async function challengeOf(wire: Wire, serverUrl: string) {
  try {
    const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' }
    const message = { jsonrpc: '2.0', id: 1, method: 'ping' }
    const init = { method: 'POST', signal: wire.signal, headers, body: JSON.stringify(message) }
    const response = await fetchOutside(serverUrl, init, wire.policy)
    await response.body?.cancel()
    const header = response.status === 401 ? (response.headers.get('www-authenticate') ?? '') : ''
    return { metadataUrl: partOf(header, 'resource_metadata'), scope: partOf(header, 'scope') }
  } catch (error) {
    throw toFailure(serverUrl, 'MCP', error)
  }
}

/** The address of a document about `base`, its path after the well-known part. */
function wellKnown(base: URL, name: string, path = base.pathname): string {
  return new URL(`/.well-known/${name}${path === '/' ? '' : path.replace(/\/$/, '')}`, base).href
}

async function findResource(wire: Wire, serverUrl: string, named: string | undefined) {
  const server = new URL(serverUrl)
  if (named !== undefined) requireOutside(wire, 'resource metadata', named)
  const places =
    named === undefined
      ? [wellKnown(server, 'oauth-protected-resource'), wellKnown(server, 'oauth-protected-resource', '/')]
      : [named]
  for (const place of new Set(places)) {
    const found = await getDocument(wire, place, Resource)
    if (!found) continue
    if (!isOf(server, found.resource)) throw refusal('Its resource metadata is of another server')
    return found
  }
  throw new AppError('conflict', 'It does not say who signs in to it: no protected resource metadata')
}

// A resource is the server itself, or the part of its origin that it lies in.
function isOf(server: URL, resource: string): boolean {
  if (!URL.canParse(resource)) return false
  const { origin, pathname, hash } = new URL(resource)
  const folder = pathname.endsWith('/') ? pathname : `${pathname}/`
  return hash === '' && origin === server.origin && `${server.pathname}/`.startsWith(folder)
}

async function findServer(wire: Wire, issuer: string) {
  const base = requireOutside(wire, 'authorization server', issuer)
  const places = [
    wellKnown(base, 'oauth-authorization-server'),
    wellKnown(base, 'openid-configuration'),
    new URL(`${base.pathname.replace(/\/$/, '')}/.well-known/openid-configuration`, base).href,
  ]
  for (const place of new Set(places)) {
    const found = await getDocument(wire, place, AuthorizationServer)
    if (!found) continue
    // RFC 8414, 3.3: letter for letter, or another could speak for it.
    if (found.issuer !== issuer) throw refusal('Its authorization server goes by another name than the one given')
    if (!found.code_challenge_methods_supported?.includes('S256'))
      throw refusal('Its authorization server does not take PKCE by S256')
    const { authorization_endpoint, token_endpoint, registration_endpoint, revocation_endpoint } = found
    const endpoints = { authorization_endpoint, token_endpoint, registration_endpoint, revocation_endpoint }
    for (const [name, value] of Object.entries(endpoints))
      if (value !== undefined) requireOutside(wire, name.replace('_', ' '), value)
    return found
  }
  throw refusal('Its authorization server says nothing of itself')
}
