import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { cpuMs } from './cpu.ts'
import { codeOf, makeKey } from './matrix-keys.ts'
import { fillPath, type JsonSchema, pathParameters } from './openapi-document.ts'
import { type Answer, PASSWORD, type Person, startWorld, type World } from './world.ts'

const START_MS = 60_000
const NO_MAILBOX = {
  MAIL_PROVIDER: 'sendgrid',
  MAIL_LOCAL_URL: '',
  MAIL_FROM: 'a@example.com',
  SENDGRID_API_KEY: 'none',
}
const VARS = {
  ...NO_MAILBOX,
  SENDGRID_BASE_URL: 'http://127.0.0.1:9',
  ENVIRONMENT: 'production',
  PUBLIC_URL: 'https://aurelius.test',
  RATE_LIMIT_FACTOR: '1',
  GOOGLE_BASE_URL: '',
}

let world: World
let person: Person
beforeAll(async () => {
  world = await startWorld({ vars: VARS })
  person = await someone()
}, START_MS)
afterAll(() => world.stop())

async function someone(): Promise<Person> {
  const [made] = await world.people(1)
  if (!made) throw new Error('no person')
  return made
}

const packages: { dependencies: Record<string, string> } = JSON.parse(
  readFileSync(join(import.meta.dirname, '../package.json'), 'utf8'),
)
const TELLING = ['server', 'x-powered-by', 'via', 'x-runtime', 'x-version', 'x-aspnet-version', 'x-generator']

/** What an answer says of what is behind it. */
function told({ headers, text }: Answer): string[] {
  const named = Object.entries(packages.dependencies).filter(([name, version]) =>
    new RegExp(`${name}\\W{1,5}${version.replaceAll('.', '\\.')}`).test(text),
  )
  const stack = /\bat .{1,200}\.[cm]?[jt]s:\d+/.exec(text)?.[0]
  return [...TELLING.filter((name) => headers.has(name)), ...named.map(([name]) => name), ...(stack ? [stack] : [])]
}

test('no answer of a production says what it is built of or of which version', async () => {
  const paths = world.operations
    .filter(({ method }) => method === 'GET')
    .map(({ path }) => fillPath(path, Object.fromEntries(pathParameters(path).map((name) => [name, 'no-id']))))
  const asked = ['/', '/docs', '/openapi.json', '/nothing', ...new Set(paths)]
  const wrong: string[] = []
  for (const path of asked) {
    for (const token of [undefined, person.accessToken]) {
      const found = told(await world.call('GET', path, { token }))
      if (found.length > 0) wrong.push(`${path}: ${found.join(', ')}`)
    }
  }
  const broken = await world.call('POST', '/v1/tasks', {
    token: person.accessToken,
    raw: '{"title":',
    headers: JSON_TYPE,
  })
  expect([...wrong, ...told(broken)]).toEqual([])
  expect(asked.length).toBeGreaterThan(50)
})

test.each([
  '/.env',
  '/.git/config',
  '/debug',
  '/debug/pprof',
  '/metrics',
  '/actuator',
  '/server-status',
  '/admin',
  '/console',
  '/graphql',
  '/wrangler.toml',
  '/package.json',
  '/docs/package.json',
  '/docs/swagger-ui.css.map',
  '/index.js.map',
])('there is nothing at %s', async (path) => {
  expect(codeOf(await world.call('GET', path))).toBe('404 not_found')
})

const FROM = ['x-forwarded-for', 'x-real-ip', 'true-client-ip', 'x-client-ip', 'forwarded', 'x-cluster-client-ip']
const AS = ['x-user-id', 'x-forwarded-user', 'x-remote-user', 'x-authenticated-user', 'x-tenant-id', 'x-session-id']
const forged = (address: string) =>
  Object.fromEntries(FROM.map((name) => [name, name === 'forwarded' ? `for=${address}` : address]))

test('no header of a client says where it is from: neither a network, nor a limit, nor a session heeds it', async () => {
  const address = '198.51.100.7'
  const { secret } = await makeKey(person, { ipAllow: [`${address}/32`] })
  const asKey = { token: secret, headers: forged(address) }
  expect(codeOf(await world.call('GET', '/v1/tasks', asKey))).toMatch(/^40[13] /)

  const owner = await someone()
  const set = await owner.api('POST', '/v1/auth/password', { body: { newPassword: PASSWORD } })
  expect([set.status, set.text]).toEqual([204, ''])
  const enter = (headers: Record<string, string>, password = PASSWORD) =>
    world.call('POST', '/v1/auth/login', { body: { email: owner.email, password }, headers })
  expect((await enter({})).status).toBe(200)
  expect((await enter(forged(address))).status).toBe(200)
  const kept = await world.query("select distinct address from sessions where user_id = $1 and device_name <> 'test'", [
    owner.userId,
  ])
  expect(kept).toHaveLength(1)
  expect(kept[0]?.['address']).not.toBe(address)

  const tries = Array.from({ length: 30 }, (_, n) => enter(forged(`203.0.113.${n}`), 'not the password of this one'))
  expect((await Promise.all(tries)).map(({ status }) => status)).toContain(429)
})

test('no header of a client says who it is, what it asks or how', async () => {
  const victim = await someone()
  const headers = {
    ...Object.fromEntries(AS.map((name) => [name, name === 'x-session-id' ? victim.sessionId : victim.userId])),
    'x-original-url': `/v1/tasks`,
    'x-rewrite-url': `/v1/tasks`,
    'x-forwarded-host': 'evil.example',
    'x-forwarded-proto': 'http',
    'x-http-method-override': 'DELETE',
    'x-method-override': 'DELETE',
  }
  const [plain, dressed] = [await person.api('GET', '/v1/me'), await person.api('GET', '/v1/me', { headers })]
  expect(dressed.json).toEqual(plain.json)
  expect((await world.call('GET', '/v1/me', { headers })).status).toBe(401)
  const document = await world.call('GET', '/.well-known/oauth-protected-resource', { headers })
  expect(document.text).not.toContain('evil.example')
})

const JSON_TYPE = { 'content-type': 'application/json' }
const rpcOf = (text: string) =>
  `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"create_task","arguments":${text}}}`

/** What became of it: the title that was read, or that it was refused. */
async function readBy(who: Person, door: 'http' | 'mcp', text: string): Promise<string> {
  const raw = door === 'http' ? text : rpcOf(text)
  const answer = await who.api('POST', door === 'http' ? '/v1/tasks' : '/mcp', { raw, headers: JSON_TYPE })
  if (answer.status >= 500) return `${answer.status}`
  const found: unknown = JSON.parse(answer.text || '{}')
  const made = door === 'http' ? found : Object(Object(found).result).structuredContent
  const title: unknown = Object(made).title
  return answer.status < 300 && typeof title === 'string' ? title : 'refused'
}

test.each([
  ['{"title":"a"}', 'a'],
  ['{"title":"a","title":"b"}', 'b'],
  ['{"title":"a","\\u0074itle":"b"}', 'b'],
  ['{"title":"\\u0061\\/"}', 'a/'],
  [' \t\r\n{ "title" : "a" } \n', 'a'],
  ['{"title":"\u2028"}', 'refused'],
  ['{"title":"a\\u0000"}', 'refused'],
  ['{"title":"\\ud800"}', 'refused'],
  ['{"title":"a","__proto__":{"status":"done"}}', 'refused'],
  ['{"title":"a","_\\u005fproto__":{"status":"done"}}', 'refused'],
  ['{"title":"a","constructor":{"prototype":{"status":"done"}}}', 'refused'],
  ['{"title":"a","Title":"b"}', 'refused'],
  ['{"title":"a","userId":"usr_x"}', 'refused'],
  ['{"title":["a"]}', 'refused'],
  ['{"title":{"toString":"a"}}', 'refused'],
  ['{"title":1e999}', 'refused'],
  ['{"title":"a",}', 'refused'],
  ['{"title":"a"}}', 'refused'],
  ["{'title':'a'}", 'refused'],
  ['{title:"a"}', 'refused'],
  ['{"title":"a"/**/}', 'refused'],
  ['{"title":NaN}', 'refused'],
  ['{"title":"a\nb"}', 'refused'],
  [`{"title":"a","notes":${'['.repeat(5000)}${']'.repeat(5000)}}`, 'refused'],
])('%j is read alike by HTTP and MCP', async (text, expected) => {
  const [http, mcp] = [await readBy(person, 'http', text), await readBy(person, 'mcp', text)]
  expect([http, mcp]).toEqual([expected, expected])
})

/** What bears something secret-like in a URL, and why it may: each is good once, or no secret. */
const IN_URLS: Record<string, string> = {
  'GET /v1/realtime ticket': 'good once, for thirty seconds',
  'GET /v1/mcp/callback code': 'OAuth; good once, with a verifier that is never sent',
  'GET /v1/mcp/callback state': 'OAuth; good once',
  'GET /v1/auth/providers/{provider}/callback code': 'OAuth; good once, with a verifier that is never sent',
  'GET /v1/auth/providers/{provider}/callback state': 'OAuth; good once, for the browser with its cookie',
}
const SECRET_LIKE = /token|secret|passw|code|ticket|state$|credential|otp|jwt|csrf|signature|cookie|^key$|api.?key/i

test('no operation takes a secret in its URL, but what is good once', () => {
  const found = world.operations.flatMap(({ id, parameters }) =>
    parameters
      .filter((parameter) => parameter.in !== 'header' && SECRET_LIKE.test(parameter.name))
      .map(({ name }) => `${id} ${name}`),
  )
  expect(found.sort()).toEqual(Object.keys(IN_URLS).sort())
})

function patternsIn(schema: unknown, found = new Set<string>()): Set<string> {
  if (typeof schema !== 'object' || schema === null) return found
  const { pattern }: JsonSchema = schema
  if (typeof pattern === 'string') found.add(pattern)
  for (const inner of Object.values(schema)) patternsIn(inner, found)
  return found
}

test('no pattern of the API takes long, however long and twisted the text', () => {
  const patterns = [...patternsIn(world.document)]
  const pieces = ['a', '0', '-', ' ', '.', '=', '/', 'a.', '0,', 'a=b;', 'task_0', 'https://', 'FREQ=DAILY;', '+1,']
  const slow: string[] = []
  for (const pattern of patterns) {
    const regex = new RegExp(pattern, 'u')
    for (const piece of pieces) {
      const text = `${piece.repeat(Math.ceil(100_000 / piece.length))}\u0000`
      const began = cpuMs()
      regex.test(text)
      const ms = cpuMs() - began
      if (ms > 50) slow.push(`${pattern} on ${piece}: ${Math.round(ms)} ms`)
    }
  }
  expect(slow).toEqual([])
  expect(patterns.length).toBeGreaterThan(15)
})
