import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { type Mailbox, startMailbox } from './mailbox.ts'

const open: Mailbox[] = []
const folders: string[] = []
afterEach(async () => {
  await Promise.all(open.splice(0).map((mailbox) => mailbox.stop()))
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true })
})

async function start(options?: Parameters<typeof startMailbox>[0]): Promise<Mailbox> {
  const mailbox = await startMailbox(options)
  open.push(mailbox)
  return mailbox
}

function file(): string {
  const folder = mkdtempSync(join(tmpdir(), 'aurelius-mailbox-'))
  folders.push(folder)
  return join(folder, 'mailbox.json')
}

const mail = (id: string, over: object = {}) => ({
  id,
  from: 'aurelius@localhost.invalid',
  to: 'sam@example.com',
  kind: 'welcome',
  subject: 'Hello',
  text: 'Hello',
  html: '<p>Hello</p>',
  headers: {},
  ...over,
})

const post = ({ url }: Mailbox, body: unknown, type = 'application/json') =>
  fetch(`${url}/messages`, { method: 'POST', headers: { 'content-type': type }, body: JSON.stringify(body) })
const get = async ({ url }: Mailbox, path: string) => {
  const answer = await fetch(url + path)
  return { answer, text: await answer.text(), csp: answer.headers.get('content-security-policy') ?? '' }
}

test('what was sent to one address is read as JSON, newest first, in any letter case', async () => {
  const mailbox = await start()
  expect((await post(mailbox, mail('eml_1'))).status).toBe(201)
  await post(mailbox, mail('eml_2', { to: 'eve@example.com' }))
  await post(mailbox, mail('eml_3', { subject: 'Again' }))
  const { items } = JSON.parse((await get(mailbox, '/messages?to=SAM@example.com')).text)
  expect(items.map(({ id }: { id: string }) => id)).toEqual(['eml_3', 'eml_1'])
  expect(items[1]).toMatchObject({ ...mail('eml_1'), at: expect.stringMatching(/^\d{4}-.*Z$/) })
  expect(JSON.parse((await get(mailbox, '/messages')).text).items).toHaveLength(3)
})

test('it outlives its process, readable by its owner alone, and keeps the last two hundred', async () => {
  const path = file()
  const first = await start({ file: path })
  for (let n = 0; n < 205; n++) await post(first, mail(`eml_${n}`))
  await first.stop()
  const second = await start({ file: path })
  expect(second.messages()).toHaveLength(200)
  expect(second.messages()[0]?.id).toBe('eml_204')
  expect(statSync(path).mode & 0o077).toBe(0)
  writeFileSync(path, 'not ours')
  expect((await start({ file: path })).messages()).toEqual([])
})

test('a port that is taken is no reason not to start', async () => {
  const first = await start()
  const second = await start({ port: Number(new URL(first.url).port) })
  expect(second.url).not.toBe(first.url)
  expect((await get(second, '/')).answer.status).toBe(200)
})

test("somebody else's HTML is shown where it can do nothing", async () => {
  const mailbox = await start()
  const hostile = '<script>fetch("/messages")</script><img src=x onerror=alert(1)>'
  await post(mailbox, mail('eml_1', { subject: hostile, text: hostile, html: hostile, to: '<b>@example.com' }))
  const list = await get(mailbox, '/')
  const page = await get(mailbox, '/messages/eml_1')
  for (const { text, csp } of [list, page]) {
    expect(text).not.toMatch(/<script|<img|<b>/)
    expect(csp).toMatch(/default-src 'none'/)
    expect(csp).not.toMatch(/script-src|unsafe-eval/)
  }
  expect(page.text).toContain('&lt;script&gt;')
  expect(page.text).toMatch(/<iframe sandbox title="[^"]+" src="\/messages\/eml_1\/html">/)
  const framed = await get(mailbox, '/messages/eml_1/html')
  expect(framed.text).toBe(hostile)
  // Without `allow-scripts`, also for whoever opens it outside the frame.
  expect(framed.csp).toMatch(/^sandbox; default-src 'none';/)
  expect(framed.answer.headers.get('x-content-type-options')).toBe('nosniff')
})

test('a page of another site can neither post nor read', async () => {
  const mailbox = await start()
  for (const type of ['text/plain', 'application/x-www-form-urlencoded'])
    expect((await post(mailbox, mail('eml_1'), type)).status).toBe(415)
  const preflight = await fetch(`${mailbox.url}/messages`, {
    method: 'OPTIONS',
    headers: { origin: 'http://evil.example' },
  })
  expect([preflight.status, preflight.headers.get('access-control-allow-origin')]).toEqual([405, null])
  // A name of theirs that resolves to this machine.
  const status = await new Promise((resolve) =>
    request(`${mailbox.url}/messages`, { headers: { host: 'evil.example' } }, ({ statusCode }) =>
      resolve(statusCode),
    ).end(),
  )
  expect(status).toBe(421)
  expect(mailbox.messages()).toEqual([])
})

test('what is no mail is refused', async () => {
  const mailbox = await start()
  expect((await post(mailbox, { id: 'x' })).status).toBe(400)
  expect((await post(mailbox, mail('eml_1', { extra: 1 }))).status).toBe(400)
  expect((await post(mailbox, mail('eml_1', { text: 'x'.repeat(600_000) }))).status).toBe(413)
  expect((await get(mailbox, '/messages/eml_9')).answer.status).toBe(404)
  expect((await get(mailbox, '/etc/passwd')).answer.status).toBe(404)
  expect(mailbox.messages()).toEqual([])
})
