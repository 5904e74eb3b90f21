import { setTimeout as wait } from 'node:timers/promises'
import { type Browser, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { PASSWORD, startWorld, type World } from '../world.ts'

const START_MS = 60_000
const FLOW_MS = 60_000
const MAIL_MS = 10_000
const LOOK_AGAIN_MS = 20
const OTHER = 'another four words to keep'

let world: World
let browser: Browser
beforeAll(async () => {
  world = await startWorld({ vars: { REGISTRATION: 'mailed' } })
  browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] })
}, START_MS)
afterAll(async () => {
  await browser?.close()
  await world?.stop()
})

const post = (path: string, body: object) => world.call('POST', `/v1/auth/${path}`, { body })

async function linkTo(email: string, kind: string): Promise<URL> {
  const deadline = performance.now() + MAIL_MS
  for (;;) {
    const mail = world.mailbox.messages(email).find((one) => one.kind === kind)
    if (mail) return new URL(/http\S+confirm#\S+/.exec(mail.text)?.[0] ?? '')
    if (performance.now() > deadline) throw new Error(`no ${kind} came`)
    await wait(LOOK_AGAIN_MS)
  }
}

async function open(page: Page, { pathname, hash }: Pick<URL, 'pathname' | 'hash'>) {
  await page.goto('about:blank')
  await page.goto(world.url + pathname + hash)
}

/** Presses the button and waits for these words. */
async function press(page: Page, password: string | undefined, said: string) {
  if (password !== undefined) await page.fill('#password', password)
  await page.click('#press')
  await page.getByText(said).waitFor()
}

test(
  'a person with a browser and their mail begins, resets and signs in by the links alone',
  async () => {
    const email = `p${crypto.randomUUID()}@example.com`
    const page = await browser.newPage()
    const problems: string[] = []
    page.on('pageerror', ({ message }) => problems.push(message))

    await post('register', { email, password: PASSWORD, displayName: 'Sam' })
    const link = await linkTo(email, 'verify_address')
    await open(page, link)
    expect(await page.title()).toBe('Begin your account')
    expect(page.url()).toBe(world.url + link.pathname)
    await press(page, 'not what was chosen', 'This is not the password that was chosen')
    await press(page, PASSWORD, 'Your account is ready: you can sign in.')
    await open(page, link)
    await press(page, PASSWORD, 'This link was used')

    await post('password-reset', { email })
    await open(page, await linkTo(email, 'password_reset'))
    await press(page, 'fourteen chars', 'The password must have at least 15 characters')
    await press(page, OTHER, 'Done: sign in with it now.')
    expect((await post('login', { email, password: OTHER })).status).toBe(200)

    await post('magic-link', { email })
    await open(page, await linkTo(email, 'magic_link'))
    expect(await page.locator('#password').isVisible()).toBe(false)
    await press(page, undefined, 'Signed in.')
    expect(JSON.parse((await page.textContent('#answer')) ?? '')).toMatchObject({ user: { email } })

    await open(page, { pathname: link.pathname, hash: '#verify' })
    await page.getByText('This is not a whole link').waitFor()
    expect(problems).toEqual([])
  },
  FLOW_MS,
)
