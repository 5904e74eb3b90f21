import { afterAll, beforeAll, expect, test } from 'vitest'
import { COMPAT_ROUTES } from '#compat/routes'
import { createAuditor, differences } from './matrix-audit.ts'
import { type Callers, endedTokens, wrongTokens } from './matrix-callers.ts'
import { HEADERS, LIMITS, lacking } from './matrix-headers.ts'
import { type Answer, type Person, startWorld, type World } from './world.ts'

let world: World
let person: Person
beforeAll(async () => {
  world = await startWorld()
  const [made] = await world.people(1)
  if (!made) throw new Error('no person')
  person = made
}, 60_000)
afterAll(() => world.stop())

const CHAT = '/compat/openai/v1/chat/completions'
const MESSAGES = '/compat/anthropic/v1/messages'
const messages = [{ role: 'user', content: 'remind me to buy milk' }]
const BODIES: Record<string, object> = {
  [`POST ${CHAT}`]: { model: 'aurelius', messages },
  'POST /compat/openai/v1/responses': { model: 'offline-1', input: 'remind me to buy milk' },
  'POST /compat/openai/v1/embeddings': { model: 'x', input: 'x' },
  'POST /compat/openai/v1/audio/transcriptions': {},
  [`POST ${MESSAGES}`]: { model: 'aurelius', max_tokens: 100, messages },
  [`POST ${MESSAGES}/count_tokens`]: { model: 'aurelius', messages },
}
// No model for these is configured, and what hears takes a form.
const UNANSWERED: Record<string, number> = {
  '/compat/openai/v1/embeddings': 503,
  '/compat/openai/v1/audio/transcriptions': 415,
}
type Target = { id: string; method: string; path: string; body: object | undefined }
const TARGETS: Target[] = COMPAT_ROUTES.map(({ method, path }) => {
  const id = `${method} ${path}`
  return { id, method, path: path.replace('{id}', 'aurelius'), body: BODIES[id] }
})
const isClaude = (path: string) => path.startsWith('/compat/anthropic')

const send = ({ method, path, body }: Target, headers: Record<string, string>) =>
  world.call(method, path, { ...(body && { body }), headers })
const asKeys = (callers: Callers): Callers =>
  Object.fromEntries(
    Object.entries(callers).flatMap(([name, { authorization = '' }]) =>
      authorization.startsWith('Bearer ') ? [[`${name}, as a key`, { 'x-api-key': authorization.slice(7) }]] : [],
    ),
  )

/** What an answer says that is wrong for a refusal in the protocol of its path. */
function wrongShape(path: string, answer: Answer, types: { openai: string; anthropic: string }): string[] {
  const said = Object(answer.json)
  const fits = isClaude(path)
    ? said.type === 'error' && said.error?.type === types.anthropic && /^req_/.test(said.request_id)
    : said.error?.type === types.openai && 'param' in said.error && 'code' in said.error && said.error.message !== ''
  return fits ? [] : [`${path} ${answer.status}: ${answer.text.slice(0, 200)}`]
}

async function refusals(callers: Callers, detail: RegExp): Promise<string[]> {
  const wrong: string[] = []
  for (const target of TARGETS) {
    const tried = isClaude(target.path) ? { ...callers, ...asKeys(callers) } : callers
    for (const [name, headers] of Object.entries(tried)) {
      const answer = await send(target, headers)
      const shape = wrongShape(target.path, answer, {
        openai: 'invalid_request_error',
        anthropic: 'authentication_error',
      })
      const isRefused = answer.status === 401 && detail.test(answer.text) && answer.headers.has('www-authenticate')
      wrong.push(
        ...shape,
        ...(isRefused ? [] : [`${target.id}, ${name}: ${answer.status} ${answer.text.slice(0, 100)}`]),
      )
    }
  }
  return wrong
}

test('every route has a request here, and does what it is there for with the headers of every answer', async () => {
  const wrong: string[] = []
  for (const target of TARGETS) {
    const answer = await send(target, { authorization: `Bearer ${person.accessToken}` })
    const expected = UNANSWERED[target.path] ?? 200
    if (answer.status !== expected) wrong.push(`${target.id}: ${answer.status} ${answer.text.slice(0, 200)}`)
    const { 'server-timing': _, ...headers } = HEADERS
    wrong.push(...lacking(answer, { ...headers, ...LIMITS }).map((what) => `${target.id}: ${what}`))
    if (isClaude(target.path) && !answer.headers.has('request-id')) wrong.push(`${target.id}: no request-id`)
    if (isClaude(target.path)) {
      const keyed = await send(target, { 'x-api-key': person.accessToken })
      if (keyed.status !== 200) wrong.push(`${target.id}, by key: ${keyed.status}`)
    }
  }
  expect(wrong).toEqual([])
  expect(TARGETS.filter(({ method, body }) => method === 'POST' && !body)).toEqual([])
})

test('no route lets in a token that is none, and nothing happens', async () => {
  const auditor = await createAuditor(world)
  const before = await auditor.holdings(person.userId)
  expect(await refusals(await wrongTokens(world, person), /./)).toEqual([])
  expect(differences(before, await auditor.holdings(person.userId))).toEqual([])
})

test('a session that has ended is refused at once by every route, whatever is asked', async () => {
  const callers = await endedTokens(world)
  expect(await refusals(callers, /session has ended/)).toEqual([])
  const [ended = {}] = Object.values(callers)
  const odd: [string, object][] = [
    [CHAT, { model: 'gpt-9', messages }],
    [CHAT, {}],
    [MESSAGES, { model: 'none' }],
    ['/compat/openai/v1/responses', {}],
  ]
  for (const [path, body] of odd) expect((await world.call('POST', path, { body, headers: ended })).status).toBe(401)
  for (const body of [{ stream: true }, { model: 'offline-1', stream: true }])
    expect(
      (await world.call('POST', CHAT, { body: { model: 'aurelius', messages, ...body }, headers: ended })).status,
    ).toBe(401)
})

test('what is refused before any route is refused in the words of its protocol', async () => {
  const json = { 'content-type': 'application/json' }
  const tried: [string, string, object, number, string][] = []
  for (const path of [CHAT, MESSAGES]) {
    tried.push(
      ['POST', path, { raw: '{', headers: json }, 400, 'invalid_request_error'],
      ['POST', path, { raw: '[]', headers: json }, 400, 'invalid_request_error'],
      ['POST', path, { raw: 'x'.repeat(1_000_001), headers: json }, 413, 'request_too_large'],
      ['POST', path, { raw: '{}', headers: { 'content-type': 'text/plain' } }, 415, 'invalid_request_error'],
      ['DELETE', path, {}, 405, 'invalid_request_error'],
      ['GET', `${path}/nothing`, {}, 404, 'not_found_error'],
      ['GET', path.replace('/v1/', '/v9/'), {}, 404, 'not_found_error'],
    )
  }
  const wrong: string[] = []
  for (const [method, path, options, status, anthropic] of tried) {
    const answer = await world.call(method, path, { ...options, token: person.accessToken })
    if (answer.status !== status) wrong.push(`${method} ${path}: ${answer.status}, not ${status}`)
    wrong.push(...wrongShape(path, answer, { openai: 'invalid_request_error', anthropic }))
    if (status === 405 && answer.headers.get('allow') !== 'POST')
      wrong.push(`${path}: Allow: ${answer.headers.get('allow')}`)
  }
  expect(wrong).toEqual([])
  expect((await world.call('GET', '/compat')).json).toMatchObject({ code: 'not_found', instance: expect.any(String) })
})

test('whatever is sent, it is refused in the words of its protocol, never a fault of ours, and nothing happens', async () => {
  const deep = '['.repeat(5000) + ']'.repeat(5000)
  const values = [null, 1e308, -1, true, '', 'x'.repeat(200_000), [], [[]], {}, { role: 'system' }, '\u0000', 0.1]
  const bodies = (body: object): (string | Uint8Array)[] => [
    ...['null', '[]', '"x"', '1e999', '{"a":', '{"__proto__": {"model": "aurelius"}}', deep],
    Uint8Array.from([0x7b, 0x22, 0xff, 0x22, 0x7d]),
    ...Object.keys(body).flatMap((key) => values.map((value) => JSON.stringify({ ...body, [key]: value }))),
  ]
  const auditor = await createAuditor(world)
  const [stranger] = await world.people(1)
  const before = await auditor.holdings(person.userId)
  const wrong: string[] = []
  let cases = 0
  const tell = async (path: string, raw: string | Uint8Array, isRefusal: (status: number) => boolean) => {
    const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' }
    const answer = await world.call('POST', path, { raw, headers, token: stranger?.accessToken })
    cases++
    if (!isRefusal(answer.status)) wrong.push(`${path} ${answer.status}: ${String(raw).slice(0, 80)}`)
    return answer
  }
  for (const { method, path, body } of TARGETS) {
    if (method !== 'POST' || !body || UNANSWERED[path] === 415) continue
    for (const raw of bodies({ ...body, tools: [], stream: false, metadata: {}, temperature: 0 })) {
      // What is left out or unknown to it may still be a request.
      const answer = await tell(
        path,
        raw,
        (status) => status === 200 || (status >= 400 && status < 500) || status === UNANSWERED[path],
      )
      if (answer.status !== 200 && !isClaude(path) && Object(answer.json).error?.message === undefined)
        wrong.push(`${path} ${answer.status} in other words: ${answer.text.slice(0, 100)}`)
      if (answer.status !== 200 && isClaude(path) && Object(answer.json).type !== 'error')
        wrong.push(`${path} ${answer.status} in other words: ${answer.text.slice(0, 100)}`)
    }
  }
  const call = {
    jsonrpc: '2.0',
    id: 1,
    method: 'tools/call',
    params: { name: 'create_task', arguments: { title: 'x' } },
  }
  for (const raw of bodies(call)) await tell('/mcp', raw, (status) => status === 200 || (status >= 400 && status < 500))
  expect(wrong).toEqual([])
  expect(cases).toBeGreaterThan(300)
  expect(differences(before, await auditor.holdings(person.userId))).toEqual([])
})

test('a page of an allowed origin may send what the clients send, and another may not', async () => {
  const asked = {
    'access-control-request-method': 'POST',
    'access-control-request-headers': 'x-api-key,anthropic-version,x-stainless-os',
  }
  const preflight = (origin: string) =>
    fetch(`${world.url}${MESSAGES}`, { method: 'OPTIONS', headers: { ...asked, origin } })
  const own = await preflight(world.vars.PUBLIC_URL ?? '')
  expect(own.status).toBe(204)
  expect(own.headers.get('access-control-allow-headers')).toBe('Authorization, *')
  expect((await preflight('https://evil.example')).status).toBe(403)
  const elsewhere = await fetch(`${world.url}/v1/me`, {
    method: 'OPTIONS',
    headers: { ...asked, origin: world.vars.PUBLIC_URL ?? '' },
  })
  expect(elsewhere.headers.get('access-control-allow-headers')).not.toContain('*')
})
