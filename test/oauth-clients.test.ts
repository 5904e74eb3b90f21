import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { OAuthClientProvider } from '@modelcontextprotocol/sdk/client/auth.js'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { OAuthClientInformationMixed, OAuthTokens } from '@modelcontextprotocol/sdk/shared/auth.js'
import * as oidc from 'openid-client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { authorizeUrl, fetcher, ISSUER, makePkce, openBrowser, postForm, REDIRECT } from './oauth-browser.ts'
import { startWorld, type World } from './world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld({ vars: { PUBLIC_URL: ISSUER, ALLOW_LOOPBACK_URLS: 'true' } })
}, 60_000)
afterAll(() => world.stop())

test('a strict client of another hand finds the way, registers, signs its person in, renews and leaves', async () => {
  const person = await world.person()
  const customFetch = fetcher(world) as oidc.CustomFetch
  const config = await oidc.dynamicClientRegistration(
    new URL(ISSUER),
    { client_name: 'Planner', redirect_uris: [REDIRECT], token_endpoint_auth_method: 'none' },
    oidc.None(),
    { algorithm: 'oauth2', [oidc.customFetch]: customFetch },
  )
  expect(config.serverMetadata()).toMatchObject({ issuer: ISSUER, code_challenge_methods_supported: ['S256'] })
  const verifier = oidc.randomPKCECodeVerifier()
  const state = oidc.randomState()
  const url = oidc.buildAuthorizationUrl(config, {
    redirect_uri: REDIRECT,
    scope: 'tasks:read tasks:write memories:read',
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    resource: ISSUER,
    state,
  })
  const back = await openBrowser(world).agree(url, person.email, ['tasks:read', 'tasks:write'])
  // It checks state and the issuer of RFC 9207 by itself.
  const tokens = await oidc.authorizationCodeGrant(config, back, { pkceCodeVerifier: verifier, expectedState: state })
  expect(tokens).toMatchObject({ token_type: 'bearer', scope: 'tasks:read tasks:write', expires_in: 600 })
  const at = (token: string, path: string) => world.call('GET', path, { token })
  expect((await at(tokens.access_token, '/v1/tasks')).status).toBe(200)
  expect((await at(tokens.access_token, '/v1/memories')).status).toBe(403)

  const next = await oidc.refreshTokenGrant(config, tokens.refresh_token ?? '')
  expect(next.refresh_token).not.toBe(tokens.refresh_token)
  expect((await at(next.access_token, '/v1/tasks')).status).toBe(200)
  await oidc.tokenRevocation(config, next.refresh_token ?? '')
  for (const { access_token: token } of [tokens, next]) expect((await at(token, '/v1/tasks')).status).toBe(401)
  await expect(oidc.refreshTokenGrant(config, next.refresh_token ?? '')).rejects.toMatchObject({
    error: 'invalid_grant',
  })
})

/** What a host keeps, as the SDK asks for it. */
function makeHost(): OAuthClientProvider & { sentTo: URL | undefined; held: OAuthTokens | undefined } {
  let client: OAuthClientInformationMixed | undefined
  let verifier = ''
  const host = {
    sentTo: undefined as URL | undefined,
    held: undefined as OAuthTokens | undefined,
    redirectUrl: 'http://127.0.0.1:43110/callback',
    clientMetadata: { client_name: 'A host', redirect_uris: ['http://127.0.0.1/callback'] },
    clientInformation: () => client,
    saveClientInformation: (given: OAuthClientInformationMixed) => {
      client = given
    },
    tokens: () => host.held,
    saveTokens: (given: OAuthTokens) => {
      host.held = given
    },
    redirectToAuthorization: (url: URL) => {
      host.sentTo = url
    },
    saveCodeVerifier: (given: string) => {
      verifier = given
    },
    codeVerifier: () => verifier,
  }
  return host
}

function transportOf(host: OAuthClientProvider) {
  return new StreamableHTTPClientTransport(new URL('/mcp', ISSUER), { authProvider: host, fetch: fetcher(world) })
}
type Connecting = Parameters<Client['connect']>[0]

test("a host of MCP is refused, finds its way with the SDK's own dance, and uses a tool", async () => {
  const [person, host] = [await world.person(), makeHost()]
  const transport = transportOf(host)
  const refused = new Client({ name: 'test', version: '1.0.0' }).connect(transport as Connecting)
  await expect(refused).rejects.toThrow('Unauthorized')
  expect(host.sentTo?.searchParams.get('resource')).toBe(`${ISSUER}/mcp`)
  expect(host.sentTo?.searchParams.get('scope')).toContain('mcp tasks:read')
  const back = await openBrowser(world).agree(host.sentTo ?? '', person.email)
  await transport.finishAuth(back.searchParams.get('code') ?? '')

  const client = new Client({ name: 'test', version: '1.0.0' })
  await client.connect(transportOf(host) as Connecting)
  await client.callTool({ name: 'create_task', arguments: { title: 'From a host' } })
  const { json } = await person.api('GET', '/v1/tasks')
  expect(json).toMatchObject({ items: [{ title: 'From a host' }] })

  // An access token that is not taken any more is renewed by the SDK itself.
  const before = host.held
  host.held = before && { ...before, access_token: 'worn' }
  expect((await client.listTools()).tools.length).toBeGreaterThan(5)
  expect(host.held?.refresh_token).not.toBe(before?.refresh_token)

  const { items } = Object((await person.api('GET', '/v1/oauth/grants')).json)
  expect(items).toMatchObject([{ client: { name: 'A host', host: expect.stringContaining('127.0.0.1:43110') } }])
  await person.api('DELETE', `/v1/oauth/grants/${items[0].id}`)
  await expect(client.listTools()).rejects.toThrow('What was allowed has ended')
  await client.close()
})

test('an app whose id is where it describes itself needs no registration, and is known by that place', async () => {
  const server = createServer((request, response) => {
    const id = `http://127.0.0.1:${(server.address() as AddressInfo).port}${request.url}`
    const said = { client_id: request.url === '/other' ? 'https://other.example/id' : id, client_name: 'Roamer' }
    response.setHeader('content-type', 'application/json')
    response.end(
      JSON.stringify({ ...said, redirect_uris: [REDIRECT], padding: request.url === '/big' ? 'x'.repeat(6000) : '' }),
    )
  })
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const person = await world.person()
  const pkce = makePkce()
  try {
    const browser = openBrowser(world)
    const first = await browser.open(authorizeUrl(`${origin}/app`, pkce))
    const page = await browser.go('GET', (await browser.signIn(first.text, person.email)).location)
    expect(page.text).toContain(`described at <strong>127.0.0.1`)
    const code = new URL((await browser.answer(page.text)).location).searchParams.get('code') ?? ''
    const exchange = { grant_type: 'authorization_code', client_id: `${origin}/app`, code, redirect_uri: REDIRECT }
    expect((await postForm(world, '/oauth/token', { ...exchange, code_verifier: pkce.verifier })).status).toBe(200)
    for (const bad of ['/other', '/big', '/']) {
      const refused = await openBrowser(world).open(authorizeUrl(origin + bad, pkce))
      expect(refused.status).toBe(401)
      expect(refused.location).toBe('')
    }
    const inside = await openBrowser(world).open(authorizeUrl('https://metadata.google.internal/app', pkce))
    expect([inside.status, inside.text]).toEqual([401, expect.stringContaining('not a public name')])
  } finally {
    server.close()
  }
})
