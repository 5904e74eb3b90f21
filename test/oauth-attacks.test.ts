import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  authorizeUrl,
  connectApp,
  ISSUER,
  letIn,
  makePkce,
  openBrowser,
  postForm,
  REDIRECT,
  registerApp,
} from './oauth-browser.ts'
import { type CallOptions, startWorld, type World } from './world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld({ vars: { PUBLIC_URL: ISSUER } })
}, 60_000)
afterAll(() => world.stop())

const MCP = { resource: `${ISSUER}/mcp`, scope: 'mcp tasks:read' }
const statusOf = async (token: string, path = '/v1/tasks') => (await world.call('GET', path, { token })).status
const ping = async (token: string) =>
  await world.call('POST', '/mcp', { token, body: { jsonrpc: '2.0', id: 1, method: 'ping' } })
const askToken = async (fields: Record<string, string>) => await postForm(world, '/oauth/token', fields)
const refused = async (fields: Record<string, string>) => {
  const { status, said } = await askToken(fields)
  return `${status} ${said.error}`
}
const refresh = (clientId: string, token: string, more: Record<string, string> = {}) => ({
  grant_type: 'refresh_token',
  client_id: clientId,
  refresh_token: token,
  ...more,
})

test('what is wrong in a request is shown to the person, and leads nobody anywhere', async () => {
  const [clientId, other] = [await registerApp(world), await registerApp(world)]
  const pkce = makePkce()
  const shown: [string, Record<string, string | null>, boolean][] = [
    ['another address', { redirect_uri: 'https://evil.example/callback' }, false],
    ['an address that goes on', { redirect_uri: `${REDIRECT}/../../evil` }, false],
    ['no address', { redirect_uri: null }, false],
    ['an app nobody knows', { client_id: other.replace(/.$/, (last) => (last === '0' ? '1' : '0')) }, false],
    ['no app', { client_id: null }, false],
    ['no challenge', { code_challenge: null }, true],
    ['a plain challenge', { code_challenge_method: 'plain' }, true],
    ['a challenge whose way is not said', { code_challenge_method: null }, true],
    ['a short challenge', { code_challenge: 'short' }, true],
    ['the implicit grant', { response_type: 'token' }, true],
    ['two kinds of answer', { response_type: 'code token' }, true],
    ['a scope nobody knows', { scope: 'tasks:read everything' }, true],
    ['another resource', { resource: 'https://other.example/mcp' }, true],
  ]
  const wrong: string[] = []
  for (const [what, over, isToldOfApp] of shown) {
    const { status, location, text, headers } = await openBrowser(world).open(authorizeUrl(clientId, pkce, over))
    const isRefused = (status === 400 || status === 401) && location === '' && headers.getSetCookie().length === 0
    // The app is known by then: whoever wants may go back to it, which tells it why.
    const leadsBack = text.includes(`<a href="${REDIRECT}?error=`) && text.includes('iss=https')
    if (!isRefused || leadsBack !== isToldOfApp) wrong.push(`${what}: ${status} ${location} ${text}`)
  }
  const twice = `${authorizeUrl(clientId, pkce)}&redirect_uri=https://evil.example`
  expect((await openBrowser(world).open(twice)).status).toBe(400)
  expect(wrong).toEqual([])
})

test('an app registers addresses of its own kind and no secret; no other', async () => {
  const wrong: [object, string][] = [
    [{}, 'invalid_redirect_uri'],
    [{ redirect_uris: [] }, 'invalid_redirect_uri'],
    [{ redirect_uris: ['http://app.example/cb'] }, 'invalid_redirect_uri'],
    [{ redirect_uris: ['https://*.example/cb'] }, 'invalid_redirect_uri'],
    [{ redirect_uris: Array.from({ length: 11 }, (_, n) => `https://app.example/${n}`) }, 'invalid_redirect_uri'],
    [{ redirect_uris: [REDIRECT], client_name: 'x'.repeat(81) }, 'invalid_client_metadata'],
    [{ redirect_uris: [REDIRECT], client_name: 'evil\u202eknab' }, 'invalid_client_metadata'],
    [{ redirect_uris: [REDIRECT], grant_types: ['password'] }, 'invalid_client_metadata'],
    [{ redirect_uris: [REDIRECT], response_types: ['token'] }, 'invalid_client_metadata'],
  ]
  for (const [body, error] of wrong) {
    const { status, json } = await world.call('POST', '/oauth/register', { body })
    expect([body, status, Object(json).error]).toEqual([body, 400, error])
  }
  const body = { redirect_uris: [REDIRECT], token_endpoint_auth_method: 'client_secret_basic', scope: 'x' }
  const { json } = await world.call('POST', '/oauth/register', { body })
  expect(json).toMatchObject({ token_endpoint_auth_method: 'none', redirect_uris: [REDIRECT] })
  expect(json).not.toHaveProperty('client_secret')
})

test('a code is for one app, one address, one verifier, one resource; each miss leaves it to whom it is for', async () => {
  const { exchange } = await letIn(world)
  const another = await registerApp(world)
  const { code_verifier: _, ...noVerifier } = exchange
  const misses: [Record<string, string>, string][] = [
    [{ ...exchange, client_id: another }, '400 invalid_grant'],
    [{ ...exchange, redirect_uri: `${REDIRECT}/` }, '400 invalid_grant'],
    [{ ...exchange, code_verifier: makePkce().verifier }, '400 invalid_grant'],
    [{ ...exchange, code_verifier: 'short' }, '400 invalid_request'],
    [noVerifier, '400 invalid_request'],
    [{ ...exchange, code: `${exchange.code}x` }, '400 invalid_grant'],
    [{ ...exchange, resource: `${ISSUER}/mcp` }, '400 invalid_target'],
    [{ ...exchange, resource: 'https://other.example' }, '400 invalid_target'],
    [{ ...exchange, grant_type: 'password' }, '400 unsupported_grant_type'],
    [{ ...exchange, grant_type: 'constructor' }, '400 unsupported_grant_type'],
  ]
  for (const [fields, error] of misses) expect([fields, await refused(fields)]).toEqual([fields, error])
  const { status, headers } = await askToken(exchange)
  expect([status, headers.get('cache-control')]).toEqual([200, 'no-store'])
})

test('the token endpoint takes one form, each field once, and refuses in the words of RFC 6749', async () => {
  const { exchange } = await letIn(world)
  const form = new URLSearchParams(exchange).toString()
  const type = { 'content-type': 'application/x-www-form-urlencoded' }
  const tries: [CallOptions, number][] = [
    [{ body: exchange }, 400],
    [{ raw: form, headers: { 'content-type': 'text/plain' } }, 400],
    [{ raw: `${form}&code=x`, headers: type }, 400],
    [{ raw: Uint8Array.from([0x61, 0x3d, 0xff]), headers: type }, 415],
    [{ raw: 'x'.repeat(1_000_001), headers: type }, 413],
    [{ raw: '', headers: type }, 400],
    [{ raw: 'grant_type=refresh_token&client_id=%00&refresh_token=x', headers: type }, 400],
  ]
  for (const [options, status] of tries) {
    const answer = await world.call('POST', '/oauth/token', options)
    expect([answer.status, answer.json]).toEqual([
      status,
      { error: 'invalid_request', error_description: expect.any(String) },
    ])
  }
})

test('a code is used once, however many bring it at once; then all that it gave is ended', async () => {
  const { exchange, person } = await letIn(world)
  const all = await Promise.all(Array.from({ length: 100 }, () => askToken(exchange)))
  const served = all.filter(({ status }) => status === 200)
  expect(served).toHaveLength(1)
  expect(all.filter(({ said }) => said.error === 'invalid_grant')).toHaveLength(99)
  const [{ said } = { said: {} }] = served
  expect(await statusOf(said.access_token)).toBe(401)
  expect(await refused(refresh(exchange.client_id, said.refresh_token))).toBe('400 invalid_grant')
  expect((await person.api('GET', '/v1/oauth/grants')).json).toMatchObject({ items: [] })
  expect((await person.api('GET', '/v1/me')).status).toBe(200)
})

test('a code that is old gives nothing', async () => {
  const { exchange } = await letIn(world)
  await world.query('update oauth_grants set code_expires_at = now() where client_id = $1', [exchange.client_id])
  expect(await refused(exchange)).toBe('400 invalid_grant')
})

test('a refresh token works once, or twice within the grace; an old one ends all', async () => {
  const app = await connectApp(world)
  const { clientId, refreshToken } = app
  const [first, again] = [
    await askToken(refresh(clientId, refreshToken)),
    await askToken(refresh(clientId, refreshToken)),
  ]
  expect(again.said.refresh_token).toBe(first.said.refresh_token)
  const next = await askToken(refresh(clientId, first.said.refresh_token))
  expect(await statusOf(next.said.access_token)).toBe(200)
  expect(await refused(refresh(clientId, refreshToken))).toBe('400 invalid_grant')
  expect(await statusOf(next.said.access_token)).toBe(401)
  expect(await refused(refresh(clientId, next.said.refresh_token))).toBe('400 invalid_grant')
})

test('a refresh token is for its app, its resource and its scopes, and ends with its days', async () => {
  const { clientId, refreshToken } = await connectApp(world)
  const other = await registerApp(world)
  expect(await refused(refresh(other, refreshToken))).toBe('400 invalid_grant')
  expect(await refused(refresh(clientId, refreshToken, { resource: `${ISSUER}/mcp` }))).toBe('400 invalid_target')
  expect(await refused(refresh(clientId, refreshToken, { scope: 'tasks:read memories:read' }))).toBe(
    '400 invalid_scope',
  )
  const { said } = await askToken(refresh(clientId, refreshToken, { scope: 'tasks:read' }))
  expect(said.scope).toBe('tasks:read')
  expect((await world.call('POST', '/v1/tasks', { token: said.access_token, body: { title: 'x' } })).status).toBe(403)
  await world.query(
    `update sessions set expires_at = now() - interval '1 second' where id in (select session_id from oauth_grants where client_id = $1)`,
    [clientId],
  )
  expect(await refused(refresh(clientId, said.refresh_token))).toBe('400 invalid_grant')
})

test("an app's refresh token and a session's are not taken for each other", async () => {
  const { clientId, refreshToken, person } = await connectApp(world)
  const own = await world.call('POST', '/v1/auth/refresh', { body: { refreshToken } })
  expect(own.status).toBe(400)
  expect(await refused(refresh(clientId, person.refreshToken))).toBe('400 invalid_grant')
  // The session of the app has one of the first kind, which was given to nobody.
  const rows = await world.query(
    'select r.hash from refresh_tokens r join oauth_grants g using (session_id) where g.client_id = $1',
    [clientId],
  )
  expect(rows).toHaveLength(2)
})

test('a token for one resource is refused at the other', async () => {
  const [rest, mcp] = [await connectApp(world), await connectApp(world, MCP)]
  expect(await statusOf(rest.accessToken)).toBe(200)
  expect((await ping(mcp.accessToken)).status).toBe(200)
  expect(await statusOf(mcp.accessToken)).toBe(401)
  expect((await world.call('GET', '/compat/openai/v1/models', { token: mcp.accessToken })).status).toBe(401)
  const refusal = await ping(rest.accessToken)
  expect(refusal.status).toBe(401)
  expect(refusal.headers.get('www-authenticate')).toContain(
    `resource_metadata="${ISSUER}/.well-known/oauth-protected-resource/mcp"`,
  )
})

test('whoever has no token is told where to get one', async () => {
  const tries: [string, string, string][] = [
    ['POST', '/mcp', '/.well-known/oauth-protected-resource/mcp'],
    ['GET', '/v1/tasks', '/.well-known/oauth-protected-resource'],
    ['GET', '/compat/openai/v1/models', '/.well-known/oauth-protected-resource'],
  ]
  for (const [method, path, place] of tries) {
    const { status, headers } = await world.call(method, path)
    expect(status).toBe(401)
    expect(headers.get('www-authenticate')).toContain(`resource_metadata="${ISSUER}${place}"`)
    const { json } = await world.call('GET', place)
    expect(json).toMatchObject({
      resource: path === '/mcp' ? `${ISSUER}/mcp` : ISSUER,
      authorization_servers: [ISSUER],
    })
  }
})

test('an app does what it was allowed and never what asks for its person', async () => {
  const { accessToken, person } = await connectApp(world, { scope: 'tasks:read ai:read' })
  const at = (method: string, path: string, body?: object) => world.call(method, path, { token: accessToken, body })
  expect((await at('GET', '/v1/tasks')).status).toBe(200)
  expect((await at('GET', '/compat/openai/v1/models')).status).toBe(200)
  const lacking = await at('GET', '/v1/memories')
  expect(lacking.status).toBe(403)
  expect(lacking.headers.get('www-authenticate')).toBe('Bearer error="insufficient_scope", scope="memories:read"')
  const closed: [string, string, object?][] = [
    ['GET', '/v1/auth/sessions'],
    ['POST', '/v1/auth/logout'],
    ['GET', '/v1/api-keys'],
    ['POST', '/v1/api-keys', { name: 'x', scopes: ['tasks:read'] }],
    ['GET', '/v1/oauth/grants'],
    ['DELETE', '/v1/me'],
  ]
  for (const [method, path, body] of closed) expect((await at(method, path, body)).status).toBe(403)
  expect((await person.api('GET', '/v1/me')).status).toBe(200)
})

test('what was allowed is listed, and taken back at once: by its person, by ending its session, by the app, with the person', async () => {
  const ways: ((app: Awaited<ReturnType<typeof connectApp>>) => Promise<unknown>)[] = [
    async ({ person }) => {
      const { items } = Object((await person.api('GET', '/v1/oauth/grants')).json)
      expect(items).toMatchObject([
        { scopes: ['tasks:read', 'tasks:write'], client: { name: 'Planner', host: 'app.example' } },
      ])
      const [stranger] = await world.people(1)
      expect((await stranger?.api('DELETE', `/v1/oauth/grants/${items[0].id}`))?.status).toBe(404)
      expect((await person.api('DELETE', `/v1/oauth/grants/${items[0].id}`)).status).toBe(204)
      expect((await person.api('DELETE', `/v1/oauth/grants/${items[0].id}`)).status).toBe(404)
    },
    async ({ person }) => {
      const { items } = Object((await person.api('GET', '/v1/auth/sessions')).json)
      const { id } = items.find((one: { deviceName: string }) => one.deviceName === 'Planner')
      await person.api('DELETE', `/v1/auth/sessions/${id}`)
    },
    async ({ clientId, accessToken }) =>
      await postForm(world, '/oauth/revoke', { client_id: clientId, token: accessToken }),
    async ({ clientId, refreshToken }) =>
      await postForm(world, '/oauth/revoke', { client_id: clientId, token: refreshToken }),
    // As an erasure ends, once the days of grace are over.
    async ({ person }) => await world.query('delete from users where id = $1', [person.userId]),
  ]
  for (const way of ways) {
    const app = await connectApp(world)
    expect(await statusOf(app.accessToken)).toBe(200)
    await way(app)
    expect(await statusOf(app.accessToken)).toBe(401)
    expect(await refused(refresh(app.clientId, app.refreshToken))).toBe('400 invalid_grant')
  }
})

test('an app ends nothing that is not its own, and is told nothing of it', async () => {
  const app = await connectApp(world)
  const other = await registerApp(world)
  for (const token of [app.refreshToken, app.accessToken, app.person.accessToken, 'ort_none', 'x'])
    expect((await postForm(world, '/oauth/revoke', { client_id: other, token })).status).toBe(200)
  expect(await statusOf(app.accessToken)).toBe(200)
  expect(await statusOf(app.person.accessToken)).toBe(200)
})
