import { eq } from 'drizzle-orm'
import { afterEach, beforeEach, expect, inject, test } from 'vitest'
import { readConfig } from '#config'
import { createLog } from '#core'
import { resealSecrets } from '#security'
import { makePerson, type Person } from '#test/database'
import { type OauthFake, startOauthFake } from '#test/oauth-fake'
import { finishConnect, startConnect } from './connect.ts'
import { mcpSealed } from './sealed.ts'
import { addServer, checkServer, getServer, serversForTurn } from './servers.ts'
import { mcpServers } from './tables.ts'
import { remoteTools } from './tools.ts'

const ENDED = /connect it again/

let fake: OauthFake
beforeEach(async () => {
  fake = await startOauthFake()
})
afterEach(() => fake.close())

const formsTo = (path: string) => fake.requests.filter((request) => request.path === path)
const refreshes = () => formsTo('/token').filter(({ form }) => form.get('grant_type') === 'refresh_token')

/** A person with one connected server, and all they log. */
async function makeConnected() {
  const lines: string[] = []
  const log = createLog({}, 'info', (line) => void lines.push(line))
  const config = readConfig({ ...inject('vars'), ALLOW_LOOPBACK_URLS: 'true' })
  const person: Person = await makePerson({ config, log })
  const auth = { type: 'oauth' as const }
  const url = `${fake.remote.url}/mcp`
  const { id } = await addServer(person, { name: 'weather', url, auth, enabled: true })
  const { authorizationUrl } = await startConnect(person, id)
  const { searchParams } = await fake.browse(authorizationUrl)
  const [code, iss] = [searchParams.get('code') ?? '', searchParams.get('iss') ?? '']
  await finishConnect(person, searchParams.get('state') ?? '', { code, iss })
  return { person, id, lines }
}

async function use(person: Person, name: string, input: object) {
  const tool = remoteTools(await serversForTurn(person)).find((each) => each.name === `weather__${name}`)
  if (!tool) throw new Error(`there is no ${name}`)
  return (await tool.run(person, input)).output
}
const forecast = (person: Person, city: string) => use(person, 'forecast', { city })

const rowOf = async ({ db }: Person, id: string) => (await db.select().from(mcpServers).where(eq(mcpServers.id, id)))[0]

test('a token is renewed shortly before it ends, and not sooner', async () => {
  const { person } = await makeConnected()
  const at = (seconds: number) => ({ ...person, now: () => new Date(Date.now() + seconds * 1000) })
  expect(await forecast(at(3500), 'Oslo')).toMatchObject({ text: 'Sunny in Oslo' })
  expect(refreshes()).toEqual([])
  expect(await forecast(at(3580), 'Rome')).toMatchObject({ text: 'Sunny in Rome' })
  expect(refreshes()).toHaveLength(1)
  expect(refreshes()[0]?.form.get('resource')).toBe(`${fake.remote.url}/mcp`)
})

test.each([
  ['long before it ends', 3600],
  ['whose end was never told', undefined],
])('a token that is refused %s is renewed once, and the call goes on', async (_, expiresIn) => {
  fake.ways.expiresIn = expiresIn
  const { person, id } = await makeConnected()
  fake.expireAll()
  expect(await forecast(person, 'Oslo')).toMatchObject({ text: 'Sunny in Oslo' })
  expect(refreshes()).toHaveLength(1)
  expect(fake.remote.calls).toHaveLength(1)
  expect(await getServer(person, id)).toMatchObject({ status: 'ok', lastError: null })
})

test('of ten calls at once with a token that has ended one renews it, and none fails', async () => {
  for (const refused of [true, false]) {
    const { person } = await makeConnected()
    const before = refreshes().length
    if (refused) fake.expireAll()
    fake.ways.slowMs = 300
    const late = refused ? person : { ...person, now: () => new Date(Date.now() + 3_590_000) }
    const cities = Array.from({ length: 10 }, (_, n) => `City ${n}`)
    const said = await Promise.all(cities.map((city) => forecast(late, city)))
    expect(said).toMatchObject(cities.map((city) => ({ text: `Sunny in ${city}` })))
    expect(refreshes()).toHaveLength(before + 1)
    expect(fake.refused).toEqual([])
    // Each refresh token was good once: the next one is good too.
    fake.ways.slowMs = 0
    fake.expireAll()
    expect(await forecast(person, 'Bergen')).toMatchObject({ text: 'Sunny in Bergen' })
  }
})

test('a grant that was ended elsewhere leaves the server broken, until it is connected again', async () => {
  const { person, id } = await makeConnected()
  fake.endAll()
  await expect(forecast(person, 'Oslo')).rejects.toMatchObject({ code: 'unavailable', message: ENDED })
  expect(await getServer(person, id)).toMatchObject({ status: 'broken', lastError: ENDED, auth: { connected: false } })
  const asked = fake.requests.length
  await expect(forecast(person, 'Oslo')).rejects.toThrow(ENDED)
  expect(await checkServer(person, id)).toMatchObject({ status: 'broken', lastError: ENDED })
  expect(fake.requests).toHaveLength(asked)
  const { searchParams } = await fake.browse((await startConnect(person, id)).authorizationUrl)
  const [code, iss] = [searchParams.get('code') ?? '', searchParams.get('iss') ?? '']
  expect(await finishConnect(person, searchParams.get('state') ?? '', { code, iss })).toBe(true)
  expect(await forecast(person, 'Oslo')).toMatchObject({ text: 'Sunny in Oslo' })
})

test('a refresh token that is not replaced stays good', async () => {
  fake.ways.rotates = false
  const { person } = await makeConnected()
  for (const city of ['Oslo', 'Rome']) {
    fake.expireAll()
    expect(await forecast(person, city)).toMatchObject({ text: `Sunny in ${city}` })
  }
  expect(refreshes()).toHaveLength(2)
})

test('without a refresh token the end of the token is the end', async () => {
  fake.ways.refreshTokens = false
  const { person, id } = await makeConnected()
  expect(await forecast(person, 'Oslo')).toMatchObject({ text: 'Sunny in Oslo' })
  fake.expireAll()
  await expect(forecast(person, 'Oslo')).rejects.toThrow(ENDED)
  expect(await rowOf(person, id)).toMatchObject({ accessToken: null, status: 'broken' })
})

test('an authorization server that fails for a moment costs no connection, and holds up no later call', async () => {
  const { person, id } = await makeConnected()
  fake.expireAll()
  fake.ways.failing = 503
  await expect(forecast(person, 'Oslo')).rejects.toMatchObject({ code: 'unavailable', message: /server_error/ })
  expect(await getServer(person, id)).toMatchObject({ status: 'broken', auth: { connected: true } })
  fake.ways.failing = undefined
  expect(await forecast(person, 'Oslo')).toMatchObject({ text: 'Sunny in Oslo' })
  expect(await getServer(person, id)).toMatchObject({ status: 'ok', lastError: null })
})

test('a server that wants more than was consented to says what', async () => {
  const { person, id } = await makeConnected()
  fake.ways.wants = 'tools:use tools:admin'
  expect(await checkServer(person, id)).toMatchObject({ lastError: /again, with the scope tools:use tools:admin$/ })
  fake.ways.wants = '<script>'
  expect(await checkServer(person, id)).toMatchObject({ lastError: /again, with the scope it names$/ })
  expect(refreshes()).toEqual([])
})

test('whoever was to renew and died is waited for no longer than a lease', async () => {
  const { person, id } = await makeConnected()
  fake.expireAll()
  const holds = (tokenLease: Date) => person.db.update(mcpServers).set({ tokenLease }).where(eq(mcpServers.id, id))
  await holds(new Date(Date.now() + 400))
  expect(await forecast(person, 'Oslo')).toMatchObject({ text: 'Sunny in Oslo' })
  expect(refreshes()).toHaveLength(1)
})

test('a token the server tells back, old or new, is told to nobody; none is in the database, a log or an event', async () => {
  const { person, id, lines } = await makeConnected()
  fake.expireAll()
  const said = JSON.stringify(await use(person, 'whoami', {}))
  expect(said).toContain('You sent [secret]')
  fake.endAll()
  await expect(forecast(person, 'Oslo')).rejects.toThrow(ENDED)
  const seen = JSON.stringify([said, lines, person.sent, await rowOf(person, id), await getServer(person, id)])
  expect(fake.secrets.length).toBeGreaterThan(4)
  for (const secret of fake.secrets) expect(seen).not.toContain(secret)
})

test('after a rotation every token is sealed anew', async () => {
  fake.metadata['token_endpoint_auth_methods_supported'] = ['client_secret_basic']
  const { person, id } = await makeConnected()
  const key = Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('base64')
  const keys = [{ id: 'fresh2', key }, ...person.config.encryptionKeys]
  const under = (encryptionKeys: typeof keys) => ({ ...person, config: { ...person.config, encryptionKeys } })
  await resealSecrets(under(keys), mcpSealed)
  const row = await rowOf(person, id)
  expect(row).toMatchObject({
    clientSecret: /^v1\.fresh2\./,
    accessToken: /^v1\.fresh2\./,
    refreshToken: /^v1\.fresh2\./,
  })
  fake.expireAll()
  expect(await checkServer(under(keys.slice(0, 1)), id)).toMatchObject({ status: 'ok' })
})
