import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type Browser, type CDPSession, chromium, type Page } from 'playwright-core'
import { type Answer, type Person, startWorld, type World } from '../world.ts'

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking']
// A name of this machine that WebAuthn takes; nobody listens there, the browser is answered by this program.
const PAGE = 'http://localhost:4180'
const CLIENT = join(import.meta.dirname, '../../node_modules/@simplewebauthn/browser/dist/bundle/index.umd.min.js')

type Authenticator = { cdp: CDPSession; authenticatorId: string }

const read = (answer: Answer, status: number) => {
  if (answer.status !== status) throw new Error(`answered ${answer.status}, not ${status}: ${answer.text}`)
  return answer.text === '' ? {} : JSON.parse(answer.text)
}
const check = (what: string, holds: boolean) => {
  if (!holds) throw new Error(`not so: ${what}`)
  console.log(`✓ ${what}`)
}

async function openPage(browser: Browser): Promise<Page> {
  const page = await browser.newPage()
  const html = '<!doctype html><title>Passkeys</title>'
  await page.route(`${PAGE}/**`, (route) => route.fulfill({ contentType: 'text/html', body: html }))
  await page.goto(`${PAGE}/`)
  await page.addScriptTag({ path: CLIENT })
  return page
}

/** A phone, as the browser sees it: it keeps passkeys, and knows its person by a finger. */
async function plugIn(page: Page): Promise<Authenticator> {
  const cdp = await page.context().newCDPSession(page)
  await cdp.send('WebAuthn.enable')
  const options = {
    protocol: 'ctap2' as const,
    transport: 'internal' as const,
    hasResidentKey: true,
    hasUserVerification: true,
    isUserVerified: true,
    automaticPresenceSimulation: true,
  }
  const { authenticatorId } = await cdp.send('WebAuthn.addVirtualAuthenticator', { options })
  return { cdp, authenticatorId }
}

/** Runs the client's own library in the page; a refusal of the browser's is its name. */
const ceremony = (page: Page, verb: 'startRegistration' | 'startAuthentication', optionsJSON: unknown) =>
  page.evaluate(
    async ([name, options]) => {
      const client = Reflect.get(globalThis, 'SimpleWebAuthnBrowser')
      try {
        return { response: await client[name]({ optionsJSON: options }) }
      } catch (error) {
        return { refused: String(error instanceof Error ? error.name : error) }
      }
    },
    [verb, optionsJSON] as const,
  )

async function signIn(world: World, page: Page): Promise<Answer> {
  const options = read(await world.call('POST', '/v1/auth/passkeys/sign-in/options'), 200)
  const { response } = await ceremony(page, 'startAuthentication', options)
  return await world.call('POST', '/v1/auth/passkeys/sign-in', { body: { response, deviceName: 'Chromium' } })
}

async function tryPasskeys(world: World, page: Page, { cdp, authenticatorId }: Authenticator, person: Person) {
  const offer = async () => read(await person.api('POST', '/v1/auth/passkeys/options'), 200)
  const { response } = await ceremony(page, 'startRegistration', await offer())
  const body = { response, name: 'Chromium' }
  const passkey = read(await person.api('POST', '/v1/auth/passkeys', { body }), 201)
  const { credentials } = await cdp.send('WebAuthn.getCredentials', { authenticatorId })
  check(
    'the browser made a passkey and keeps it',
    credentials.length === 1 && credentials[0]?.isResidentCredential === true,
  )
  check(
    'its handle is not the address',
    !Buffer.from(credentials[0]?.userHandle ?? '', 'base64')
      .toString()
      .includes('@'),
  )

  const again = await ceremony(page, 'startRegistration', await offer())
  check(
    `a second one on the same device is refused by the browser (${again.refused})`,
    again.refused === 'InvalidStateError',
  )

  const signedIn = read(await signIn(world, page), 200)
  check('it signs in without a name', signedIn.user.id === person.userId)
  const me = await world.call('GET', '/v1/me', { token: signedIn.accessToken })
  check('the session it opened is good', me.status === 200)
  check('the browser counts its uses, and the second is taken too', (await signIn(world, page)).status === 200)

  await cdp.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: false })
  const options = read(await world.call('POST', '/v1/auth/passkeys/sign-in/options'), 200)
  const stranger = await ceremony(page, 'startAuthentication', options)
  check(`another's finger is refused (${stranger.refused})`, stranger.refused === 'NotAllowedError')
  await cdp.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: true })

  const path = `/v1/auth/passkeys/${passkey.id}`
  const renamed = read(await person.api('PATCH', path, { body: { name: 'Key ring' } }), 200)
  check('it is renamed', renamed.name === 'Key ring' && renamed.lastUsedAt !== null)
  check('it is removed', (await person.api('DELETE', path)).status === 204)
  check('and signs nobody in any more', (await signIn(world, page)).status === 401)
}

const executablePath = CHROMIUM.find(existsSync)
if (!executablePath) {
  console.error(`This needs Chromium at ${CHROMIUM.join(' or ')}; on Debian: apt-get install chromium`)
  process.exit(1)
}
const world = await startWorld({ vars: { PASSKEY_RP_ID: 'localhost', PASSKEY_ORIGINS: PAGE } })
try {
  const browser = await chromium.launch({ executablePath, args: FLAGS })
  try {
    console.log(`Chromium ${browser.version()}`)
    const page = await openPage(browser)
    await tryPasskeys(world, page, await plugIn(page), await world.person())
  } finally {
    await browser.close()
  }
} finally {
  await world.stop()
}
