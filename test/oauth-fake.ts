import { createHash, randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type RemoteServer, startRemote } from './mcp-remote.ts'

type Client = { secret: string | undefined; way: string; redirectUris: string[] }
type Grant = { clientId: string; resource: string; ended: boolean }
type Code = { grant: Grant; challenge: string; redirectUri: string; used: boolean }

/** Somebody else's authorization server and the MCP server it signs in to, both strict, on loopback. */
export type OauthFake = {
  url: string
  remote: RemoteServer
  clients: Map<string, Client>
  /** Put over the metadata of the authorization server, and over that of the resource. */
  metadata: Record<string, unknown>
  resource: Record<string, unknown>
  /** How it behaves from now on. */
  ways: {
    /** What a 401 says; undefined: nothing. */
    metadataUrl: string | undefined
    expiresIn: number | undefined
    refreshTokens: boolean
    /** A scope the MCP server wants beyond those it gave. */
    wants: string | undefined
    /** Whether a refresh token is good once. */
    rotates: boolean
    /** A status the token endpoint answers with whatever is asked. */
    failing: number | undefined
    slowMs: number
  }
  /** Each request, with its form. */
  requests: { path: string; form: URLSearchParams; authorization: string | undefined }[]
  /** Every secret it ever gave, and how often it refused. */
  secrets: string[]
  refused: string[]
  /** What a person does in a browser: consents, or not; where they are sent back to. */
  browse(authorizationUrl: string, consents?: boolean): Promise<URL>
  /** Ends every grant, as its owner would there. */
  endAll(): void
  /** No access token that was given is good any more; grants are. */
  expireAll(): void
  close(): void
}

const encode = (bytes: Buffer) => bytes.toString('base64url')
const sha256 = (text: string) => encode(createHash('sha256').update(text).digest())

async function bodyOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part)
  return Buffer.concat(parts).toString()
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' })
  response.end(JSON.stringify(body))
}

async function listen(handle: (request: IncomingMessage, response: ServerResponse) => Promise<void>) {
  const server = createServer((request, response) => void handle(request, response))
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
  const address = server.address()
  return { server, url: `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}` }
}

export async function startOauthFake(): Promise<OauthFake> {
  const clients: OauthFake['clients'] = new Map()
  const codes = new Map<string, Code>()
  const access = new Map<string, Grant>()
  const refreshes = new Map<string, { grant: Grant; used: boolean }>()
  const grants: Grant[] = []
  const [secrets, refused]: string[][] = [[], []]
  const requests: OauthFake['requests'] = []
  const ways: OauthFake['ways'] = {
    metadataUrl: undefined,
    expiresIn: 3600,
    refreshTokens: true,
    rotates: true,
    wants: undefined,
    failing: undefined,
    slowMs: 0,
  }
  const [metadata, resource]: Record<string, unknown>[] = [{}, {}]
  const secret = () => {
    const made = encode(randomBytes(24))
    secrets?.push(made)
    return made
  }
  const refuse = (error: string, why: string) => {
    refused?.push(why)
    return { status: error === 'invalid_client' ? 401 : 400, body: { error, error_description: `No: ${why}` } }
  }

  function clientIn(form: URLSearchParams, authorization: string | undefined): string | undefined {
    const [, basic] = /^Basic (.+)$/.exec(authorization ?? '') ?? []
    const [name = '', word] = basic
      ? Buffer.from(basic, 'base64')
          .toString()
          .split(':')
          .map((part: string) => new URLSearchParams(`=${part}`).get('') ?? '')
      : [form.get('client_id') ?? '', form.get('client_secret') ?? undefined]
    const way = basic ? 'client_secret_basic' : word === undefined ? 'none' : 'client_secret_post'
    const known = clients.get(name)
    return known && known.way === way && known.secret === word ? name : undefined
  }

  function give(grant: Grant, renewable = true) {
    const [token, next] = [secret(), ways.refreshTokens && renewable ? secret() : undefined]
    access.set(token, grant)
    if (next) refreshes.set(next, { grant, used: false })
    return {
      status: 200,
      body: { access_token: token, token_type: 'bearer', expires_in: ways.expiresIn, refresh_token: next },
    }
  }

  function exchange(form: URLSearchParams, clientId: string) {
    const code = codes.get(form.get('code') ?? '')
    if (!code || code.grant.clientId !== clientId) return refuse('invalid_grant', 'no such code')
    if (code.used) {
      code.grant.ended = true
      return refuse('invalid_grant', 'a code used twice')
    }
    code.used = true
    if (sha256(form.get('code_verifier') ?? '') !== code.challenge) return refuse('invalid_grant', 'another verifier')
    if (form.get('redirect_uri') !== code.redirectUri) return refuse('invalid_grant', 'another redirect_uri')
    if (form.get('resource') !== code.grant.resource) return refuse('invalid_target', 'another resource')
    return give(code.grant)
  }

  function renew(form: URLSearchParams, clientId: string) {
    const known = refreshes.get(form.get('refresh_token') ?? '')
    if (!known || known.grant.clientId !== clientId) return refuse('invalid_grant', 'no such refresh token')
    if (known.used) known.grant.ended = true
    if (known.grant.ended) return refuse('invalid_grant', known.used ? 'a refresh token used twice' : 'an ended grant')
    if (form.get('resource') !== known.grant.resource) return refuse('invalid_target', 'another resource')
    known.used = ways.rotates
    return give(known.grant, ways.rotates)
  }

  function authorize(query: URLSearchParams, response: ServerResponse): void {
    const redirectUri = query.get('redirect_uri') ?? ''
    const clientId = query.get('client_id') ?? ''
    if (!clients.get(clientId)?.redirectUris.includes(redirectUri)) {
      send(response, 400, { error: 'redirect_uri' })
      return
    }
    const back = new URL(redirectUri)
    back.searchParams.set('state', query.get('state') ?? '')
    back.searchParams.set('iss', url)
    // What no client asked for and every client must bear.
    back.searchParams.set('session_state', 'more')
    const isGood =
      query.get('response_type') === 'code' &&
      query.get('code_challenge_method') === 'S256' &&
      query.get('code_challenge')?.length === 43 &&
      query.get('resource') === `${remote.url}/mcp`
    if (query.get('deny') || !isGood) back.searchParams.set('error', isGood ? 'access_denied' : 'invalid_request')
    else {
      const grant = { clientId, resource: query.get('resource') ?? '', ended: false }
      grants.push(grant)
      const code = secret()
      codes.set(code, { grant, challenge: query.get('code_challenge') ?? '', redirectUri, used: false })
      back.searchParams.set('code', code)
    }
    response.writeHead(303, { location: back.href }).end()
  }

  function registered(body: string) {
    const asked: { redirect_uris: string[]; token_endpoint_auth_method: string } = JSON.parse(body)
    const [clientId, way] = [`client-${clients.size + 1}`, asked.token_endpoint_auth_method]
    const word = way === 'none' ? undefined : secret()
    clients.set(clientId, { secret: word, way, redirectUris: asked.redirect_uris })
    return { ...asked, client_id: clientId, ...(word && { client_secret: word, client_secret_expires_at: 0 }) }
  }

  const { server, url } = await listen(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '', url)
    const body = await bodyOf(request)
    const { authorization } = request.headers
    const form = new URLSearchParams(pathname === '/register' ? '' : body)
    requests.push({ path: pathname, form, authorization })
    if (pathname === '/authorize') return authorize(searchParams, response)
    if (pathname === '/register') return send(response, 201, registered(body))
    if (pathname === '/.well-known/oauth-authorization-server') return send(response, 200, described())
    if (pathname !== '/token' && pathname !== '/revoke') return send(response, 404, {})
    if (ways.slowMs > 0) await new Promise((done) => setTimeout(done, ways.slowMs))
    if (ways.failing) return send(response, ways.failing, { error: 'server_error' })
    const clientId = clientIn(form, authorization)
    const { status, body: said } =
      clientId === undefined
        ? refuse('invalid_client', 'not this client')
        : pathname === '/revoke'
          ? revoked(form)
          : form.get('grant_type') === 'refresh_token'
            ? renew(form, clientId)
            : exchange(form, clientId)
    send(response, status, said)
  })

  function revoked(form: URLSearchParams) {
    const token = form.get('token') ?? ''
    const grant = refreshes.get(token)?.grant ?? access.get(token)
    if (grant) grant.ended = true
    return { status: 200, body: {} }
  }

  function described() {
    return {
      issuer: url,
      authorization_endpoint: `${url}/authorize?kept=1`,
      token_endpoint: `${url}/token`,
      registration_endpoint: `${url}/register`,
      revocation_endpoint: `${url}/revoke`,
      response_types_supported: ['code'],
      code_challenge_methods_supported: ['S256'],
      token_endpoint_auth_methods_supported: ['none', 'client_secret_basic', 'client_secret_post'],
      authorization_response_iss_parameter_supported: true,
      ...metadata,
    }
  }

  const remote = await startRemote({
    isAllowed: (authorization) => {
      const grant = access.get(/^Bearer (.+)$/.exec(authorization ?? '')?.[1] ?? '')
      return grant !== undefined && !grant.ended
    },
    challenge: () =>
      ways.metadataUrl && `Bearer error="invalid_token", resource_metadata="${ways.metadataUrl}", scope="tools:use"`,
    answer: (path, response) => {
      if (ways.wants && path === '/mcp') {
        const challenge = `Bearer error="insufficient_scope", scope="${ways.wants}"`
        response.writeHead(403, { 'www-authenticate': challenge }).end()
        return true
      }
      const isIt = path === '/.well-known/oauth-protected-resource/mcp' || path === '/about-us'
      if (isIt) send(response, 200, { resource: `${remote.url}/mcp`, authorization_servers: [url], ...resource })
      else if (path.startsWith('/.well-known/')) send(response, 404, {})
      return isIt || path.startsWith('/.well-known/')
    },
  })
  ways.metadataUrl = `${remote.url}/about-us`
  return {
    url,
    remote,
    clients,
    metadata: metadata ?? {},
    resource: resource ?? {},
    ways,
    requests,
    secrets: secrets ?? [],
    refused: refused ?? [],
    browse: async (authorizationUrl, consents = true) => {
      const shown = await fetch(`${authorizationUrl}${consents ? '' : '&deny=1'}`, { redirect: 'manual' })
      return new URL(shown.headers.get('location') ?? `failed:${shown.status}`)
    },
    endAll: () => {
      for (const grant of grants) grant.ended = true
    },
    expireAll: () => access.clear(),
    close: () => {
      remote.close()
      server.closeAllConnections()
      server.close()
    },
  }
}
