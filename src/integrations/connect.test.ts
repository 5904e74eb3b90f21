import { eq } from 'drizzle-orm'
import { afterEach, beforeEach, expect, inject, test } from 'vitest'
import { readConfig } from '#config'
import { createLog } from '#core'
import { makePerson, type Person, revoke } from '#test/database'
import { type OauthFake, startOauthFake } from '#test/oauth-fake'
import { countGrants, revokeGrants } from './access.ts'
import { finishConnect, pruneOauthStates, startConnect } from './connect.ts'
import { type McpServer, NewMcpServer } from './schema.ts'
import { addServer, checkServer, getServer, removeServer, updateServer } from './servers.ts'
import { mcpServers, oauthStates } from './tables.ts'

const OAUTH = { type: 'oauth' as const }
const REDIRECT = 'http://aurelius.test/v1/mcp/callback'
const KEYS = ['code', 'iss', 'error'] as const

let fake: OauthFake
beforeEach(async () => {
  fake = await startOauthFake()
})
afterEach(() => fake.close())

async function makeOwner(over: object = {}): Promise<Person> {
  const config = readConfig({ ...inject('vars'), ALLOW_LOOPBACK_URLS: 'true', ...over })
  return await makePerson({ config })
}

const add = (person: Person, auth: object = OAUTH, url = `${fake.remote.url}/mcp`) =>
  addServer(person, NewMcpServer.parse({ name: 'weather', url, auth }))

/** The callback, as whoever holds its address may call it. */
function comeBack(person: Person, back: URL, over: Record<string, string | undefined> = {}): Promise<boolean> {
  const { actor: _, ...ctx } = person
  const returned = Object.fromEntries(KEYS.map((key) => [key, back.searchParams.get(key) ?? undefined]))
  return finishConnect({ ...ctx, actor: { kind: 'anonymous' } }, back.searchParams.get('state') ?? '', {
    ...returned,
    ...over,
  })
}

async function begin(person: Person, id: string, consents = true): Promise<URL> {
  const { authorizationUrl } = await startConnect(person, id)
  return await fake.browse(authorizationUrl, consents)
}

async function connected(person: Person, auth: object = OAUTH): Promise<McpServer> {
  const { id } = await add(person, auth)
  expect(await comeBack(person, await begin(person, id))).toBe(true)
  return await getServer(person, id)
}

const formsTo = (path: string) => fake.requests.filter((request) => request.path === path)
const refusal = (reason: string | RegExp) => ({ code: 'unavailable', message: expect.stringMatching(reason) })

test('a server is connected: registered, consented, exchanged once, its tools read; nothing of it is shown or kept in the clear', async () => {
  const lines: string[] = []
  const person = { ...(await makeOwner()), log: createLog({}, 'info', (line) => void lines.push(line)) }
  const { id } = await add(person)
  expect(await checkServer(person, id)).toMatchObject({
    status: 'broken',
    lastError: expect.stringMatching(/connect it/),
  })
  const started = await startConnect(person, id)
  const asked = new URL(started.authorizationUrl).searchParams
  expect(Object.fromEntries(asked)).toMatchObject({
    kept: '1',
    response_type: 'code',
    client_id: 'client-1',
    redirect_uri: REDIRECT,
    code_challenge_method: 'S256',
    resource: `${fake.remote.url}/mcp`,
    scope: 'tools:use',
  })
  expect(asked.get('state')).toMatch(/^[\w-]{43}$/)
  const back = await fake.browse(started.authorizationUrl)
  expect(`${back.origin}${back.pathname}`).toBe(REDIRECT)
  expect(await comeBack(person, back)).toBe(true)
  const made = await getServer(person, id)
  expect(made).toMatchObject({ status: 'ok', auth: { type: 'oauth', clientId: null, connected: true } })
  expect(made.tools.map(({ name }) => name)).toContain('forecast')
  expect(fake.refused).toEqual([])
  const rows = [
    await person.db.select().from(mcpServers).where(eq(mcpServers.id, id)),
    await person.db.select().from(oauthStates),
  ]
  const seen = JSON.stringify([made, rows, lines, person.sent])
  expect(fake.secrets.length).toBeGreaterThan(2)
  for (const secret of [...fake.secrets, asked.get('state') ?? '']) expect(seen).not.toContain(secret)
  expect(rows[0]?.[0]).toMatchObject({ accessToken: /^v1\./, refreshToken: /^v1\./ })
})

test('a state ends one connection: not twice, not another, not after ten minutes, not when a newer one was begun', async () => {
  const person = await makeOwner()
  const { id } = await add(person)
  const back = await begin(person, id)
  const wrong = new URL(back)
  wrong.searchParams.set('state', 'x'.repeat(43))
  await expect(comeBack(person, wrong)).rejects.toMatchObject({ code: 'gone' })
  const later = { ...person, now: () => new Date(Date.now() + 601_000) }
  await expect(comeBack(later, back)).rejects.toMatchObject({ code: 'gone' })
  expect(await comeBack(person, back)).toBe(true)
  await expect(comeBack(person, back)).rejects.toMatchObject({ code: 'gone' })
  expect(formsTo('/token')).toHaveLength(1)
  const [older, newer] = [await begin(person, id), await begin(person, id)]
  await expect(comeBack(person, older)).rejects.toMatchObject({ code: 'gone' })
  expect(await comeBack(person, newer)).toBe(true)
  await begin(person, id)
  await pruneOauthStates({ ...person, now: () => new Date(Date.now() + 599_000) })
  const kept = () => person.db.select().from(oauthStates).where(eq(oauthStates.serverId, id))
  expect(await kept()).toHaveLength(1)
  await pruneOauthStates(later)
  expect(await kept()).toEqual([])
})

test('of two browsers that come back at once with one state, one connects', async () => {
  const person = await makeOwner()
  const { id } = await add(person)
  const back = await begin(person, id)
  const ends = await Promise.allSettled([comeBack(person, back), comeBack(person, back)])
  expect(ends.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  expect(formsTo('/token')).toHaveLength(1)
})

test("another person's server is not there; a session that ended connects nothing", async () => {
  const [owner, stranger] = [await makeOwner(), await makeOwner()]
  const { id } = await add(owner)
  const asked = fake.remote.requests.length
  await expect(startConnect(stranger, id)).rejects.toMatchObject({ code: 'not_found' })
  expect(fake.remote.requests).toHaveLength(asked)
  const back = await begin(owner, id)
  await revoke(owner)
  await expect(comeBack(owner, back)).rejects.toThrow()
  expect(formsTo('/token')).toEqual([])
})

test('what was changed while the browser was away is not connected', async () => {
  const person = await makeOwner()
  const { id } = await add(person)
  const back = await begin(person, id)
  await updateServer(person, id, { auth: { type: 'oauth', clientId: 'another' } }, '*')
  expect(await comeBack(person, back)).toBe(false)
  expect(formsTo('/token')).toEqual([])
  expect(await getServer(person, id)).toMatchObject({ status: 'broken', lastError: /changed meanwhile/ })
  const other = await add(person, { type: 'none' })
  await expect(startConnect(person, other.id)).rejects.toMatchObject({ code: 'conflict' })
})

test('mix-up: a code that another server gave, or nobody named, is shown to none', async () => {
  const person = await makeOwner()
  const { id } = await add(person)
  for (const iss of ['https://other.example.com', `${fake.url}/`, undefined]) {
    expect(await comeBack(person, await begin(person, id), { iss })).toBe(false)
    expect(await getServer(person, id)).toMatchObject({ lastError: /another server answered/ })
  }
  expect(formsTo('/token')).toEqual([])
  // One that never said it names itself need not, but a wrong name is wrong all the same.
  fake.metadata['authorization_response_iss_parameter_supported'] = false
  expect(await comeBack(person, await begin(person, id), { iss: 'https://other.example.com' })).toBe(false)
  expect(await comeBack(person, await begin(person, id), { iss: undefined })).toBe(true)
})

test('who declines is told so, and no word of the other side is', async () => {
  const person = await makeOwner()
  const { id } = await add(person)
  expect(await comeBack(person, await begin(person, id, false))).toBe(false)
  expect(await getServer(person, id)).toMatchObject({ status: 'broken', lastError: /access_denied/ })
  expect(await comeBack(person, await begin(person, id), { error: '<b>evil</b>', code: undefined })).toBe(false)
  expect(JSON.stringify(await getServer(person, id))).not.toContain('evil')
  expect(await comeBack(person, await begin(person, id), { code: 'forged' })).toBe(false)
  expect(await getServer(person, id)).toMatchObject({ lastError: /invalid_grant/, auth: { connected: false } })
})

type Change = { metadata?: object; resource?: object }
const INSIDE = 'https://10.0.0.1/x'
test.each<[string, Change, RegExp]>([
  ['the issuer is another', { metadata: { issuer: 'https://auth.example.com' } }, /another name/],
  ['it takes no PKCE', { metadata: { code_challenge_methods_supported: ['plain'] } }, /PKCE/],
  ['it says nothing of PKCE', { metadata: { code_challenge_methods_supported: undefined } }, /PKCE/],
  ['the server leads inside', { resource: { authorization_servers: [INSIDE] } }, /authorization server is not called/],
  ['the server is another resource', { resource: { resource: 'https://mcp.example.com/mcp' } }, /another server/],
  ['the token endpoint leads inside', { metadata: { token_endpoint: INSIDE } }, /token endpoint is not called/],
  [
    'a browser would be sent inside',
    { metadata: { authorization_endpoint: INSIDE } },
    /authorization endpoint is not called/,
  ],
  [
    'a browser would run a script',
    { metadata: { authorization_endpoint: 'javascript:alert(1)' } },
    /authorization endpoint is not called/,
  ],
  ['registration leads inside', { metadata: { registration_endpoint: INSIDE } }, /registration endpoint is not called/],
  ['revocation leads inside', { metadata: { revocation_endpoint: INSIDE } }, /revocation endpoint is not called/],
  ['it registers nobody', { metadata: { registration_endpoint: undefined } }, /give a clientId/],
])('before a browser is sent anywhere it is refused that %s', async (_, { metadata, resource }, reason) => {
  const person = await makeOwner()
  const { id } = await add(person)
  Object.assign(fake.metadata, metadata)
  Object.assign(fake.resource, resource)
  await expect(startConnect(person, id)).rejects.toMatchObject(refusal(reason))
  expect(fake.requests.filter(({ path }) => path === '/register' || path === '/token')).toEqual([])
  expect(await person.db.select().from(oauthStates).where(eq(oauthStates.serverId, id))).toEqual([])
})

test('where a challenge leads inside, and where nothing is said, nobody is asked further', async () => {
  const person = await makeOwner()
  const { id } = await add(person)
  fake.ways.metadataUrl = 'https://169.254.169.254/latest'
  await expect(startConnect(person, id)).rejects.toMatchObject(refusal(/resource metadata is not called/))
  const nothing = await add(person, OAUTH, `${fake.remote.url}/json`)
  fake.ways.metadataUrl = undefined
  await expect(startConnect(person, nothing.id)).rejects.toMatchObject({ code: 'conflict' })
  const redirected = await add(person, OAUTH, `${fake.remote.url}/redirect`)
  await expect(startConnect(person, redirected.id)).rejects.toMatchObject(refusal(/redirect/))
  expect(fake.requests).toEqual([])
})

test('without a word in the challenge the well-known place is asked, and its scopes are taken unless others were given', async () => {
  const person = await makeOwner()
  fake.ways.metadataUrl = undefined
  fake.resource['scopes_supported'] = ['a', 'b']
  const scopeFor = async (auth: object) => {
    const { authorizationUrl } = await startConnect(person, (await add(person, auth)).id)
    return new URL(authorizationUrl).searchParams.get('scope')
  }
  expect(await scopeFor(OAUTH)).toBe('a b')
  expect(await scopeFor({ ...OAUTH, scope: 'only:this' })).toBe('only:this')
})

test.each(['client_secret_basic', 'client_secret_post'])(
  'a client of the person signs in by %s, and its secret goes to no other server',
  async (way) => {
    const person = await makeOwner()
    fake.metadata['token_endpoint_auth_methods_supported'] = [way]
    fake.clients.set('my app', { secret: 's/e:c r', way, redirectUris: [REDIRECT] })
    const auth = { ...OAUTH, clientId: 'my%20app', clientSecret: 's/e:c r' }
    const known = { ...auth, clientId: 'my-app' }
    fake.clients.set('my-app', { secret: 's/e:c r', way, redirectUris: [REDIRECT] })
    const made = await connected(person, known)
    expect(made).toMatchObject({ status: 'ok', auth: { clientId: 'my-app', connected: true } })
    expect(JSON.stringify(made)).not.toContain('s/e:c')
    expect(formsTo('/register')).toEqual([])
    const other = await startOauthFake()
    fake.resource['authorization_servers'] = [other.url]
    await expect(startConnect(person, made.id)).rejects.toMatchObject(refusal(/has changed/))
    other.close()
  },
)

test('a client secret without its client is refused', () => {
  const auth = { type: 'oauth', clientSecret: 'alone' }
  const { error } = NewMcpServer.safeParse({ name: 'x', url: 'https://mcp.example.com/', auth })
  expect(error?.issues).toMatchObject([{ path: ['auth', 'clientSecret'] }])
})

test('one that registers only clients with a secret is used with it', async () => {
  fake.metadata['token_endpoint_auth_methods_supported'] = ['client_secret_basic']
  const person = await makeOwner()
  expect(await connected(person)).toMatchObject({ status: 'ok', auth: { connected: true } })
  expect(formsTo('/token')[0]?.authorization).toMatch(/^Basic /)
})

test('where addresses are clients, ours is, and nothing is registered', async () => {
  const person = await makeOwner({ PUBLIC_URL: 'https://aurelius.example.com' })
  fake.metadata['client_id_metadata_document_supported'] = true
  const { id } = await add(person)
  const asked = new URL((await startConnect(person, id)).authorizationUrl).searchParams
  expect(asked.get('client_id')).toBe('https://aurelius.example.com/v1/mcp/client')
  expect(asked.get('redirect_uri')).toBe('https://aurelius.example.com/v1/mcp/callback')
  expect(formsTo('/register')).toEqual([])
})

test('removed or signed in to another way, its tokens are revoked; a server that does not hear it changes nothing', async () => {
  const person = await makeOwner()
  const [first, second, third] = [await connected(person), await connected(person), await connected(person)]
  await updateServer(person, first.id, { name: 'other' }, '*')
  await person.settled()
  expect(formsTo('/revoke')).toEqual([])
  await removeServer(person, first.id)
  await updateServer(person, second.id, { auth: { type: 'none' } }, '*')
  await person.settled()
  expect(formsTo('/revoke').map(({ form }) => form.get('token_type_hint'))).toEqual(['refresh_token', 'refresh_token'])
  expect(fake.refused).toEqual([])
  fake.ways.failing = 500
  await removeServer(person, third.id)
  await person.settled()
  await expect(getServer(person, third.id)).rejects.toMatchObject({ code: 'not_found' })
})

test('with a person go all of their tokens, whether or not each server hears it', async () => {
  const [person, other] = [await makeOwner(), await makeOwner()]
  for (const owner of [person, person, other]) await connected(owner)
  expect(await countGrants(person, person.actor.userId)).toBe(2)
  await revokeGrants(person, person.actor.userId)
  expect(formsTo('/revoke')).toHaveLength(2)
  expect([await countGrants(person, person.actor.userId), await countGrants(other, other.actor.userId)]).toEqual([0, 1])
  fake.ways.failing = 500
  await revokeGrants(other, other.actor.userId)
  expect(await countGrants(other, other.actor.userId)).toBe(0)
})
