import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getTableName } from 'drizzle-orm'
import { seal, unseal } from '#security'
import { sealedColumns } from '../../workers/sealed.ts'
import { awayFlow } from '../matrix-flows.ts'
import { DEFINITION } from '../matrix-objects.ts'
import type { OauthFake } from '../oauth-fake.ts'
import { makeId, type Person, type World } from '../world.ts'
import { eachOf } from './all.ts'
import type { Chance } from './chance.ts'

/** Someone's MCP server and the secret it was given. */
export type Kept = { person: Person; id: string; secret: string }
type Report = (what: string) => void

export type Remote = { url: string; heard: string[]; stop(): void }

/** Somebody else's MCP server, as small as one can be, that notes what signs in to it. */
export async function startSmallRemote(): Promise<Remote> {
  const heard: string[] = []
  const server = createServer(async (request, response) => {
    heard.push(request.headers.authorization ?? '')
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part)
    if (request.url === '/echo') return void response.writeHead(500).end(`you sent ${heard.at(-1)}`)
    const { id, method } = JSON.parse(Buffer.concat(parts).toString() || '{}')
    if (id === undefined) return void response.writeHead(202).end()
    const hello = {
      protocolVersion: '2025-06-18',
      capabilities: { tools: {} },
      serverInfo: { name: 'x', version: '1' },
    }
    const result = method === 'initialize' ? hello : { tools: [] }
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ jsonrpc: '2.0', id, result }))
  })
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const stop = () => {
    server.closeAllConnections()
    server.close()
  }
  return { url: `http://127.0.0.1:${port}`, heard, stop }
}

type Server = { id: string; status: string; lastError: string | null; secret?: string }
async function post(person: Person, path: string, body?: object): Promise<Server> {
  const answer = await person.api('POST', path, body && { body })
  if (answer.status >= 300) throw new Error(`${path} is answered ${answer.status}: ${answer.text}`)
  return JSON.parse(answer.text)
}

/** Asks the server, which takes its secret to be opened. */
export const readSecret = (world: World, token: string, id: string) =>
  world.call('POST', `/v1/mcp/servers/${id}/check`, { token })

/** Two servers with a secret each, and a third with a client's. */
export async function keepSecrets(person: Person, remote: Remote): Promise<Kept[]> {
  const made: Kept[] = []
  for (const name of ['one', 'two']) {
    const secret = `Bearer kept-${name}-${crypto.randomUUID()}`
    const auth = { type: 'header', name: 'authorization', value: secret }
    const { id } = await post(person, '/v1/mcp/servers', { name, url: `${remote.url}/mcp`, auth })
    made.push({ person, id, secret })
  }
  const secret = `client-${crypto.randomUUID()}`
  const auth = { type: 'oauth', clientId: 'x', clientSecret: secret }
  const { id } = await post(person, '/v1/mcp/servers', { name: 'three', url: `${remote.url}/mcp`, auth })
  return [...made, { person, id, secret }]
}

/** Connects one server in a browser, and begins with another: tokens, a client's secret, and a state that waits. */
export async function connect(world: World, person: Person, fake: OauthFake): Promise<string> {
  const [done, begun] = [await begin(person, fake, 'done'), await begin(person, fake, 'begun')]
  const { search } = await fake.browse(done.url)
  const page = await world.call('GET', `/v1/mcp/callback${search}`)
  if (page.status !== 200) throw new Error(`a browser that comes back is answered ${page.status}`)
  if (begun.url === done.url) throw new Error('two begun at one address')
  return done.id
}

async function begin(person: Person, fake: OauthFake, name: string) {
  const body = { name, url: `${fake.remote.url}/mcp`, auth: { type: 'oauth' } }
  const { id } = await post(person, '/v1/mcp/servers', body)
  const started = await person.api('POST', `/v1/mcp/servers/${id}/connect`)
  return { id, url: String(JSON.parse(started.text).authorizationUrl) }
}

/** What people sign in with, what signs for them, and who is on the way to a provider; answers the secrets of it. */
export async function keepOthers(world: World, people: Person[]): Promise<string[]> {
  const made = await eachOf(people, 1, async (person) => {
    const { secret: totp } = await post(person, '/v1/auth/totp')
    const { id, secret: before } = await post(person, '/v1/webhooks', { url: 'https://hooks.aurelius.invalid/' })
    const { secret: now } = await post(person, `/v1/webhooks/${id}/rotate`)
    await awayFlow(world)
    const token = makeId('dev')
    await post(person, '/v1/devices', { kind: 'fcm', name: 'Pixel', token })
    const { id: workflow } = await post(person, '/v1/workflows', { name: 'called', definition: DEFINITION })
    const { secret: hook } = await post(person, `/v1/workflows/${workflow}/hook-secret`)
    return [totp, before, now, token, hook].map(String)
  })
  return made.flat()
}

/** A mail that waits, as it would where the provider is away: the only one whose content is still there. */
export async function keepMail(world: World, userId: string): Promise<void> {
  const rowId = makeId('eml')
  const keys = JSON.parse(world.vars.ENCRYPTION_KEYS ?? '[]')
  const content = await seal(keys, { table: 'email_messages', column: 'content', rowId, userId }, 'Dear Sam')
  await world.query(
    `insert into email_messages (id, user_id, key, kind, to_address, status, content, claimed_at)
      values ($1, $2, $1, 'welcome', 'sam@example.com', 'sending', $3, now())`,
    [rowId, userId, content],
  )
}

type Place = { table: string; column: string; rowId: string; userId: string }
type Sealed = { place: Place; text: string }

const SHAPE = '^v1\\.[A-Za-z0-9_-]{1,32}\\.[A-Za-z0-9_-]{54}\\.[A-Za-z0-9_-]{16}\\.'

/** Every sealed text of the database, and where it is. */
async function sealedTexts(world: World): Promise<Sealed[]> {
  const lists = await Promise.all(
    sealedColumns.map(async ({ table: of, column: { name: column }, id, userId }) => {
      const table = getTableName(of)
      const sql = `select ${id.name} as id, ${userId?.name ?? "''"} as user_id, ${column} as text from ${table} where ${column} is not null`
      return (await world.query(sql)).map(
        (row): Sealed => ({
          place: { table, column, rowId: String(row.id), userId: String(row.user_id) },
          text: String(row.text),
        }),
      )
    }),
  )
  return lists.flat()
}

/** What looks sealed and is in no column that is resealed. */
async function tryRegister(world: World, report: Report): Promise<void> {
  const known = new Set(sealedColumns.map(({ table, column }) => `${getTableName(table)}.${column.name}`))
  const columns = await world.query(
    "select table_name as t, column_name as c from information_schema.columns where table_schema = 'public' and data_type = 'text'",
  )
  for (const { t, c } of columns) {
    const [row] = await world.query(`select count(*)::int as n from "${t}" where "${c}" ~ '${SHAPE}'`)
    if (Number(row?.n) > 0 && !known.has(`${t}.${c}`)) report(`${t}.${c} is sealed and is not in workers/sealed.ts`)
    if (Number(row?.n) === 0 && known.has(`${t}.${c}`)) report(`${t}.${c} holds nothing that is sealed`)
  }
}

/** Each text opens in its own place, and none in another's. */
export async function trySwaps(world: World, chance: Chance, most: number, report: Report): Promise<number> {
  await tryRegister(world, report)
  const keys = JSON.parse(world.vars.ENCRYPTION_KEYS ?? '[]')
  const opens = (place: Place, text: string) =>
    unseal(keys, place, text).then(
      () => true,
      () => false,
    )
  const all = await sealedTexts(world)
  for (const { place, text } of all)
    if (!(await opens(place, text))) report(`${place.table}.${place.column} does not open where it belongs`)
  const pairs = all.flatMap(({ place }, at) => all.flatMap(({ text }, from) => (at === from ? [] : [{ place, text }])))
  const chosen = chance.shuffle(pairs).slice(0, most)
  for (const { place, text } of chosen)
    if (await opens(place, text)) report(`another's secret opens in ${place.table}.${place.column}`)
  return all.length + chosen.length
}

/** The same in the system itself: of two swapped rows neither server hears the other's secret. */
export async function trySwapped(world: World, kept: Kept[], remote: Remote, report: Report): Promise<number> {
  const put = (id: string, text: unknown) => world.query('update mcp_servers set secret = $2 where id = $1', [id, text])
  const headers = kept.filter(({ secret }) => secret.startsWith('Bearer '))
  const pairs = headers.flatMap((one, at) => {
    const [mine, theirs] = [headers[at + 1], headers[at + 2]]
    return at % 2 === 0 && mine && theirs ? [[one, mine] as const, [one, theirs] as const] : []
  })
  await eachOf(pairs, 1, async ([one, other]) => {
    const rows = await world.query('select id, secret from mcp_servers where id = any($1::text[])', [
      `{${one.id},${other.id}}`,
    ])
    const textOf = (id: string) => rows.find((row) => row.id === id)?.secret
    await put(one.id, textOf(other.id))
    remote.heard.length = 0
    const { json, status, text } = await readSecret(world, one.person.accessToken, one.id)
    if (remote.heard.includes(other.secret)) report("a server is sent another row's secret")
    if (status !== 200 || !/cannot be opened/.test(JSON.stringify(json))) report(`a swapped row is answered ${text}`)
    await put(one.id, textOf(one.id))
  })
  return pairs.length
}
