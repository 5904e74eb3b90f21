import { afterAll, beforeAll, expect, test } from 'vitest'
import { authorizeUrl, ISSUER, makePkce, openBrowser, registerApp } from './oauth-browser.ts'
import { startWorld, type World } from './world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld({ vars: { PUBLIC_URL: ISSUER } })
}, 60_000)
afterAll(() => world.stop())

/** A person at the question, in a browser of their own. */
async function atConsent(over: Record<string, string | null> = {}, metadata: object = {}) {
  const [person, clientId] = [await world.person(), await registerApp(world, metadata)]
  const browser = openBrowser(world)
  const first = await browser.open(authorizeUrl(clientId, makePkce(), over))
  const signedIn = await browser.signIn(first.text, person.email)
  return { person, clientId, browser, first, signedIn, page: await browser.go('GET', signedIn.location) }
}

test('signing in leads by 303 to a page that says who asks, where it is, and for what in words', async () => {
  const { person, browser, first, signedIn, page } = await atConsent({}, { client_name: '<b>Planner</b> & "co"' })
  expect([signedIn.status, signedIn.location]).toEqual([303, '/oauth/consent'])
  expect(page.text).toContain('&lt;b&gt;Planner&lt;/b&gt; &amp; &quot;co&quot;')
  expect(page.text).toContain('<strong>app.example</strong>')
  expect(page.text).toContain(person.email)
  expect(page.text).toContain('Add, change, complete and delete your tasks')
  const { status, location } = await browser.answer(page.text)
  const told = Object.fromEntries(new URL(location).searchParams)
  expect(status).toBe(303)
  expect(told).toEqual({ code: expect.stringMatching(/^oac_[\w-]{43}$/), state: 'the state', iss: ISSUER })
  expect(browser.jar.size).toBe(0)
  // Once: neither page goes on from there, with what the browser held or with what it holds.
  expect((await browser.answer(page.text)).status).toBe(400)
  expect((await browser.signIn(first.text, person.email)).status).toBe(400)
})

test('no page runs anything, is framed, leads elsewhere by its form or stays in a cache', async () => {
  const { browser, first, page } = await atConsent()
  const problem = await browser.go('GET', '/oauth/authorize')
  for (const [{ headers, text }, target] of [
    [first, "'self'"],
    [page, "'self' https://app.example"],
    [problem, "'self'"],
  ] as const) {
    const policy = headers.get('content-security-policy') ?? ''
    expect(policy).toMatch(/^default-src 'none'; style-src 'sha256-[\w+/]{43}='; form-action /)
    expect(policy).toContain(`form-action ${target}; frame-ancestors 'none'; base-uri 'none'`)
    expect(headers.get('x-frame-options')).toBe('DENY')
    expect(headers.get('cache-control')).toBe('no-store')
    expect(headers.get('referrer-policy')).toBe('same-origin')
    expect(text).not.toMatch(/<script|javascript:| on\w+=/i)
  }
  const cookie = first.headers.getSetCookie().join()
  expect(cookie).toMatch(/^__Host-aurelius_oauth=[\w-]{43}; Max-Age=600; Path=\/; HttpOnly; Secure; SameSite=Strict$/)
})

test('who says no, or leaves nothing ticked, gives no code, and is signed in nowhere', async () => {
  for (const say of [
    ['deny', undefined],
    ['allow', []],
  ] as const) {
    const { person, browser, page } = await atConsent()
    const { location } = await browser.answer(page.text, say[0], say[1] && [...say[1]])
    expect(Object.fromEntries(new URL(location).searchParams)).toMatchObject({ error: 'access_denied', iss: ISSUER })
    expect(location).not.toContain('code=')
    const { items } = Object((await person.api('GET', '/v1/auth/sessions')).json)
    expect(items).toHaveLength(1)
  }
})

test('a person gives what they left ticked, and nothing that was not asked', async () => {
  const { person, clientId, browser, page } = await atConsent()
  await browser.answer(page.text, 'allow', ['tasks:read', 'memories:read'])
  const rows = await world.query('select scopes, user_id from oauth_grants where client_id = $1', [clientId])
  expect(rows).toMatchObject([{ user_id: person.userId }])
  expect(String(rows[0]?.scopes).replace(/[{}]/g, '')).toBe('tasks:read')
})

test('a wrong password is said on the page, and the right one then works; an address nobody has says the same', async () => {
  const [person, clientId] = [await world.person(), await registerApp(world)]
  const browser = openBrowser(world)
  const first = await browser.open(authorizeUrl(clientId, makePkce()))
  const wrong = await browser.signIn(first.text, person.email, 'wrong')
  const nobody = await browser.signIn(wrong.text, 'nobody@example.com')
  const noAddress = await browser.signIn(wrong.text, 'no address')
  expect([wrong.status, nobody.status, noAddress.status]).toEqual([401, 401, 401])
  expect(wrong.text).toContain('role="alert">The address or the password is wrong')
  for (const { text } of [nobody, noAddress]) expect(text).toBe(wrong.text)
  expect((await browser.signIn(noAddress.text, person.email)).status).toBe(303)
})

test('a form that another page sends is refused, and so is one that no browser would', async () => {
  const { browser, page } = await atConsent()
  const id = /name="request" value="([^"]+)"/.exec(page.text)?.[1] ?? ''
  const form: [string, string][] = [
    ['request', id],
    ['scope', 'tasks:read'],
    ['decision', 'allow'],
  ]
  for (const origin of ['https://evil.example', 'null', 'http://aurelius.test', '']) {
    const { status, location } = await browser.go('POST', '/oauth/consent', form, { origin })
    expect([origin, status, location]).toEqual([origin, 400, ''])
  }
  expect((await browser.go('POST', '/oauth/consent', form)).status).toBe(303)
})

test('what one browser began no other one finishes, and two requests of one browser are not mixed', async () => {
  const [mine, theirs] = [await atConsent(), await atConsent()]
  const before = await openBrowser(world).answer(mine.page.text)
  expect([before.status, before.location]).toEqual([400, ''])
  const mixed = await theirs.browser.answer(mine.page.text)
  expect([mixed.status, mixed.location]).toEqual([400, ''])
  // The page of an older request of the same browser, after a newer one began.
  const later = await mine.browser.open(authorizeUrl(mine.clientId, makePkce()))
  expect((await mine.browser.answer(mine.page.text)).status).toBe(400)
  expect((await mine.browser.go('GET', '/oauth/consent')).status).toBe(400)
  expect((await mine.browser.answer(later.text)).status).toBe(400)
  expect((await theirs.browser.answer(theirs.page.text)).status).toBe(303)
})

test('what a browser held before the sign-in is worth nothing after it', async () => {
  const [person, clientId] = [await world.person(), await registerApp(world)]
  const browser = openBrowser(world)
  const first = await browser.open(authorizeUrl(clientId, makePkce()))
  const planted = new Map(browser.jar)
  const signedIn = await browser.signIn(first.text, person.email)
  const page = await browser.go('GET', signedIn.location)
  const intruder = openBrowser(world)
  for (const [name, value] of planted) intruder.jar.set(name, value)
  expect((await intruder.go('GET', '/oauth/consent')).status).toBe(400)
  expect((await intruder.answer(page.text)).status).toBe(400)
})

test('after ten minutes nothing goes on; cron ends what was left lying and forgets apps that nobody used', async () => {
  const { person, clientId, browser, page } = await atConsent()
  const unclaimed = await atConsent()
  await unclaimed.browser.answer(unclaimed.page.text)
  await world.query(`update oauth_requests set expires_at = now() - interval '2 minutes' where client_id = $1`, [
    clientId,
  ])
  await world.query(`update oauth_grants set code_expires_at = now() - interval '2 minutes' where client_id = $1`, [
    unclaimed.clientId,
  ])
  expect((await browser.answer(page.text)).status).toBe(400)
  const idle = await registerApp(world)
  await world.query(`update oauth_clients set used_at = now() - interval '31 days' where id = $1`, [idle])
  await world.scheduled()
  for (const one of [person, unclaimed.person]) {
    const { items } = Object((await one.api('GET', '/v1/auth/sessions')).json)
    expect(items).toHaveLength(1)
  }
  const left = await world.query('select id from oauth_clients where id = any($1)', [[idle, clientId]])
  expect(left.map(({ id }) => id)).toEqual([clientId])
})
