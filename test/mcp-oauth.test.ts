import { afterAll, beforeAll, expect, test } from 'vitest'
import { type OauthFake, startOauthFake } from './oauth-fake.ts'
import { type Person, startWorld, type World } from './world.ts'

type Server = { id: string; status: string; lastError: string | null; auth: object; tools: { name: string }[] }

let fake: OauthFake
let world: World
beforeAll(async () => {
  fake = await startOauthFake()
  world = await startWorld({ vars: { ALLOW_LOOPBACK_URLS: 'true', LOG_LEVEL: 'info' } })
}, 60_000)
afterAll(async () => {
  await world?.stop()
  fake?.close()
})

async function makeOwner(): Promise<{ person: Person; id: string }> {
  const [person] = await world.people(1)
  if (!person) throw new Error('nobody was made')
  const body = { name: 'weather', url: `${fake.remote.url}/mcp`, auth: { type: 'oauth' } }
  const { json } = await person.api('POST', '/v1/mcp/servers', { body })
  return { person, id: (json as Server).id }
}

async function browse(person: Person, id: string, consents = true): Promise<string> {
  const { json } = await person.api('POST', `/v1/mcp/servers/${id}/connect`)
  const { search } = await fake.browse((json as { authorizationUrl: string }).authorizationUrl, consents)
  return `/v1/mcp/callback${search}`
}

const serverOf = async (person: Person, id: string) => (await person.api('GET', `/v1/mcp/servers/${id}`)).json as Server

test('in workerd a browser connects a server, and sees a page that holds nothing that came in', async () => {
  const { person, id } = await makeOwner()
  const path = await browse(person, id)
  const page = await world.call('GET', path)
  expect(page.status).toBe(200)
  expect(page.text).toContain('Connected; you may close this.')
  expect(page.headers.get('content-type')).toMatch(/^text\/html; charset=utf-8$/i)
  expect(page.headers.get('content-security-policy')).toMatch(/^default-src 'none'/)
  expect(page.headers.get('cache-control')).toBe('no-store')
  expect(page.headers.get('referrer-policy')).toBe('no-referrer')
  const server = await serverOf(person, id)
  expect(server).toMatchObject({ status: 'ok', auth: { type: 'oauth', connected: true } })
  expect(server.tools.map(({ name }) => name)).toContain('forecast')
  const again = await world.call('GET', path)
  expect([again.status, again.text]).toEqual([410, expect.stringContaining('"code":"gone"')])
})

test('who declines sees that, and a session that ended while the browser was away lets nothing in', async () => {
  const { person, id } = await makeOwner()
  const declined = await world.call('GET', await browse(person, id, false))
  expect([declined.status, declined.text]).toEqual([403, expect.stringContaining('Not connected.')])
  const path = await browse(person, id)
  await person.api('POST', '/v1/auth/logout')
  expect((await world.call('GET', path)).status).toBe(401)
})

test('calls that meet an ended token at once renew it once; it is in no answer, no log and no table', async () => {
  const { person, id } = await makeOwner()
  const path = await browse(person, id)
  await world.call('GET', path)
  fake.expireAll()
  fake.ways.slowMs = 100
  const before = fake.requests.length
  const checks = await Promise.all(Array.from({ length: 5 }, () => person.api('POST', `/v1/mcp/servers/${id}/check`)))
  expect(checks.map(({ json }) => (json as Server).status)).toEqual(Array(5).fill('ok'))
  expect(fake.requests.slice(before).map((request) => request.path)).toEqual(['/token'])
  await person.api('DELETE', `/v1/mcp/servers/${id}`)
  const revoked = () => fake.requests.some((request) => request.path === '/revoke')
  await expect.poll(revoked, { timeout: 5000 }).toBe(true)
  expect(fake.refused).toEqual([])

  const tables = await world.query(
    `select table_name as name from information_schema.tables where table_schema = 'public'`,
  )
  const rows = await Promise.all(tables.map(({ name }) => world.query(`select t::text as row from "${name}" t`)))
  const seen = JSON.stringify([rows, world.logs, checks.map(({ text }) => text)])
  expect(seen).toContain(person.userId)
  for (const secret of [...fake.secrets, new URL(path, 'http://x').searchParams.get('state') ?? ''])
    expect(seen).not.toContain(secret)
})

test('the address that is our client id describes a client of that name, and every answer is a promised one', async () => {
  const { json } = await world.call('GET', '/v1/mcp/client')
  expect(json).toMatchObject({
    client_id: 'http://aurelius.test/v1/mcp/client',
    redirect_uris: ['http://aurelius.test/v1/mcp/callback'],
    token_endpoint_auth_method: 'none',
  })
  expect([...world.contract.drift]).toEqual([])
})
