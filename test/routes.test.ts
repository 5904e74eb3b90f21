import { request as rawRequest } from 'node:http'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createAuditor, differences } from './matrix-audit.ts'
import { type Callers, endedTokens, OPERATOR, wrongTokens } from './matrix-callers.ts'
import { HEADERS, LIMITS, lacking } from './matrix-headers.ts'
import { kindOf } from './matrix-objects.ts'
import { type Request, requestFor } from './matrix-requests.ts'
import { ownRequest, validRequest } from './matrix-valid.ts'
import { PUBLIC_FILES } from './openapi-contract.ts'
import { fillPath, fits, type Operation, pathParameters } from './openapi-document.ts'
import { eachOf } from './proofs/all.ts'
import { type Answer, makeId, type Person, startWorld, type World } from './world.ts'

/** Every route that asks nobody who they are, and why it need not. */
const PUBLIC: Record<string, string> = {
  'GET /health': 'whoever watches the process has no account',
  'GET /health/ready': 'whoever sends it requests has none either; it tells names and latencies only',
  'GET /.well-known/jwks.json': 'public keys',
  'GET /v1/devices/web-push-key': 'a public key',
  'POST /v1/auth/register': 'makes the account',
  'POST /v1/auth/login': 'brings a password',
  'POST /v1/auth/refresh': 'brings a refresh token',
  'POST /v1/auth/challenge': 'brings a challenge that a first factor was answered with',
  'POST /v1/auth/passkeys/sign-in/options': 'tells what is to be signed by whoever has a passkey',
  'POST /v1/auth/passkeys/sign-in': 'brings what a passkey signed',
  'POST /v1/auth/register/confirm': 'brings a mailed code and the password that was chosen',
  'POST /v1/auth/verify-email/confirm': 'brings a mailed code',
  'POST /v1/auth/password-reset': 'for whoever cannot sign in; only mail is the answer',
  'POST /v1/auth/password-reset/confirm': 'brings a mailed code',
  'POST /v1/auth/magic-link': 'for whoever wants to sign in; only mail is the answer',
  'POST /v1/auth/magic-link/confirm': 'brings a mailed code',
  'GET /v1/auth/confirm': 'a page that is the same for all',
  'POST /v1/auth/providers/{provider}/start': 'begins to sign in',
  'GET /v1/auth/providers/{provider}/start': 'a browser opens it: brings what was given to a client',
  'GET /v1/auth/providers/{provider}/callback': 'a browser comes back to it: brings a state and its cookie',
  'POST /v1/auth/providers/{provider}/callback': 'the same, by a form',
  'POST /v1/auth/providers/exchange': 'brings a code and its verifier',
  'GET /v1/erasure-receipts/{id}': 'who was erased can sign in nowhere; it names nobody',
  'GET /v1/mcp/callback': 'a browser comes back to it: brings a state that was given to a person',
  'GET /v1/mcp/client': 'what we are to authorization servers',
  'GET /v1/realtime': 'brings a ticket: a browser sends no Authorization with a WebSocket',
  'POST /v1/hooks/{id}': 'signs with the secret of the address',
  'GET /v1/workflows/schema': 'what a workflow may say is no secret',
}

const AT_ONCE = 4
const START_MS = 60_000

let world: World
let person: Person
beforeAll(async () => {
  world = await startWorld()
  const [made] = await world.people(1)
  if (!made) throw new Error('no person')
  person = made
}, START_MS)
afterAll(() => world.stop())

const ofAuth = (auth: Operation['auth']) => world.operations.filter((operation) => operation.auth === auth)
const codeOf = (answer: Answer) => `${answer.status} ${/"code":"(\w+)"/.exec(answer.text)?.[1] ?? ''}`.trim()

async function sendAs(headers: Record<string, string>, { method, path, options }: Request): Promise<Answer> {
  return await world.call(method, path, { ...options, headers: { ...options.headers, ...headers } })
}

type Asked = [Operation, Request]
const ownRequests = () =>
  eachOf(
    ofAuth('person'),
    AT_ONCE,
    async (operation): Promise<Asked> => [operation, await ownRequest(world, operation, person)],
  )

/** What each caller is answered by each operation, where it is not what it should be. */
async function refusals(requests: Asked[], callers: Callers, expected: RegExp): Promise<string[]> {
  const tries = requests.flatMap((asked) => Object.entries(callers).map((caller) => ({ asked, caller })))
  const wrong = await eachOf(tries, AT_ONCE, async ({ asked: [{ id }, request], caller: [name, headers] }) => {
    const answer = await sendAs(headers, request)
    const fits = expected.test(codeOf(answer)) && answer.headers.get('www-authenticate')?.startsWith('Bearer')
    return fits ? [] : [`${id}, ${name}: ${codeOf(answer)}`]
  })
  return wrong.flat()
}

test('every route without sign-in is on the list with its reason, and every operator route is known', () => {
  const ids = (auth: Operation['auth']) =>
    ofAuth(auth)
      .map(({ id }) => id)
      .sort()
  expect(ids('none')).toEqual(Object.keys(PUBLIC).sort())
  expect(ids('operator')).toEqual(OPERATOR)
  expect(ofAuth('person').length).toBeGreaterThan(30)
})

test('every personal path that bears an id has a factory', () => {
  const bearing = ofAuth('person').filter(({ path }) => pathParameters(path).length > 0)
  expect(bearing.filter(({ path }) => !kindOf(path)).map(({ id }) => id)).toEqual([])
})

test('no route lets in a token that is none, and nothing happens', async () => {
  const auditor = await createAuditor(world)
  const requests = await ownRequests()
  const before = await auditor.holdings(person.userId)
  const wrong = await refusals(requests, await wrongTokens(world, person), /^401 (unauthorized|invalid_token)$/)
  expect(wrong).toEqual([])
  expect(differences(before, await auditor.holdings(person.userId))).toEqual([])
})

test("the operator's routes let in nobody but the operator", async () => {
  const callers = await wrongTokens(world, person)
  const { "the operator's token": operator = {}, ...others } = callers
  const requests = ofAuth('operator').map((operation): Asked => [operation, requestFor(world.document, operation)])
  expect(await refusals(requests, others, /^401 (unauthorized|invalid_token)$/)).toEqual([])
  for (const [{ id }, request] of requests) {
    const noRole = await sendAs({ authorization: `Bearer ${person.accessToken}` }, request)
    expect([id, codeOf(noRole)]).toEqual([id, '403 forbidden'])
    const answer = await sendAs(operator, request)
    expect([200, 202, 404]).toContain(answer.status)
  }
})

/** Requests of every kind: what is asked for is there, is another's, is nowhere, is no id, or is no request at all. */
async function everyRequest(operation: Operation, owner: Person): Promise<[string, Request][]> {
  const valid = await ownRequest(world, operation, owner)
  const named = (id: string): Request => ({ ...valid, path: fillPath(operation.path, { id, actionId: 'approve' }) })
  const requests: [string, Request][] = [['a valid request', valid]]
  const kind = kindOf(operation.path)
  if (kind) {
    requests.push(['an id of nothing', named(makeId(kind.prefix))])
    requests.push(["another person's id", named(await kind.make(world, person, 'theirs'))])
    requests.push(['what is no id', named('no-id')])
  }
  if (operation.body) {
    requests.push(['an empty body', { ...valid, options: { ...valid.options, body: {} } }])
    requests.push(['a wrong body', { ...valid, options: { ...valid.options, body: { unknown: 1 } } }])
  }
  if (operation.takesIfMatch) requests.push(['no version', { ...valid, options: { body: valid.options.body } }])
  if (operation.takesKey) {
    const options = { ...valid.options, headers: { ...valid.options.headers, 'idempotency-key': 'used-before' } }
    requests.push(['a key that was used before', { ...valid, options }])
  }
  return requests
}

test('a session that ended is refused by every route, whatever is asked of it', async () => {
  const wrong: string[] = []
  for (const operation of ofAuth('person')) {
    const [owner] = await world.people(1)
    if (!owner) throw new Error('no person')
    const requests = await everyRequest(operation, owner)
    const used = requests.at(-1)
    if (operation.takesKey && used) await sendAs({ authorization: `Bearer ${owner.accessToken}` }, used[1])
    await owner.api('POST', '/v1/auth/logout')
    for (const [what, request] of requests) {
      const answer = await sendAs({ authorization: `Bearer ${owner.accessToken}` }, request)
      if (codeOf(answer) !== '401 session_ended') wrong.push(`${operation.id}, ${what}: ${codeOf(answer)}`)
    }
  }
  expect(wrong).toEqual([])
})

test('a token whose session lets nobody in is refused by every route', async () => {
  expect(await refusals(await ownRequests(), await endedTokens(world), /^401 session_ended$/)).toEqual([])
})

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND']

/** Sent without the manners of fetch, which refuses TRACE; the status and Allow. */
function sendRaw(method: string, path: string): Promise<{ status: number; allow: string; type: string }> {
  return new Promise((resolve, reject) => {
    const sent = rawRequest(world.url + path, { method }, (response) => {
      response.resume()
      const { allow = '', 'content-type': type = '' } = response.headers
      response.on('end', () => resolve({ status: response.statusCode ?? 0, allow, type }))
    })
    sent.on('error', reject)
    sent.end()
  })
}

test('a method that is not offered is refused with those that are', async () => {
  const wrong: string[] = []
  const paths = [...new Set(world.operations.map(({ path }) => path))]
  for (const template of paths) {
    const path = fillPath(template, Object.fromEntries(pathParameters(template).map((name) => [name, 'no-id'])))
    const offered = world.operations.filter((operation) => fits(operation.path, path)).map(({ method }) => method)
    for (const method of METHODS) {
      if (offered.includes(method) || (method === 'HEAD' && offered.includes('GET'))) continue
      const { status, allow, type } = await sendRaw(method, path)
      const names = allow.split(', ').filter((name) => name !== 'HEAD' && name !== 'OPTIONS')
      if (status !== 405 || names.sort().join() !== [...new Set(offered)].sort().join())
        wrong.push(`${method} ${path}: ${status}, Allow: ${allow}`)
      else if (method !== 'HEAD' && !type.startsWith('application/problem+json'))
        wrong.push(`${method} ${path}: ${type}`)
    }
  }
  expect(wrong).toEqual([])
})

const NOWHERE = ['/nothing', '/v1', '/v1/nothing', '/v1/me/', '/V1/me', '/v1//me', '/docs/package.json', '/.env']
test('what is nowhere is 404 by every method', async () => {
  for (const path of NOWHERE) {
    for (const method of ['GET', 'POST', 'DELETE']) expect(codeOf(await world.call(method, path))).toBe('404 not_found')
  }
})

const MAY_BE_KEPT = new Set(['GET /.well-known/jwks.json'])

const NO_SUCCESS: Record<string, string> = {
  connectRealtime: '426 upgrade_required',
  redriveDeadLetter: '404 not_found',
  finishMcpConnect: '410 gone',
  connectMcpServer: '409 conflict',
  leaveForProvider: '303',
  comeBackFromProvider: '303',
  comeBackWithForm: '303',
}

test('every operation does what it is there for, and its answers carry every header', async () => {
  const wrong: string[] = []
  for (const operation of world.operations) {
    const [owner] = await world.people(1)
    if (!owner) throw new Error('no person')
    const token = operation.auth === 'operator' ? world.vars.OPERATOR_TOKEN : owner.accessToken
    const request = await validRequest(world, operation, owner)
    const failing = { ...request, path: `${request.path}${request.path.includes('?') ? '&' : '?'}limit=none` }
    const answer = await world.call(request.method, request.path, { ...request.options, token })
    if (codeOf(answer) !== (NO_SUCCESS[operation.operationId] ?? codeOf(answer)))
      wrong.push(`${operation.id}: ${codeOf(answer)}`)
    if (!NO_SUCCESS[operation.operationId] && answer.status >= 300)
      wrong.push(`${operation.id}: ${codeOf(answer)} ${answer.text.slice(0, 200)}`)
    for (const seen of [answer, await world.call(failing.method, failing.path, { ...failing.options, token })]) {
      const kept = MAY_BE_KEPT.has(operation.id) && seen.status < 300
      const cache = { 'cache-control': kept ? /^public, max-age=\d+$/ : /^no-store$/ }
      wrong.push(
        ...lacking(seen, { ...HEADERS, ...LIMITS, ...cache }).map((what) => `${operation.id} ${codeOf(seen)}: ${what}`),
      )
    }
  }
  expect(wrong).toEqual([])
})

test('answers from outside every operation carry the security headers too', async () => {
  const outside: [string, string, object][] = [
    ['GET', '/nothing', {}],
    ['PUT', '/v1/me', {}],
    ['POST', '/v1/auth/login', { raw: '{', headers: { 'content-type': 'application/json' } }],
    ['POST', '/v1/auth/login', { raw: 'x'.repeat(1_000_001), headers: { 'content-type': 'application/json' } }],
    ...PUBLIC_FILES.map((path): [string, string, object] => ['GET', path, {}]),
  ]
  const wrong: string[] = []
  for (const [method, path, options] of outside) {
    const answer = await world.call(method, path, options)
    wrong.push(...lacking(answer, HEADERS).map((what) => `${method} ${path} ${answer.status}: ${what}`))
  }
  expect(wrong).toEqual([])
})

test('a page of another origin is told nothing it could use', async () => {
  const origin = 'https://evil.example'
  const asked = { origin, 'access-control-request-method': 'GET', 'access-control-request-headers': 'authorization' }
  const preflight = await fetch(`${world.url}/v1/me`, { method: 'OPTIONS', headers: asked })
  const answer = await person.api('GET', '/v1/me', { headers: { origin } })
  for (const { headers } of [preflight, answer]) expect(headers.get('access-control-allow-origin')).toBeNull()
  expect(preflight.status).toBe(403)
  const own = await fetch(`${world.url}/v1/me`, {
    method: 'OPTIONS',
    headers: { ...asked, origin: world.vars.PUBLIC_URL ?? '' },
  })
  expect(own.status).toBe(204)
  expect(own.headers.get('access-control-allow-origin')).toBe(world.vars.PUBLIC_URL)
})

test('every answer that was seen here is one the document promises', () => {
  expect([...world.contract.drift]).toEqual([])
  expect(world.contract.coverage().exercised).toBeGreaterThan(world.operations.length * 2)
})
