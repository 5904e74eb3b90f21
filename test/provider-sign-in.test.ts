import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type Providers, startProviders } from '../local/providers.ts'
import { begin, chooseAccount, createBrowser, exchange, locationOf, makeClient, RETURN_TO } from './sign-in-browser.ts'
import { type Person, startWorld, type World } from './world.ts'

type Name = 'google' | 'microsoft' | 'apple'
const PUBLIC_URL = 'https://aurelius.test'

let providers: Providers
let world: World
beforeAll(async () => {
  providers = await startProviders({ publicUrl: PUBLIC_URL })
  world = await startWorld({ vars: { ...providers.vars, PUBLIC_URL } })
}, 60_000)
afterAll(async () => {
  await world?.stop()
  await providers?.stop()
})

// The accounts are the same in every test.
beforeEach(async () => {
  await world.query('delete from identities')
  await world.query('delete from users where email = any($1::text[])', [`{${Object.values(providers.people)}}`])
  await world.query('delete from email_messages')
})

/** Goes all the way there and back; where the browser ends up. */
async function visit(start: URL, email: string) {
  const browser = createBrowser(world.call)
  const away = locationOf(await browser.send({ method: 'GET', url: start }))
  const answer = await browser.send(await chooseAccount(away, email))
  return { away, end: locationOf(answer), cookies: browser.cookies }
}

async function signIn(name: Name, more: object = {}) {
  const client = makeClient()
  const { url } = await begin(world.call, name, client)
  const visited = await visit(url, providers.people[name])
  const answer = await exchange(world.call, visited.end.searchParams.get('code'), client, more)
  return { ...visited, answer, json: JSON.parse(answer.text) }
}

async function link(person: Person, name: Name) {
  const { codeVerifier, codeChallenge } = makeClient()
  const body = { provider: name, returnTo: RETURN_TO, codeChallenge }
  const { url } = JSON.parse((await person.api('POST', '/v1/auth/identities/start', { body })).text)
  const { end } = await visit(new URL(url), providers.people[name])
  const sent = { code: end.searchParams.get('code'), codeVerifier }
  return { sent, answer: await person.api('POST', '/v1/auth/identities', { body: sent }) }
}

const mailsTo = async (email: string) => {
  await world.scheduled()
  return (await world.query('select kind from email_messages where to_address = $1 order by id', [email])).map(
    ({ kind }) => kind,
  )
}

test.each(['google', 'apple'] as const)('somebody new signs in with %s, and again', async (name) => {
  const email = providers.people[name]
  const first = await signIn(name, { timeZone: 'Europe/Berlin', locale: 'de-DE', deviceName: 'phone' })
  expect(first.answer.status).toBe(200)
  expect(first.end.href).toMatch(new RegExp(`^${RETURN_TO}\\?code=[\\w-]{43}$`))
  expect(first.json.user).toMatchObject({
    email,
    displayName: 'Sam Doe',
    preferences: { timeZone: 'Europe/Berlin', locale: 'de-DE' },
  })
  const again = await signIn(name)
  expect(again.json.user.id).toBe(first.json.user.id)
  expect(again.json.sessionId).not.toBe(first.json.sessionId)
  const token = again.json.accessToken
  const { json } = await world.call('GET', '/v1/auth/identities', { token })
  expect(json).toMatchObject({ items: [{ provider: name, email, lastUsedAt: expect.any(String) }] })
  const rows = await world.query(
    'select methods, email_verified_at is not null as verified from sessions s join users u on u.id = s.user_id where u.email = $1',
    [email],
  )
  expect(rows).toEqual(Array(2).fill({ methods: `{${name}}`, verified: true }))
  expect(await mailsTo(email)).toEqual(['welcome'])
})

test('what a browser is sent away with: PKCE, state and nonce, an address for each provider, a cookie of this host alone', async () => {
  const client = makeClient()
  const browser = createBrowser(world.call)
  const left = await browser.send(await begin(world.call, 'google', client))
  const asked = Object.fromEntries(locationOf(left).searchParams)
  expect(asked).toMatchObject({
    response_type: 'code',
    code_challenge_method: 'S256',
    code_challenge: expect.stringMatching(/^[\w-]{43}$/),
    redirect_uri: `${PUBLIC_URL}/v1/auth/providers/google/callback`,
    scope: 'openid email profile',
  })
  expect(new Set([asked['state'], asked['nonce'], asked['code_challenge'], client.codeChallenge]).size).toBe(4)
  expect(left.headers.get('set-cookie')).toMatch(
    /^__Host-aurelius-away=[\w-]{43}; Path=\/; Max-Age=600; HttpOnly; SameSite=None; Secure$/,
  )
  expect(left.headers.get('cache-control')).toBe('no-store')
  const apple = locationOf(await browser.send(await begin(world.call, 'apple', client)))
  expect(apple.searchParams.get('response_mode')).toBe('form_post')
  expect(apple.searchParams.get('redirect_uri')).toMatch(/\/apple\/callback$/)
  // Nothing of it is kept in the clear.
  const rows = JSON.stringify(await world.query('select * from sign_in_flows'))
  for (const secret of [asked['state'], asked['nonce'], ...browser.cookies.values()]) expect(rows).not.toContain(secret)
})

test("a new account of Microsoft's makes nobody, for it vouches for no address; linked, it signs in", async () => {
  const stranger = await signIn('microsoft')
  expect([stranger.answer.status, stranger.json.code]).toEqual([403, 'identity_unknown'])
  expect(await world.query("select 1 from users where email = 'sam@outlook.com'")).toEqual([])
  const person = await world.person()
  const { answer, sent } = await link(person, 'microsoft')
  expect([answer.status, answer.json]).toEqual([
    201,
    expect.objectContaining({ provider: 'microsoft', email: 'sam@outlook.com', lastUsedAt: null }),
  ])
  expect((await person.api('POST', '/v1/auth/identities', { body: sent })).status).toBe(410)
  const known = await signIn('microsoft')
  expect([known.answer.status, known.json.user.id]).toEqual([200, person.userId])
  expect(await mailsTo(person.email)).toContain('identity_linked')
})

test('an address that is taken is not linked by it: the person links it themselves, and unlinks it', async () => {
  const email = providers.people.google
  const registered = await world.call('POST', '/v1/auth/register', {
    body: { email, password: 'correct horse battery staple', displayName: 'Sam' },
  })
  const token = JSON.parse(registered.text).accessToken
  const person: Person = {
    ...(await world.person()),
    email,
    api: (method, path, options) => world.call(method, path, { ...options, token }),
  }
  const refused = await signIn('google')
  expect([refused.answer.status, refused.json.code]).toEqual([409, 'email_taken'])
  const linked = await link(person, 'google')
  expect(linked.answer.status).toBe(201)
  expect((await signIn('google')).answer.status).toBe(200)
  const another = await link(await world.person(), 'google')
  expect([another.answer.status, another.answer.text]).toEqual([409, expect.stringContaining('linked already')])
  expect((await link(person, 'google')).answer.text).toContain('linked already')
  const { id } = JSON.parse(linked.answer.text)
  expect((await person.api('DELETE', `/v1/auth/identities/${id}`)).status).toBe(204)
  expect((await person.api('GET', '/v1/auth/identities')).json).toEqual({ items: [] })
  expect((await signIn('google')).answer.status).toBe(409)
  expect(await mailsTo(email)).toEqual(['welcome', 'verify_address', 'identity_linked', 'identity_unlinked'])
})

test('the last way in stays, also when two are taken away at once', async () => {
  const { json } = await signIn('google')
  const api = (method: string, path: string, body?: object) =>
    world.call(method, path, { token: json.accessToken, ...(body && { body }) })
  const person: Person = { ...(await world.person()), api: (method, path, o) => api(method, path, Object(o?.body)) }
  const [google] = JSON.parse((await api('GET', '/v1/auth/identities')).text).items
  const last = await api('DELETE', `/v1/auth/identities/${google.id}`)
  expect([last.status, JSON.parse(last.text).code]).toEqual([409, 'last_way_in'])
  const apple = JSON.parse((await link(person, 'apple')).answer.text)
  const both = await Promise.all([google.id, apple.id].map((id) => api('DELETE', `/v1/auth/identities/${id}`)))
  expect(both.map(({ status }) => status).sort()).toEqual([204, 409])
  expect(JSON.parse((await api('GET', '/v1/auth/identities')).text).items).toHaveLength(1)
})

test('linking and unlinking ask for a fresh sign-in, and the session that began', async () => {
  const [owner, other] = await world.people(2)
  if (!owner || !other) throw new Error('nobody was made')
  const { codeChallenge, codeVerifier } = makeClient()
  const body = { provider: 'google', returnTo: RETURN_TO, codeChallenge }
  const hour = Math.floor(Date.now() / 1000) - 3600
  const stale = await world.token(owner.userId, owner.sessionId, { claims: { auth_time: hour } })
  for (const [method, path, sent] of [
    ['POST', '/v1/auth/identities/start', body],
    ['DELETE', '/v1/auth/identities/idt_01jd6w3k9q0123456789abcdef', undefined],
  ] as const) {
    const answer = await world.call(method, path, { token: stale, body: sent })
    expect([answer.status, JSON.parse(answer.text).code]).toEqual([401, 'step_up_required'])
  }
  const { url } = JSON.parse((await owner.api('POST', '/v1/auth/identities/start', { body })).text)
  const { end } = await visit(new URL(url), providers.people.google)
  const code = end.searchParams.get('code')
  // Of whoever links nobody makes a sign-in, and nobody else a link.
  expect((await exchange(world.call, code, { codeChallenge, codeVerifier })).status).toBe(410)
  const link = { body: { code, codeVerifier } }
  expect((await other.api('POST', '/v1/auth/identities', link)).status).toBe(410)
  const elsewhere = await world.query(
    `insert into sessions (id, user_id, device_name, user_agent, address, expires_at)
     select 'ses_01jd6w3k9q0123456789abcdef', user_id, 'x', 'x', 'x', expires_at from sessions where id = $1 returning id`,
    [owner.sessionId],
  )
  const sibling = await world.token(owner.userId, String(elsewhere[0]?.id))
  expect((await world.call('POST', '/v1/auth/identities', { ...link, token: sibling })).status).toBe(410)
  expect((await owner.api('POST', '/v1/auth/identities', link)).status).toBe(201)
  await owner.api('POST', '/v1/auth/logout')
  expect((await owner.api('POST', '/v1/auth/identities', link)).status).toBe(401)
})

test('the health page says who signs in; without settings a provider is off', async () => {
  const signInOf = async (at: World) =>
    JSON.parse((await at.call('GET', '/health/ready')).text).dependencies.find(
      ({ name }: { name: string }) => name === 'signIn',
    )
  expect(await signInOf(world)).toMatchObject({ status: 'ok', provider: 'google, microsoft, apple' })
  const off = await world.sabotaged([], { GOOGLE_CLIENT_ID: '', MICROSOFT_CLIENT_ID: '', APPLE_CLIENT_ID: '' })
  try {
    expect(await signInOf(off)).toMatchObject({ status: 'off', provider: 'none' })
    const body = { returnTo: RETURN_TO, codeChallenge: makeClient().codeChallenge }
    const answer = await off.call('POST', '/v1/auth/providers/google/start', { body })
    expect([answer.status, JSON.parse(answer.text).code]).toEqual([404, 'provider_off'])
  } finally {
    await off.stop()
  }
})

test('every answer was as the document says', () => {
  expect([...world.contract.drift]).toEqual([])
})
