import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Browser, chromium } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makePkce, postForm, registerApp } from '../oauth-browser.ts'
import { PASSWORD, startWorld, type World } from '../world.ts'

const ORIGIN = 'http://aurelius.test'

let world: World
let browser: Browser
const calls: string[] = []
// An app on the person's own machine, which a redirect leads to.
const app = createServer((request, response) => {
  if (request.url?.startsWith('/callback')) calls.push(request.url)
  response.end('You may close this.')
})
beforeAll(async () => {
  await new Promise<void>((resolve) => void app.listen(0, '127.0.0.1', resolve))
  world = await startWorld({ vars: { PUBLIC_URL: ORIGIN } })
  const here = `MAP aurelius.test:80 ${new URL(world.url).host}`
  const args = ['--no-sandbox', `--host-resolver-rules=${here}`]
  browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args })
}, 60_000)
afterAll(async () => {
  await browser?.close()
  await world?.stop()
  app.close()
})

test('in Chromium a person signs in by keyboard, unticks a scope, and the code reaches the app on their machine', async () => {
  const person = await world.person()
  const clientId = await registerApp(world, { redirect_uris: ['http://127.0.0.1/callback'] })
  const redirectUri = `http://127.0.0.1:${(app.address() as AddressInfo).port}/callback`
  const pkce = makePkce()
  const query = {
    response_type: 'code',
    client_id: clientId,
    redirect_uri: redirectUri,
    state: 'here',
    scope: 'tasks:read tasks:write',
    code_challenge: pkce.challenge,
    code_challenge_method: 'S256',
  }
  const page = await browser.newPage()
  const refusals: string[] = []
  page.on('console', (message) => refusals.push(message.text()))
  await page.goto(`${ORIGIN}/oauth/authorize?${new URLSearchParams(query)}`)
  await page.getByLabel('E-mail address').fill(person.email)
  await page.getByLabel('Password').fill(PASSWORD)
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: 'Allow access?' }).waitFor()
  expect(page.url()).toBe(`${ORIGIN}/oauth/consent`)
  await page.getByLabel('Add, change, complete and delete your tasks').uncheck()
  await page.getByRole('button', { name: 'Allow', exact: true }).click()
  await page.getByText('You may close this.').waitFor()
  const told = new URL(page.url())
  expect(Object.fromEntries(told.searchParams)).toMatchObject({ state: 'here', iss: ORIGIN })
  expect(calls).toHaveLength(1)
  const { status, said } = await postForm(world, '/oauth/token', {
    grant_type: 'authorization_code',
    client_id: clientId,
    code: told.searchParams.get('code') ?? '',
    redirect_uri: redirectUri,
    code_verifier: pkce.verifier,
  })
  expect([status, said.scope]).toEqual([200, 'tasks:read'])
  expect(refusals).toEqual([])
  await page.close()
})
