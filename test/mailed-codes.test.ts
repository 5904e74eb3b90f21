import { createHash } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { newSigner } from './signing.ts'
import { type Answer, PASSWORD, startWorld, type World } from './world.ts'

const START_MS = 60_000
const MAIL_MS = 10_000
const LOOK_AGAIN_MS = 20

let world: World
beforeAll(async () => {
  world = await startWorld({ vars: { REGISTRATION: 'mailed', LOG_LEVEL: 'info' } })
}, START_MS)
afterAll(() => world.stop())

const address = () => `p${crypto.randomUUID()}@example.com`
const post = (path: string, body: object, token?: string) => world.call('POST', `/v1/auth/${path}`, { body, token })
const told = ({ status, text, headers }: Answer) => [status, text, headers.get('content-type')]

/** The newest mail of a kind to an address, once it is there. */
async function mailTo(email: string, kind: string) {
  const deadline = performance.now() + MAIL_MS
  for (;;) {
    const mail = world.mailbox.messages(email).find((one) => one.kind === kind)
    if (mail) return mail
    if (performance.now() > deadline) throw new Error(`no ${kind} came to ${email}`)
    await wait(LOOK_AGAIN_MS)
  }
}

async function linkTo(email: string, kind: string): Promise<URL> {
  const { text } = await mailTo(email, kind)
  return new URL(/http\S+confirm#\S+/.exec(text)?.[0] ?? '')
}
const codeOf = (link: URL) => link.hash.slice(link.hash.indexOf('=') + 1)

async function begin() {
  const email = address()
  await post('register', { email, password: PASSWORD, displayName: 'Sam' })
  const token = codeOf(await linkTo(email, 'verify_address'))
  const made = await post('register/confirm', { token, password: PASSWORD })
  return { email, made, accessToken: String(Object(made.json).accessToken) }
}

test('registered, confirmed, forgotten, reset and signed in by link: each by the mail that came', async () => {
  const { email, made, accessToken } = await begin()
  expect(made.status).toBe(201)
  expect(Object(made.json).user).toMatchObject({ email, emailVerified: true })

  expect((await post('password-reset', { email })).status).toBe(202)
  const token = codeOf(await linkTo(email, 'password_reset'))
  const password = 'another four words to keep'
  expect((await post('password-reset/confirm', { token, password })).status).toBe(204)
  expect((await world.call('GET', '/v1/me', { token: accessToken })).status).toBe(401)
  expect((await post('login', { email, password: PASSWORD })).status).toBe(401)
  expect((await post('login', { email, password })).status).toBe(200)
  await mailTo(email, 'account_changed')

  expect((await post('magic-link', { email })).status).toBe(202)
  const link = await post('magic-link/confirm', { token: codeOf(await linkTo(email, 'magic_link')) })
  expect(link.status).toBe(200)
  expect(Object(link.json).user).toMatchObject({ email })
})

test('an address that is known and one that is not are answered the same, whatever is asked', async () => {
  const { email } = await begin()
  const stranger = address()
  for (const [path, more] of [
    ['login', { password: 'not the right password' }],
    ['password-reset', {}],
    ['magic-link', {}],
    ['register', { password: PASSWORD, displayName: 'Sam' }],
  ] as const) {
    const [known, unknown] = [await post(path, { email, ...more }), await post(path, { email: stranger, ...more })]
    const plain = (answer: Answer) => JSON.stringify(told(answer)).replace(/req_\w+/g, '')
    expect(plain(known)).toBe(plain(unknown))
    expect([...known.headers.keys()]).toEqual([...unknown.headers.keys()])
  }
  await mailTo(email, 'account_exists')
})

test('a link holds its code in the fragment, which reaches no log; its page loads nothing and runs its own script alone', async () => {
  const email = address()
  await post('register', { email, password: PASSWORD, displayName: 'Sam' })
  const link = await linkTo(email, 'verify_address')
  expect(link.origin).toBe(world.vars.PUBLIC_URL)
  expect([link.pathname, link.search]).toEqual(['/v1/auth/confirm', ''])
  const page = await world.call('GET', link.pathname)
  const policy = page.headers.get('content-security-policy') ?? ''
  const hashOf = (tag: string) => {
    const content = new RegExp(`<${tag}>([^]*)</${tag}>`).exec(page.text)?.[1] ?? ''
    return `'sha256-${createHash('sha256').update(content).digest('base64')}'`
  }
  expect(policy).toContain(`script-src ${hashOf('script')};`)
  expect(policy).toContain(`style-src ${hashOf('style')};`)
  expect(policy).toContain("default-src 'none'")
  expect(page.headers.get('referrer-policy')).toBe('no-referrer')
  expect(page.text).not.toMatch(/<(?:link|img|iframe|base)\b|\bsrc=/)
  await post('register/confirm', { token: codeOf(link), password: PASSWORD })
  const logged = JSON.stringify(world.logs)
  expect(logged).toContain('/v1/auth/register/confirm')
  for (const secret of [codeOf(link), email, PASSWORD]) expect(logged).not.toContain(secret)
})

test('a guess at a code is refused, and more than sixty a minute from one network are not heard', async () => {
  const strict = await world.sabotaged([], { RATE_LIMIT_FACTOR: '1' })
  try {
    const body = { token: `ac_${'x'.repeat(43)}`, password: PASSWORD }
    const guess = () => strict.call('POST', '/v1/auth/verify-email/confirm', { body })
    const statuses: number[] = []
    for (let n = 0; n < 65; n++) statuses.push((await guess()).status)
    expect(statuses).toEqual([...Array(60).fill(401), ...Array(5).fill(429)])
  } finally {
    await strict.stop()
  }
})

test('whoever makes an API key or a signing key is written to, and the mail has no key in it', async () => {
  const { email, accessToken: token } = await begin()
  const body = { name: 'the backup', scopes: ['tasks:read'] }
  const key = await world.call('POST', '/v1/api-keys', { token, body })
  const { text } = await mailTo(email, 'key_created')
  expect(text).toContain('the backup')
  expect(text).toContain('tasks:read')
  expect(text).not.toContain(Object(key.json).secret)
  const publicKey = newSigner('ed25519').publicKey.export({ format: 'jwk' })
  await world.call('POST', '/v1/signing-keys', { token, body: { name: 'the laptop', publicKey } })
  expect((await mailTo(email, 'account_changed')).text).toContain('The signing key "the laptop" was added.')
})
