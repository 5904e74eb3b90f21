import { afterAll, beforeAll, expect, test } from 'vitest'
import { POLICY, SCOPES, scopesAsked } from '#auth'
import { COMPAT_ROUTES } from '#compat/routes'
import { codeOf, expireKey, type MadeKey, makeKey } from './matrix-keys.ts'
import { ownRequest, validRequest } from './matrix-valid.ts'
import { eachOf } from './proofs/all.ts'
import { door } from './proofs/lib-effects.ts'
import { erasePerson } from './proofs/lib-erasure.ts'
import { handshake } from './proofs/lib-handshake.ts'
import { openListener } from './proofs/lib-listener.ts'
import { type Answer, type Person, startWorld, type World } from './world.ts'

let world: World
let person: Person
beforeAll(async () => {
  world = await startWorld({ vars: { LOG_LEVEL: 'info' } })
  person = await one()
}, 60_000)
afterAll(() => world.stop())

async function one(): Promise<Person> {
  const [made] = await world.people(1)
  if (!made) throw new Error('nobody was made')
  return made
}

const messages = [{ role: 'user', content: 'hello' }]
const OTHERS: Record<string, object> = {
  '/mcp': { jsonrpc: '2.0', id: 1, method: 'tools/list' },
  '/compat/openai/v1/chat/completions': { model: 'offline-1', messages },
  '/compat/openai/v1/responses': { model: 'offline-1', input: 'hello' },
  '/compat/openai/v1/embeddings': { model: 'x', input: 'x' },
  '/compat/openai/v1/audio/transcriptions': {},
  '/compat/anthropic/v1/messages': { model: 'offline-1', max_tokens: 10, messages },
  '/compat/anthropic/v1/messages/count_tokens': { model: 'offline-1', messages },
}

// No model for these is configured, what hears takes a form, and a kind of effect asks for its own scope too.
const UNANSWERED: Record<string, number> = {
  'POST /compat/openai/v1/embeddings': 503,
  'POST /compat/openai/v1/audio/transcriptions': 415,
  'POST /v1/effects': 403,
  'POST /v1/effects/preview': 403,
}

type Send = (token: string) => Promise<Answer>

/** Every route there is, with a request that would do something. */
async function everyRoute(owner: Person, make: typeof ownRequest): Promise<[string, Send][]> {
  const ours = world.operations.map((operation): [string, () => Promise<Send>] => [
    operation.id,
    async () => {
      const { method, path, options } = await make(world, operation, owner)
      return (token) => world.call(method, path, { ...options, token })
    },
  ])
  const others = [...COMPAT_ROUTES, { method: 'POST', path: '/mcp' }].map(
    ({ method, path }): [string, () => Promise<Send>] => [
      `${method} ${path}`,
      async () => (token) =>
        world.call(method, path.replace('{id}', 'offline-1'), { ...(OTHERS[path] && { body: OTHERS[path] }), token }),
    ],
  )
  return await eachOf([...ours, ...others], 4, async ([id, made]): Promise<[string, Send]> => [id, await made()])
}

const isPersons = ([id]: [string, Send]) => POLICY[id] === 'session' || scopesAsked(POLICY[id]) !== undefined

test('a key that is none any more, or of elsewhere, is refused by every route and for the right reason', async () => {
  const make = (over: Parameters<typeof makeKey>[1] = {}) => makeKey(person, { scopes: SCOPES, ...over })
  const [revoked, expired, elsewhere, valid] = await Promise.all([
    make(),
    make(),
    make({ ipAllow: ['203.0.113.0/24', '2001:db8::/32'] }),
    make(),
  ])
  await person.api('DELETE', `/v1/api-keys/${revoked.id}`)
  const erased = await one()
  const gone = await makeKey(erased, { scopes: SCOPES })
  await erasePerson(world, erased)
  await expireKey(world, expired.id)
  const { secret } = valid
  const last = secret.endsWith('0') ? '1' : '0'
  const refused: Record<string, [string, RegExp]> = {
    revoked: [revoked.secret, /^401 .*was revoked/],
    expired: [expired.secret, /^401 .*has expired/],
    'of another address': [elsewhere.secret, /^403 .*from this address/],
    'with a wrong checksum': [secret.slice(0, -1) + last, /^401 .*not valid/],
    'of somebody who is gone': [gone.secret, /^401 .*not valid/],
  }
  const routes = (await everyRoute(person, ownRequest)).filter(isPersons)
  const wrong = await eachOf(routes, 4, async ([id, send]) => {
    const told = Object.entries(refused).map(async ([name, [token, expected]]) => {
      const answer = await send(token)
      return expected.test(`${answer.status} ${answer.text}`) ? [] : [`${id}, ${name}: ${answer.status} ${answer.text}`]
    })
    return (await Promise.all(told)).flat()
  })
  expect(wrong.flat()).toEqual([])
  expect(routes.length).toBeGreaterThan(60)
})

test('every route takes a key with its scopes, and none that lacks one of them; where a person must sign in, none', async () => {
  const made = new Map<string, Promise<MadeKey>>()
  const keyWith = (scopes: readonly string[]) => {
    const known = made.get(scopes.join()) ?? makeKey(person, { scopes })
    made.set(scopes.join(), known)
    return known
  }
  const wrong = await eachOf((await everyRoute(person, validRequest)).filter(isPersons), 4, async ([id, send]) => {
    const rule = scopesAsked(POLICY[id])
    const found: string[] = []
    if (!rule) {
      const answer = await send((await keyWith(SCOPES)).secret)
      return /^403 .*No API key or app may do this/.test(`${answer.status} ${answer.text}`)
        ? []
        : [`${id}: ${codeOf(answer)}`]
    }
    for (const lacking of rule) {
      const answer = await send((await keyWith(SCOPES.filter((scope) => scope !== lacking))).secret)
      const isRight = answer.status === 403 && answer.text.includes(`lacks ${lacking}`)
      if (!isRight) found.push(`${id} without ${lacking}: ${answer.status} ${answer.text}`)
    }
    const { status, text } = await send((await keyWith(rule)).secret)
    const isDone = status === UNANSWERED[id] || status < 300
    return isDone ? found : [...found, `${id} with ${rule}: ${status} ${text.slice(0, 200)}`]
  })
  expect(wrong.flat()).toEqual([])
})

test('a key is worth nothing where nobody or the operator is asked for', async () => {
  const { secret } = await makeKey(person, { scopes: SCOPES })
  expect(codeOf(await world.call('GET', '/v1/admin/dead-letters', { token: secret }))).toBe('401 invalid_token')
  expect(codeOf(await world.call('POST', '/v1/auth/refresh', { body: { refreshToken: secret } }))).toMatch(/^400/)
})

test('a secret is shown once: neither the database nor a log has it, of the first and of the next', async () => {
  const first = await makeKey(person, { scopes: ['tasks:read'] })
  const shown = await person.api('GET', `/v1/api-keys/${first.id}`)
  const rotated: MadeKey = JSON.parse(
    (await person.api('POST', `/v1/api-keys/${first.id}/rotate`, { body: { graceSeconds: 60 } })).text,
  )
  for (const { secret } of [first, rotated])
    expect((await world.call('GET', '/v1/tasks', { token: secret })).status).toBe(200)
  await person.api('GET', '/v1/api-keys')
  const tables = await world.query(
    "select table_name as name from information_schema.tables where table_schema = 'public'",
  )
  const dump = await Promise.all(
    tables.map(({ name }) => world.query(`select to_jsonb(t)::text as row from "${name}" t`)),
  )
  const all = [shown.text, JSON.stringify(dump), JSON.stringify(world.logs)]
  expect(all.every((text) => text.includes(first.id))).toBe(true)
  for (const { secret } of [first, rotated])
    for (const text of all) expect(text.includes(secret.slice(19, 40))).toBe(false)
  expect(shown.json).not.toHaveProperty('hash')
})

test('a rotated key works with its new secret at once and with its old one through the grace only', async () => {
  const { id, secret: old } = await makeKey(person)
  const tryWith = async (token: string) => codeOf(await world.call('GET', '/v1/tasks', { token }))
  const rotate = async (graceSeconds: number): Promise<MadeKey> =>
    JSON.parse((await person.api('POST', `/v1/api-keys/${id}/rotate`, { body: { graceSeconds } })).text)
  const { secret: next } = await rotate(3600)
  expect([await tryWith(old), await tryWith(next)]).toEqual(['200', '200'])
  await world.query("update api_keys set grace_until = now() - interval '1 second' where id = $1", [id])
  expect([await tryWith(old), await tryWith(next)]).toEqual(['401 invalid_token', '200'])
  const { secret: last } = await rotate(0)
  expect([await tryWith(next), await tryWith(last)]).toEqual(['401 invalid_token', '200'])
  const tooLong = await person.api('POST', `/v1/api-keys/${id}/rotate`, { body: { graceSeconds: 86_401 } })
  expect(codeOf(tooLong)).toBe('400 invalid_request')
})

test('what a key has open is closed when its secret is replaced at once, or it may do less, and it comes back', async () => {
  const { id, secret } = await makeKey(person, { scopes: SCOPES })
  const listen = (token: string) => openListener(door(world.url, token), { topics: ['tasks'] })
  const isClosed = async (listener: Awaited<ReturnType<typeof listen>>) => {
    const closed = await listener.until(() => !listener.isOpen(), 5000)
    listener.stop()
    return closed
  }
  const rotate = (graceSeconds: number) => person.api('POST', `/v1/api-keys/${id}/rotate`, { body: { graceSeconds } })
  const first = await listen(secret)
  const { secret: second }: MadeKey = JSON.parse((await rotate(3600)).text)
  expect(first.isOpen()).toBe(true)
  const ticket = await door(world.url, second).ticket()
  const { secret: third }: MadeKey = JSON.parse((await rotate(0)).text)
  expect(await isClosed(first)).toBe(true)
  expect((await handshake(`${world.url}/v1/realtime?ticket=${ticket}`)).status).toBe(401)
  const again = await listen(third)
  const headers = { 'if-match': '*' }
  await person.api('PATCH', `/v1/api-keys/${id}`, { body: { name: 'another name' }, headers })
  expect(again.isOpen()).toBe(true)
  await person.api('PATCH', `/v1/api-keys/${id}`, { body: { scopes: ['realtime'] }, headers })
  expect(await isClosed(again)).toBe(true)
  expect((await world.call('POST', '/v1/realtime/ticket', { token: third })).status).toBe(403)
})

test('making, changing and rotating a key ask for a sign-in of the last five minutes', async () => {
  const { id } = await makeKey(person)
  const seconds = Math.floor(Date.now() / 1000)
  const signedIn = async (authTime: number | undefined) =>
    await world.token(person.userId, person.sessionId, { claims: { auth_time: authTime } })
  const acts: [string, string, object][] = [
    ['POST', '/v1/api-keys', { name: 'x', scopes: ['tasks:read'] }],
    ['PATCH', `/v1/api-keys/${id}`, { scopes: ['tasks:write'] }],
    ['POST', `/v1/api-keys/${id}/rotate`, {}],
  ]
  for (const [method, path, body] of acts) {
    for (const old of [await signedIn(seconds - 301), await signedIn(undefined)]) {
      const answer = await world.call(method, path, { body, token: old, headers: { 'if-match': '*' } })
      expect(codeOf(answer)).toBe('401 step_up_required')
      expect(answer.headers.get('www-authenticate')).toBe(
        'Bearer error="insufficient_user_authentication", max_age="300"',
      )
    }
    const fresh = await world.call(method, path, {
      body,
      token: await signedIn(seconds - 290),
      headers: { 'if-match': '*' },
    })
    expect(fresh.status).toBeLessThan(300)
  }
  const aged = await signedIn(seconds - 3000)
  expect((await world.call('DELETE', `/v1/api-keys/${id}`, { token: aged })).status).toBe(204)
})

const tripsOf = ({ headers }: Answer) => Number(/trips=(\d+)/.exec(headers.get('server-timing') ?? '')?.[1])

test('a key costs one trip more than a session, and a hundred first uses at once all go through', async () => {
  const { id, secret } = await makeKey(person, {
    scopes: ['profile:read', 'tasks:write'],
    ipAllow: ['127.0.0.0/8', '::1'],
  })
  const uses = await Promise.all(Array.from({ length: 100 }, () => world.call('GET', '/v1/me', { token: secret })))
  expect(uses.filter(({ status }) => status !== 200).map(({ text }) => text)).toEqual([])
  const own = tripsOf(await person.api('GET', '/v1/me'))
  expect(new Set(uses.map(tripsOf))).toEqual(new Set([own + 1]))
  const body = { title: 'x' }
  const made = tripsOf(await person.api('POST', '/v1/tasks', { body }))
  expect(tripsOf(await world.call('POST', '/v1/tasks', { body, token: secret }))).toBe(made + 1)
  const { json } = await person.api('GET', `/v1/api-keys/${id}`)
  expect(json).toMatchObject({ lastUsedAt: expect.stringMatching(/:00\.000Z$/), version: 1 })
})

test('keys are their person’s alone, and so is what they reach', async () => {
  const other = await one()
  const { id, secret } = await makeKey(person, { scopes: ['tasks:read', 'tasks:write'] })
  const task: { id: string } = JSON.parse((await other.api('POST', '/v1/tasks', { body: { title: 'theirs' } })).text)
  for (const method of ['GET', 'DELETE'])
    expect(codeOf(await world.call(method, `/v1/tasks/${task.id}`, { token: secret }))).toBe('404 not_found')
  expect(codeOf(await other.api('GET', `/v1/api-keys/${id}`))).toBe('404 not_found')
  expect(codeOf(await other.api('POST', `/v1/api-keys/${id}/rotate`, { body: {} }))).toBe('404 not_found')
  expect((await other.api('GET', '/v1/api-keys')).json).toEqual({ items: [], nextCursor: null })
  await erasePerson(world, other)
  expect((await world.call('GET', '/v1/tasks', { token: secret })).status).toBe(200)
})

test('a key may be held to a rate of its own', async () => {
  const { secret } = await makeKey(person, { ratePerMinute: 2 })
  const answers: Answer[] = []
  for (let n = 0; n < 3; n++) answers.push(await world.call('GET', '/v1/tasks', { token: secret }))
  expect(answers.map(codeOf)).toEqual(['200', '200', '429 rate_limited'])
  expect(answers[2]?.headers.get('ratelimit-policy')).toBe('"key";q=2;w=60')
  expect((await person.api('GET', '/v1/tasks')).status).toBe(200)
})

test('an Idempotency-Key is that of the key that sent it', async () => {
  const scopes = ['tasks:write']
  const [one, two] = await Promise.all([makeKey(person, { scopes }), makeKey(person, { scopes })])
  const send = async (token: string): Promise<{ id: string }> => {
    const headers = { 'idempotency-key': 'the-same' }
    return JSON.parse((await world.call('POST', '/v1/tasks', { token, body: { title: 'x' }, headers })).text)
  }
  const tokens = [one.secret, one.secret, two.secret, person.accessToken]
  const ids: string[] = []
  for (const token of tokens) ids.push((await send(token)).id)
  expect(ids[0]).toBe(ids[1])
  expect(new Set(ids).size).toBe(3)
})

test('every answer that was seen here is one the document promises', () => {
  // What speaks another protocol is not in the document.
  expect([...world.contract.drift].filter((found) => !found.includes('(undeclared)'))).toEqual([])
})
