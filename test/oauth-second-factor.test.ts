import { afterAll, beforeAll, expect, test } from 'vitest'
import { confirmedApp } from './matrix-factors.ts'
import { authorizeUrl, ISSUER, makePkce, openBrowser, registerApp } from './oauth-browser.ts'
import { startWorld, type World } from './world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld({ vars: { PUBLIC_URL: ISSUER } })
}, 60_000)
afterAll(() => world.stop())

/** A person with an authenticator app, whose password was right. */
async function atCode() {
  const person = await world.person()
  const factor = await confirmedApp(person)
  const [browser, clientId] = [openBrowser(world), await registerApp(world)]
  const first = await browser.open(authorizeUrl(clientId, makePkce()))
  const asked = await browser.signIn(first.text, person.email)
  const hidden = (name: string) => new RegExp(`name="${name}" value="([^"]*)"`).exec(asked.text)?.[1] ?? ''
  const show = (code: string) =>
    browser.go('POST', '/oauth/sign-in', [
      ['request', hidden('request')],
      ['challenge', hidden('challenge')],
      ['code', code],
    ])
  return { person, browser, asked, show, ...factor }
}

test('a right password asks for the second factor; without it nothing is asked of the person and nobody is signed in', async () => {
  const { browser, asked, show, next, person } = await atCode()
  expect([asked.status, asked.text]).toEqual([200, expect.stringContaining('one-time-code')])
  expect((await browser.go('GET', '/oauth/consent')).status).toBe(400)
  const wrong = await show('no code')
  expect([wrong.status, wrong.text]).toEqual([401, expect.stringContaining('role="alert"')])
  const { items } = Object((await person.api('GET', '/v1/auth/sessions')).json)
  expect(items).toHaveLength(1)
  const right = await show(next())
  expect([right.status, right.location]).toEqual([303, '/oauth/consent'])
  const page = await browser.go('GET', '/oauth/consent')
  expect(new URL((await browser.answer(page.text)).location).searchParams.get('code')).toMatch(/^oac_/)
})

test('a recovery code does as well; a challenge tried too often begins at the password again', async () => {
  const one = await atCode()
  expect((await one.show(one.codes[0] ?? '')).status).toBe(303)
  const other = await atCode()
  for (let n = 0; n < 5; n++) expect((await other.show('000000')).status).toBe(401)
  const spent = await other.show(other.next())
  expect([spent.status, spent.text]).toEqual([401, expect.stringContaining('name="password"')])
})
