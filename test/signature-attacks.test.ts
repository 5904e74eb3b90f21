import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { codeOf } from './matrix-keys.ts'
import { demanding, newSigner, type Over, register, signedCall } from './signing.ts'
import { makeId, type Person, startWorld, type World } from './world.ts'

const START_MS = 60_000
const FUZZ_MS = 60_000
const FUZZED = 1000

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
const KEY = { name: 'made by a signed request', scopes: ['tasks:read'] }
const keysOf = async ({ userId }: Person) =>
  (await world.query('select id from api_keys where user_id = $1', [userId])).length

const seconds = () => Math.floor(Date.now() / 1000)
const without = (headers: Record<string, string>, name: string) =>
  Object.fromEntries(Object.entries(headers).filter(([known]) => known !== name))
test('each attack on a signature is refused and does nothing', async () => {
  const [owner, other] = await world.people(2)
  if (!owner || !other) throw new Error('no people')
  const { person, signer, keyid, send } = await demanding(world, owner)
  const stranger = newSigner('ed25519')
  const theirs = await register(other, stranger)
  const p256 = newSigner('ecdsa-p256-sha256')
  const p256Id = await register(other, p256)
  const gone = newSigner('ed25519')
  const added = await send('POST', '/v1/signing-keys', {
    name: 'gone',
    publicKey: gone.publicKey.export({ format: 'jwk' }),
  })
  const { id: goneId }: { id: string } = JSON.parse(added.text)
  expect((await signedCall(world, person, gone, goneId)('POST', '/v1/api-keys', KEY)).status).toBe(201)
  expect((await send('DELETE', `/v1/signing-keys/${goneId}`)).status).toBe(204)
  const before = await keysOf(person)

  const raw = JSON.stringify(KEY)
  const url = `${world.vars.PUBLIC_URL}/v1/api-keys`
  const signed = async (over: Over = {}, from: Partial<{ method: string; url: string; body: string }> = {}) =>
    await signer.sign(keyid, { method: 'POST', url, body: raw, ...from }, over)
  const [first, second] = [await signed(), await signed({ name: 'two' })]
  const attacks: Record<string, Record<string, string>> = {
    'another body': await signed({}, { body: JSON.stringify({ ...KEY, scopes: ['tasks:write'] }) }),
    'another digest': await signed({ digest: 'sha-256=:AAAA:' }),
    'another method': await signed({}, { method: 'PUT' }),
    'another path': await signed({}, { url: `${url}/x` }),
    'another query': await signed({}, { url: `${url}?a=1` }),
    'another host': await signed({}, { url: 'http://evil.test/v1/api-keys' }),
    'no target': await signed({ fields: ['@method', 'content-digest', 'content-type'] }),
    'no digest': await signed({ fields: ['@method', '@target-uri', 'content-type'] }),
    'no nonce': await signed({ params: { nonce: undefined } }),
    'too old': await signed({ params: { created: seconds() - 301 } }),
    expired: await signed({ params: { created: seconds() - 30, expires: seconds() - 1 } }),
    'of later': await signed({ params: { created: seconds() + 60 } }),
    'an unknown key': await signed({ params: { keyid: makeId('sgk') } }),
    "another person's key": await stranger.sign(theirs, { method: 'POST', url, body: raw }),
    "another person's key under our name": await stranger.sign(keyid, { method: 'POST', url, body: raw }),
    "another person's key of the other kind": await p256.sign(p256Id, { method: 'POST', url, body: raw }),
    'a key that was removed': await gone.sign(goneId, { method: 'POST', url, body: raw }),
    'another algorithm': await signed({ params: { alg: 'ecdsa-p256-sha256' } }),
    'two signatures': {
      ...first,
      Signature: `${first['Signature']}, ${second['Signature']}`,
      'Signature-Input': `${first['Signature-Input']}, ${second['Signature-Input']}`,
    },
    'no Signature-Input': without(await signed(), 'Signature-Input'),
    'no Signature': without(await signed(), 'Signature'),
    'a signature of zeros': { ...(await signed()), Signature: `sig=:${Buffer.alloc(64).toString('base64')}:` },
    'a short signature': { ...(await signed()), Signature: 'sig=:AAAA:' },
    'a type that was changed': { ...(await signed()), 'content-type': 'application/json; a=b' },
  }
  const answers = await Promise.all(
    Object.entries(attacks).map(async ([name, headers]) => {
      const answer = await world.call('POST', '/v1/api-keys', { token: person.accessToken, raw, headers })
      return `${name}: ${codeOf(answer)}`
    }),
  )
  expect(answers).toEqual(Object.keys(attacks).map((name) => `${name}: 401 invalid_signature`))
  expect(await keysOf(person)).toBe(before)
  expect((await send('POST', '/v1/api-keys', KEY)).status).toBe(201)
})

test('of a hundred copies at once of one signed request exactly one is taken', async () => {
  const { person, signer, keyid } = await demanding(world, await one())
  const raw = JSON.stringify(KEY)
  const headers = await signer.sign(keyid, { method: 'POST', url: `${world.vars.PUBLIC_URL}/v1/api-keys`, body: raw })
  const copies = Array.from({ length: 100 }, () =>
    world.call('POST', '/v1/api-keys', { token: person.accessToken, raw, headers }),
  )
  const codes = (await Promise.all(copies)).map(codeOf)
  expect(codes.filter((code) => code === '201').length).toBe(1)
  expect(codes.filter((code) => code === '401 invalid_signature').length).toBe(99)
  expect(await keysOf(person)).toBe(1)
})

test(
  'a thousand malformed signatures are refused, none breaks anything',
  async () => {
    const { person, signer, keyid } = await demanding(world, await one())
    const raw = JSON.stringify(KEY)
    const good = await signer.sign(keyid, { method: 'POST', url: `${world.vars.PUBLIC_URL}/v1/api-keys`, body: raw })
    const names = ['Signature', 'Signature-Input', 'content-digest'] as const
    const letter = fc.constantFrom(...'"\\();=:, \tabz09*-._@/+'.split(''))
    const change = fc.record({
      name: fc.constantFrom(...names),
      at: fc.nat(200),
      drop: fc.nat(6),
      put: fc.array(letter, { minLength: 1, maxLength: 6 }),
    })
    const changes = fc.sample(change, { numRuns: FUZZED, seed: 9421 }).map(({ name, at, drop, put }) => {
      const value = good[name] ?? ''
      const from = at % value.length
      return { ...good, [name]: `${value.slice(0, from)}${put.join('')}${value.slice(from + drop)}` }
    })
    const changed = changes.filter((headers) => names.some((name) => headers[name]?.trim() !== good[name]))
    const codes = new Map<string, number>()
    const queue = [...changed]
    const work = async () => {
      for (let headers = queue.pop(); headers; headers = queue.pop()) {
        const code = codeOf(await world.call('POST', '/v1/api-keys', { token: person.accessToken, raw, headers }))
        codes.set(code, (codes.get(code) ?? 0) + 1)
      }
    }
    await Promise.all(Array.from({ length: 8 }, work))
    expect([...codes.keys()]).toEqual(['401 invalid_signature'])
    expect(changed.length).toBeGreaterThan(900)
    expect(await keysOf(person)).toBe(0)
  },
  FUZZ_MS,
)

test('every answer that was seen here is one the document promises', () => {
  expect([...world.contract.drift]).toEqual([])
})
