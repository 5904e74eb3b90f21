import { once } from 'node:events'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { type Browser, cookieOf, openBrowser } from './cookie-jar.ts'
import { codeOf, makeKey } from './matrix-keys.ts'
import { startWorld, type World } from './world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
}, 60_000)
afterAll(() => world.stop())

let people = 0
async function signedIn(): Promise<Browser> {
  const browser = openBrowser(world, `cookie-${++people}@example.com`)
  const answer = await browser.signIn('register')
  expect(answer.status).toBe(201)
  return browser
}

const ORIGIN = () => world.vars.PUBLIC_URL ?? ''
const EVIL = 'https://evil.example'

test('a page that asks for cookies is given no token it could read, only one against forgery', async () => {
  const browser = openBrowser(world, `cookie-${++people}@example.com`)
  const answer = await browser.signIn('register')
  expect(answer.json).toEqual({
    tokenType: 'Cookie',
    expiresIn: 600,
    sessionId: expect.stringMatching(/^ses_/),
    csrfToken: expect.stringMatching(/^[\w-]{43}$/),
    user: expect.objectContaining({ displayName: 'Sam' }),
  })
  const set = answer.headers.getSetCookie()
  expect(set.map((line) => line.split('=')[0])).toEqual(['__Host-aurelius-access', '__Host-aurelius-refresh'])
  for (const line of set) {
    for (const attribute of ['HttpOnly', 'Secure', 'SameSite=Lax', 'Path=/'])
      expect(line.split('; ')).toContain(attribute)
    expect(line).not.toMatch(/domain/i)
    expect(answer.text).not.toContain(/=([^;]+)/.exec(line)?.[1])
  }
  const again = await browser.signIn()
  expect([again.status, again.headers.getSetCookie().length]).toEqual([200, 2])
})

test('without the header tokens are answered as ever, and no cookie is set', async () => {
  const person = await world.person()
  const answer = await world.call('POST', '/v1/auth/refresh', { body: { refreshToken: person.refreshToken } })
  expect(answer.json).toMatchObject({ tokenType: 'Bearer' })
  expect(answer.headers.getSetCookie()).toEqual([])
})

test('by cookie a person reads and, with the CSRF token and from an own page, changes: for no more trips than by token', async () => {
  const browser = await signedIn()
  const trips = ({ headers }: { headers: Headers }) => /trips=(\d+)/.exec(headers.get('server-timing') ?? '')?.[1]
  const read = await browser.send('GET', '/v1/me')
  expect([read.status, trips(read)]).toEqual([200, '1'])
  const change = (headers: Record<string, string>) =>
    browser.send('POST', '/v1/tasks', { body: { title: 'x' }, headers })
  const made = await change({})
  expect([made.status, trips(made)]).toEqual([201, '1'])
  expect(codeOf(await change({ 'x-csrf-token': '' }))).toBe('403 forbidden')
  expect(codeOf(await change({ 'x-csrf-token': (await signedIn()).csrfToken }))).toBe('403 forbidden')
  expect(codeOf(await change({ origin: EVIL }))).toBe('403 origin_refused')
  expect(codeOf(await change({ origin: 'null' }))).toBe('403 origin_refused')
  const cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
  const bare = await world.call('POST', '/v1/tasks', {
    body: { title: 'x' },
    headers: { cookie, 'x-csrf-token': browser.csrfToken },
  })
  expect(codeOf(bare)).toBe('403 origin_refused')
  expect((await browser.send('GET', '/v1/tasks')).json).toMatchObject({ items: [{ title: 'x' }] })
})

test('a cookie and Authorization at once are refused, whoever they are of', async () => {
  const browser = await signedIn()
  const person = await world.person()
  const key = await makeKey(person, { scopes: ['ai:read', 'profile:read'] })
  for (const token of [person.accessToken, key.secret, 'nonsense']) {
    const both = await browser.send('GET', '/v1/me', { token })
    expect(codeOf(both)).toBe('401 unauthorized')
    expect(both.json).toMatchObject({ detail: 'Send Authorization or the cookie, not both' })
  }
  const compat = await browser.send('GET', '/compat/anthropic/v1/models', { headers: { 'x-api-key': key.secret } })
  expect(compat.status).toBe(401)
})

test('a key in the cookie opens nothing', async () => {
  const key = await makeKey(await world.person(), { scopes: ['profile:read'] })
  const answer = await world.call('GET', '/v1/me', { headers: { cookie: cookieOf({ accessToken: key.secret }) } })
  expect(codeOf(answer)).toBe('401 invalid_token')
})

test('a browser renews by its cookie alone, and learns its CSRF token again; both tokens at once are refused', async () => {
  const browser = await signedIn()
  const { csrfToken } = browser
  const old = new Map(browser.cookies)
  browser.csrfToken = ''
  expect((await browser.renew()).json).toEqual({
    tokenType: 'Cookie',
    expiresIn: 600,
    sessionId: browser.sessionId,
    csrfToken,
  })
  expect(browser.cookies.get('__Host-aurelius-refresh')).not.toBe(old.get('__Host-aurelius-refresh'))
  expect((await browser.send('GET', '/v1/me')).status).toBe(200)
  const refreshToken = browser.cookies.get('__Host-aurelius-refresh') ?? ''
  const headers = { 'aurelius-session': 'cookie' }
  const both = await browser.send('POST', '/v1/auth/refresh', { body: { refreshToken }, headers })
  expect(codeOf(both)).toBe('401 unauthorized')
  // A page that does not ask for cookies does not use them either.
  expect(codeOf(await browser.send('POST', '/v1/auth/refresh', { body: {} }))).toBe('400 invalid_request')
  browser.cookies.clear()
  expect(codeOf(await browser.renew())).toBe('401 unauthorized')
})

test('a page of another origin is given, and renews, no cookie, and nothing is done for it', async () => {
  const browser = await signedIn()
  const count = async () => (await world.query('select count(*)::int as n from sessions'))[0]?.n
  const before = await count()
  for (const origin of [EVIL, 'null']) {
    const headers = { 'aurelius-session': 'cookie', origin }
    const body = { email: browser.email, password: 'correct horse battery staple' }
    const answers = [
      await browser.send('POST', '/v1/auth/login', { body, headers }),
      await browser.send('POST', '/v1/auth/refresh', { body: {}, headers }),
    ]
    expect(answers.map(codeOf)).toEqual(['400 invalid_request', '400 invalid_request'])
    for (const answer of answers) expect(answer.headers.getSetCookie()).toEqual([])
  }
  expect(await count()).toBe(before)
  expect((await browser.renew()).status).toBe(200)
})

test('a sign-in takes over no session that was in the browser before it', async () => {
  const [attacker, victim] = [await signedIn(), await signedIn()]
  const planted = new Map(attacker.cookies)
  for (const [name, value] of planted) victim.cookies.set(name, value)
  await victim.signIn()
  expect(victim.sessionId).not.toBe(attacker.sessionId)
  for (const [name, value] of planted) expect(victim.cookies.get(name)).not.toBe(value)
  const asked = async (browser: Browser) => JSON.parse((await browser.send('GET', '/v1/me')).text).email
  expect([await asked(attacker), await asked(victim)]).toEqual([attacker.email, victim.email])
})

test('logging out empties the browser, and what was in it opens nothing any more', async () => {
  const browser = await signedIn()
  const kept = new Map(browser.cookies)
  expect((await browser.send('POST', '/v1/auth/logout')).status).toBe(204)
  expect(browser.cookies.size).toBe(0)
  for (const [name, value] of kept) browser.cookies.set(name, value)
  expect(codeOf(await browser.send('GET', '/v1/me'))).toBe('401 session_ended')
  expect(codeOf(await browser.renew())).toBe('401 session_ended')
})

test('a ticket asked for by cookie opens a socket for that page', async () => {
  const browser = await signedIn()
  const { ticket } = JSON.parse((await browser.send('POST', '/v1/realtime/ticket')).text)
  const url = `${world.url.replace('http', 'ws')}/v1/realtime?ticket=${ticket}&topics=tasks`
  const socket = new WebSocket(url, { origin: ORIGIN() })
  const [data] = await once(socket, 'message')
  expect(JSON.parse(String(data))).toMatchObject({ type: 'welcome' })
  socket.terminate()
})

test('credentials are for allowed origins alone', async () => {
  const asked = { 'access-control-request-method': 'POST', 'access-control-request-headers': 'aurelius-session' }
  const ask = (origin: string) =>
    fetch(`${world.url}/v1/auth/login`, { method: 'OPTIONS', headers: { ...asked, origin } })
  const [own, evil] = [await ask(ORIGIN()), await ask(EVIL)]
  expect(own.headers.get('access-control-allow-credentials')).toBe('true')
  expect(own.headers.get('access-control-allow-origin')).toBe(ORIGIN())
  expect(own.headers.get('access-control-allow-headers')).toMatch(/Aurelius-Session.*X-CSRF-Token/)
  for (const name of ['credentials', 'origin', 'headers'])
    expect(evil.headers.get(`access-control-allow-${name}`)).toBeNull()
})

test('every answer that was seen here is one the document promises', () => {
  expect([...world.contract.drift].filter((found) => !found.includes('(undeclared)'))).toEqual([])
})
