import { generateKeyPairSync } from 'node:crypto'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { POLICY } from '#auth'
import { createAuditor, differences } from './matrix-audit.ts'
import { codeOf, makeKey } from './matrix-keys.ts'
import { kindOf } from './matrix-objects.ts'
import { type Request, requestFor } from './matrix-requests.ts'
import { validRequest } from './matrix-valid.ts'
import { demanding, newSigner, register, signedCall } from './signing.ts'
import { type Answer, makeId, type Person, startWorld, type World } from './world.ts'

const START_MS = 60_000

let world: World
beforeAll(async () => {
  world = await startWorld()
}, START_MS)
afterAll(() => world.stop())

async function one(): Promise<Person> {
  const [made] = await world.people(1)
  if (!made) throw new Error('no person')
  return made
}
const tripsOf = ({ headers }: Answer) => Number(/trips=(\d+)/.exec(headers.get('server-timing') ?? '')?.[1])
const KEY = { name: 'made by a signed request', scopes: ['tasks:read'] }
const keysOf = async ({ userId }: Person) =>
  (await world.query('select id from api_keys where user_id = $1', [userId])).length

/** What changes something for a signed-in person alone and is done unsigned, with its reason: all else of that kind is high security. */
const UNSIGNED: Record<string, string> = {
  'POST /v1/auth/logout': 'only takes away',
  'DELETE /v1/auth/sessions/{id}': 'only takes away',
  'DELETE /v1/api-keys/{id}': 'only takes away',
  'POST /v1/mcp/servers/{id}/connect': 'begins what a browser ends',
  'POST /v1/auth/step-up': 'shows who it is',
  'POST /v1/auth/verify-email': 'mails a link to the address that is known',
  'DELETE /v1/auth/sessions': 'only takes away',
  'DELETE /v1/oauth/grants/{id}': 'only takes away',
  'POST /v1/me/restore': 'takes an erasure back',
  'POST /v1/devices': 'ends with the sign-in that made it',
  'DELETE /v1/devices/{id}': 'only takes away',
  'DELETE /v1/autonomy': 'only takes away',
}
const highSecurity = () =>
  world.operations.filter(({ id, method }) => method !== 'GET' && POLICY[id] === 'session' && !UNSIGNED[id])

test.each(['ed25519', 'ecdsa-p256-sha256'] as const)(
  'a request signed by %s is taken, an unsigned one is told how to sign',
  async (algorithm) => {
    const { person, send } = await demanding(world, await one(), algorithm)
    const refused = await person.api('POST', '/v1/api-keys', { body: KEY })
    expect(codeOf(refused)).toBe('401 signature_required')
    expect(refused.headers.get('accept-signature')).toBe(
      'sig=("@method" "@target-uri" "content-digest" "content-type");created',
    )
    expect(refused.headers.get('www-authenticate')).toBe('Bearer')
    expect(await keysOf(person)).toBe(0)
    const made = await send('POST', '/v1/api-keys', KEY)
    expect([made.status, await keysOf(person)]).toEqual([201, 1])
    const { id }: { id: string } = JSON.parse(made.text)
    expect((await send('PATCH', `/v1/api-keys/${id}`, { name: 'x' }, {}, { 'if-match': '*' })).status).toBe(200)
    expect((await send('DELETE', '/v1/me')).status).toBe(202)
  },
)

test('whoever demands signatures talks unsigned, and confirms nothing so', async () => {
  const { person, send } = await demanding(world, await one(), 'ed25519')
  const { id } = JSON.parse((await person.api('POST', '/v1/conversations', { body: {} })).text) as { id: string }
  const path = `/v1/conversations/${id}/messages`
  const confirming = { text: 'yes', confirms: ['call_1'] }
  expect((await person.api('POST', path, { body: { text: 'yes' } })).status).toBe(200)
  expect(codeOf(await person.api('POST', path, { body: confirming }))).toBe('401 signature_required')
  expect((await send('POST', path, confirming)).status).toBe(200)
})

/** How many of the keys they added, and of those for a program, they were not written to of yet. */
async function unwritten({ userId }: Person): Promise<number> {
  const [row] = await world.query(
    `select (select count(*) from outbox where user_id = $1 and type in ('signing_key.added', 'key.created'))::int
      - (select count(*) from email_messages where user_id = $1 and kind in ('account_changed', 'key_created')
        and status = 'sent')::int as waiting`,
    [userId],
  )
  return Number(row?.waiting)
}

test('every high-security route refuses whoever demands signatures and does not sign, whatever is asked, and does nothing', async () => {
  const auditor = await createAuditor(world)
  const wrong: string[] = []
  for (const operation of highSecurity()) {
    const owner = await one()
    const valid = await validRequest(world, operation, owner)
    const kind = kindOf(operation.path)
    const missing = kind && requestFor(world.document, operation, { [kind.prefix]: makeId(kind.prefix) })
    const { person } = await demanding(world, owner)
    // They are written to of the new key, which is no doing of what follows.
    await vi.waitFor(async () => expect(await unwritten(person)).toBe(0), { timeout: 10_000, interval: 20 })
    const tries: Request[] = [valid, ...(missing ? [missing] : [])]
    if (operation.body)
      tries.push(...[{}, { unknown: 1 }].map((body) => ({ ...valid, options: { ...valid.options, body } })))
    if (operation.takesIfMatch) tries.push({ ...valid, options: { body: valid.options.body } })
    const before = await auditor.holdings(person.userId)
    for (const { method, path, options } of tries) {
      const answer = await person.api(method, path, options)
      if (codeOf(answer) !== '401 signature_required') wrong.push(`${operation.id}: ${codeOf(answer)}`)
    }
    wrong.push(
      ...differences(before, await auditor.holdings(person.userId)).map((table) => `${operation.id}: ${table}`),
    )
  }
  expect(wrong).toEqual([])
  expect(highSecurity().length).toBeGreaterThan(7)
})

test('what only takes away, and all that is no high security, is done unsigned', async () => {
  const owner = await one()
  const { id } = await makeKey(owner)
  const { person } = await demanding(world, owner)
  expect((await person.api('DELETE', `/v1/api-keys/${id}`)).status).toBe(204)
  expect((await person.api('POST', '/v1/tasks', { body: { title: 'x' } })).status).toBe(201)
  expect((await person.api('POST', '/v1/auth/logout')).status).toBe(204)
})

test('asking whether a signature is demanded costs no trip, verifying one costs one', async () => {
  const owner = await one()
  const plain = tripsOf(await owner.api('POST', '/v1/api-keys', { body: KEY }))
  const { person, send } = await demanding(world, owner)
  expect(tripsOf(await person.api('POST', '/v1/api-keys', { body: KEY }))).toBe(plain)
  expect(tripsOf(await send('POST', '/v1/api-keys', KEY))).toBe(plain + 1)
})

const seconds = () => Math.floor(Date.now() / 1000)

test('a signed request of whoever demands none is verified too, on any route and by an API key', async () => {
  const person = await one()
  const signer = newSigner('ed25519')
  const keyid = await register(person, signer)
  const send = signedCall(world, person, signer, keyid)
  const body = { title: 'signed' }
  expect((await send('POST', '/v1/tasks', body)).status).toBe(201)
  expect((await send('GET', '/v1/tasks?limit=3')).status).toBe(200)
  expect(codeOf(await send('POST', '/v1/tasks', body, { params: { created: seconds() - 400 } }))).toBe(
    '401 invalid_signature',
  )
  const { secret } = await makeKey(person, { scopes: ['tasks:write'] })
  const byKey = signedCall(world, { ...person, accessToken: secret }, signer, keyid)
  expect((await byKey('POST', '/v1/tasks', body)).status).toBe(201)
  expect(codeOf(await byKey('POST', '/v1/tasks', body, { digest: 'sha-256=:AAAA:' }))).toBe('401 invalid_signature')
})

test('an Idempotency-Key repeats an answer for a new signature only', async () => {
  const { send } = await demanding(world, await one())
  const headers = { 'idempotency-key': 'once' }
  const nonce = { params: { nonce: 'the same' } }
  const first = await send('POST', '/v1/tasks', { title: 'x' }, nonce, headers)
  expect(codeOf(await send('POST', '/v1/tasks', { title: 'x' }, nonce, headers))).toBe('401 invalid_signature')
  const again = await send('POST', '/v1/tasks', { title: 'x' }, {}, headers)
  expect([again.text, again.headers.get('idempotent-replayed')]).toEqual([first.text, 'true'])
})

test('demanding asks for a key, no longer demanding for a signature, both for a fresh sign-in', async () => {
  const person = await one()
  const put = (demand: boolean) => person.api('PUT', '/v1/signing-keys/policy', { body: { demand } })
  expect(codeOf(await put(true))).toBe('409 conflict')
  const { send, keyid } = await demanding(world, person)
  expect((await person.api('GET', '/v1/signing-keys/policy')).json).toEqual({ demand: true })
  expect(codeOf(await put(false))).toBe('401 signature_required')
  expect(codeOf(await send('DELETE', `/v1/signing-keys/${keyid}`))).toBe('409 conflict')
  const old = await world.token(person.userId, person.sessionId, { claims: { auth_time: seconds() - 301 } })
  const publicKey = newSigner('ed25519').publicKey.export({ format: 'jwk' })
  for (const [method, path, body] of [
    ['PUT', '/v1/signing-keys/policy', { demand: false }],
    ['POST', '/v1/signing-keys', { name: 'x', publicKey }],
  ] as const) {
    const signer = newSigner('ed25519')
    const { id }: { id: string } = JSON.parse(
      (await send('POST', '/v1/signing-keys', { name: 'y', publicKey: signer.publicKey.export({ format: 'jwk' }) }))
        .text,
    )
    const aged = await signedCall(world, { ...person, accessToken: old }, signer, id)(method, path, body)
    expect(codeOf(aged)).toBe('401 step_up_required')
  }
  expect((await send('PUT', '/v1/signing-keys/policy', { demand: false })).json).toEqual({ demand: false })
  expect((await person.api('DELETE', `/v1/signing-keys/${keyid}`)).status).toBe(204)
  expect((await person.api('POST', '/v1/api-keys', { body: KEY })).status).toBe(201)
})

test('a key that is added where signatures are demanded holds the demand when the others go', async () => {
  const { person, keyid, send } = await demanding(world, await one())
  const next = newSigner('ecdsa-p256-sha256')
  const added = await send('POST', '/v1/signing-keys', {
    name: 'next',
    publicKey: next.publicKey.export({ format: 'pem', type: 'spki' }),
  })
  const { id }: { id: string } = JSON.parse(added.text)
  expect((await send('DELETE', `/v1/signing-keys/${keyid}`)).status).toBe(204)
  expect(codeOf(await person.api('POST', '/v1/api-keys', { body: KEY }))).toBe('401 signature_required')
  expect((await signedCall(world, person, next, id)('POST', '/v1/api-keys', KEY)).status).toBe(201)
})

test('only a public key of the two kinds is registered, once, and twenty of them at most', async () => {
  const person = await one()
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const add = (key: object | string | undefined) =>
    person.api('POST', '/v1/signing-keys', { body: { name: 'x', publicKey: key } })
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey
  const off = { kty: 'EC', crv: 'P-256', x: 'A'.repeat(43), y: 'A'.repeat(43) }
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey
  const wrong = [
    privateKey.export({ format: 'jwk' }),
    privateKey.export({ format: 'pem', type: 'pkcs8' }),
    rsa.export({ format: 'jwk' }),
    off,
    p384.export({ format: 'pem', type: 'spki' }),
    'AAAA',
    undefined,
  ]
  for (const key of wrong) expect(codeOf(await add(key))).toBe('400 invalid_request')
  expect((await add(publicKey.export({ format: 'jwk' }))).status).toBe(201)
  expect(codeOf(await add(publicKey.export({ format: 'pem', type: 'spki' })))).toBe('409 conflict')
  for (let n = 1; n < 20; n++) await register(person, newSigner('ed25519'))
  expect(codeOf(await add(newSigner('ed25519').publicKey.export({ format: 'jwk' })))).toBe('409 conflict')
})

test('nonces are forgotten once no signature could use them', async () => {
  const { keyid, send } = await demanding(world, await one())
  await send('GET', '/v1/me')
  await send('GET', '/v1/me')
  const nonces = () => world.query('select nonce from signature_nonces where key_id = $1', [keyid])
  const [first] = await nonces()
  await world.query(
    "update signature_nonces set kept_until = now() - interval '1 second' where key_id = $1 and nonce = $2",
    [keyid, first?.nonce],
  )
  await world.scheduled()
  expect((await nonces()).length).toBe(1)
})

test('every answer that was seen here is one the document promises', () => {
  expect([...world.contract.drift]).toEqual([])
})
