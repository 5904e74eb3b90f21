import { afterAll, beforeAll, expect, test } from 'vitest'
import { testCtx } from '#test/database'
import { startSendGrid } from '#test/sendgrid-fake'
import { sendByCloudflare } from './cloudflare.ts'
import type { Mail } from './message.ts'
import { mailHealth } from './provider.ts'
import { sendBySendGrid } from './sendgrid.ts'

const FROM = { from: 'hello@aurelius.example.com', fromName: 'Aurelius' }
const MAIL: Mail = {
  id: 'eml_01jd6w3k9q0123456789abcdef',
  to: 'sam@example.com',
  kind: 'password_reset',
  subject: 'Gr\u00fc\u00dfe',
  html: '<p>Hello</p>',
  text: 'Hello',
  headers: { 'Auto-Submitted': 'auto-generated', 'X-Auto-Response-Suppress': 'All' },
}

let fake: Awaited<ReturnType<typeof startSendGrid>>
beforeAll(async () => {
  fake = await startSendGrid()
})
afterAll(() => fake.stop())

const settings = () => ({ ...FROM, provider: 'sendgrid' as const, apiKey: fake.apiKey, baseUrl: fake.url })

test('SendGrid takes what we send: our id in it, and nothing of it tracked', async () => {
  const outcome = await sendBySendGrid(settings(), MAIL)
  expect(outcome).toEqual({ kind: 'sent', providerId: expect.stringMatching(/^[\w-]{10,}$/) })
  expect(fake.accepted.at(-1)).toMatchObject({
    personalizations: [{ to: [{ email: MAIL.to }], custom_args: { email_id: MAIL.id } }],
    from: { email: FROM.from, name: FROM.fromName },
    subject: MAIL.subject,
    content: [{ type: 'text/plain' }, { type: 'text/html' }],
    categories: ['password_reset'],
    tracking_settings: { click_tracking: { enable: false, enable_text: false }, open_tracking: { enable: false } },
  })
})

test('what SendGrid will never take is refused for good, and says which field, not whose address', async () => {
  const outcome = await sendBySendGrid(settings(), { ...MAIL, to: 'eve at example.com' })
  expect(outcome).toEqual({ kind: 'refused', reason: 'sendgrid 400 personalizations.0.to.0.email' })
})

test.each([
  [{ status: 429, headers: { 'retry-after': '17' } }, 17],
  [{ status: 429 }, undefined],
  [{ status: 503, headers: { 'retry-after': '99999' } }, 600],
  [{ status: 500 }, undefined],
  [{ status: 403 }, undefined],
])('%j is another time, after as long as it asks for', async (failure, retryAfterS) => {
  fake.fail(failure)
  const wait = retryAfterS === undefined ? {} : { retryAfterS }
  expect(await sendBySendGrid(settings(), MAIL)).toEqual({
    kind: 'later',
    reason: `sendgrid ${failure.status}`,
    ...wait,
  })
})

test('a wrong key keeps the mail for when it is mended', async () => {
  expect(await sendBySendGrid({ ...settings(), apiKey: 'SG.other' }, MAIL)).toMatchObject({ kind: 'later' })
})

test('an answer that was lost is neither a success nor a failure', async () => {
  const before = fake.accepted.length
  fake.fail('break')
  expect(await sendBySendGrid(settings(), MAIL)).toMatchObject({ kind: 'unknown' })
  expect(fake.accepted).toHaveLength(before + 1)
})

test.each<[string, (body: Record<string, unknown>) => object]>([
  ['the plain part after the HTML', (body) => ({ content: [...(body['content'] as unknown[])].reverse() })],
  ['a reserved header', () => ({ headers: { 'Reply-To': 'x' } })],
  ['nobody to send to', () => ({ personalizations: [{ to: [] }] })],
  ['an argument that is no text', () => ({ custom_args: { n: 1 } })],
  ['a field it does not know', () => ({ sender: 'x' })],
  [
    'a thousand and one people',
    () => ({ personalizations: [{ to: Array.from({ length: 1001 }, (_, n) => ({ email: `a${n}@example.com` })) }] }),
  ],
])('the fake refuses %s, as SendGrid does', async (_, change) => {
  await sendBySendGrid(settings(), MAIL)
  const good = fake.accepted.at(-1) ?? {}
  const send = (body: object) =>
    fetch(`${fake.url}/v3/mail/send`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${fake.apiKey}` },
      body: JSON.stringify(body),
    })
  expect((await send(good)).status).toBe(202)
  expect((await send({ ...good, ...change(good) })).status).toBe(400)
})

test('the binding of Cloudflare is given fields, and no header it would refuse', async () => {
  const sent: object[] = []
  const send = async (message: object) => {
    sent.push(message)
    return { messageId: 'cf-1' }
  }
  expect(await sendByCloudflare({ send }, FROM, MAIL)).toEqual({ kind: 'sent', providerId: 'cf-1' })
  const { to, subject, html, text } = MAIL
  const headers = { 'X-Auto-Response-Suppress': 'All' }
  expect(sent).toEqual([{ to, subject, html, text, headers, from: { email: FROM.from, name: FROM.fromName } }])
})

test.each([
  ['E_RECIPIENT_SUPPRESSED', 'refused'],
  ['E_VALIDATION_ERROR', 'refused'],
  ['E_RATE_LIMIT_EXCEEDED', 'later'],
  ['E_SENDER_NOT_VERIFIED', 'later'],
  ['E_INTERNAL_SERVER_ERROR', 'unknown'],
  ['sam@example.com was refused', 'unknown'],
])('the code %s of Cloudflare is %s, and quotes nobody', async (code, kind) => {
  const send = () => Promise.reject(Object.assign(new Error('sam@example.com'), { code }))
  const outcome = await sendByCloudflare({ send }, FROM, MAIL)
  expect(outcome.kind).toBe(kind)
  expect(JSON.stringify(outcome)).not.toContain('@')
})

test('a deployment says what sends its mail, and that nothing does', async () => {
  const { config } = testCtx()
  const none = {} as Env
  expect(mailHealth({ config, env: none })).toMatchObject({ status: 'off', provider: 'none' })
  const cloudflare = { ...config, mail: { ...FROM, provider: 'cloudflare' as const } }
  expect(mailHealth({ config: cloudflare, env: none })).toMatchObject({ status: 'down' })
  expect(await sendByCloudflare(undefined, FROM, MAIL)).toMatchObject({ kind: 'later' })
  expect(mailHealth({ config: { ...config, mail: settings() }, env: none })).toMatchObject({ status: 'ok' })
})

test('whom an answer goes to is told to each of them', async () => {
  const mail: Mail = { ...MAIL, kind: 'letter', replyTo: 'sam@example.org' }
  await sendBySendGrid(settings(), mail)
  expect(fake.accepted.at(-1)).toMatchObject({ reply_to: { email: 'sam@example.org' } })
  const sent: object[] = []
  const send = async (message: object) => ({ messageId: String(sent.push(message)) })
  await sendByCloudflare({ send }, FROM, mail)
  expect(sent).toMatchObject([{ replyTo: 'sam@example.org' }])
})
