import { createPublicKey } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { digestOf, newSigner, type Over } from '#test/signing'
import {
  acceptSignature,
  isSignedBy,
  type Message,
  readPublicKey,
  readSignature,
  signatureBase,
} from './message-signatures.ts'
import { parseLists } from './structured-fields.ts'

const NOW = new Date()
const URL_ASKED = 'https://api.example.com/v1/api-keys?a=1&b=%20'
const BODY = '{"name":"a key \u00e9"}'

type Sent = { method?: string; url?: string; body?: string }

/** Signed by the outside implementation, then read and verified by ours. */
async function judge(over: Over = {}, signed: Sent = {}, arrived: Sent & { headers?: Record<string, string> } = {}) {
  const signer = newSigner('ed25519')
  const sent = { method: 'POST', url: URL_ASKED, body: BODY, ...signed }
  const given = { ...(await signer.sign('sgk_1', sent, over)), ...arrived.headers }
  const { method, url, body } = { ...sent, ...arrived }
  return await verdict({ method, target: new URL(url), headers: new Headers(given), body }, signer)
}

async function verdict(message: Message, { publicKey }: Pick<ReturnType<typeof newSigner>, 'publicKey'>) {
  const reading = readSignature(message, NOW)
  if (!reading.ok) return reading.reason
  const key = await readPublicKey(publicKey.export({ format: 'pem', type: 'spki' }).toString())
  if (!key) throw new Error('no key')
  return (await isSignedBy(key, reading.claimed)) ? 'good' : 'not signed by the key'
}

test('what the outside implementation signs by either algorithm is good, with a body and without', async () => {
  expect(await judge()).toBe('good')
  expect(await judge({}, { method: 'DELETE', body: '' })).toBe('good')
  expect(await judge({ params: { tag: 'a "quoted\\ tag', expires: NOW.getTime() / 1000 + 60 } })).toBe('good')
  expect(await judge({ digest: digestOf(BODY, 'sha-512') })).toBe('good')
  const all = ['@method', '@target-uri', '@authority', '@scheme', '@path', '@query', 'content-digest', 'content-type']
  expect(await judge({ fields: all })).toBe('good')
  const signer = newSigner('ecdsa-p256-sha256')
  const headers = new Headers(await signer.sign('sgk_1', { method: 'POST', url: URL_ASKED, body: BODY }))
  expect(await verdict({ method: 'POST', target: new URL(URL_ASKED), headers, body: BODY }, signer)).toBe('good')
})

const seconds = Math.floor(NOW.getTime() / 1000)
const only = (...fields: string[]): Over => ({ fields })
const DIGEST = 'Content-Digest is not that of the body, by sha-256 or sha-512'
const lists = async (over: Over = {}) => {
  const headers = await newSigner('ed25519').sign('sgk_1', { method: 'POST', url: URL_ASKED, body: BODY }, over)
  return { input: headers['Signature-Input'] ?? '', value: headers['Signature'] ?? '' }
}

test.each<[string, Parameters<typeof judge>, string | RegExp]>([
  ['another body', [{}, {}, { body: '{}' }], DIGEST],
  ['no body any more', [{}, {}, { body: '' }], DIGEST],
  ['a digest by what is broken alone', [{ digest: 'md5=:aaaa:' }], DIGEST],
  ['one digest right and one wrong', [{ digest: `${digestOf(BODY)}, sha-512=:AAAA:` }], DIGEST],
  ['a digest that is none', [{ digest: 'sha-256=AAAA' }], DIGEST],
  ['another method', [{}, {}, { method: 'PUT' }], 'not signed by the key'],
  ['another path', [{}, {}, { url: URL_ASKED.replace('api-keys', 'me') }], 'not signed by the key'],
  ['another query', [{}, {}, { url: `${URL_ASKED}&c=2` }], 'not signed by the key'],
  ['another host', [{}, {}, { url: URL_ASKED.replace('api.', 'evil.') }], 'not signed by the key'],
  ['another scheme', [{}, {}, { url: URL_ASKED.replace('https', 'http') }], 'not signed by the key'],
  ['a type that was changed', [{}, {}, { headers: { 'content-type': 'text/plain' } }], 'not signed by the key'],
  ['no method', [only('@target-uri', 'content-digest', 'content-type')], 'it does not cover @method'],
  ['no target', [only('@method', '@path', 'content-digest', 'content-type')], 'it does not cover @target-uri'],
  ['no digest', [only('@method', '@target-uri', 'content-type')], 'it does not cover content-digest'],
  ['no type', [only('@method', '@target-uri', 'content-digest')], 'it does not cover content-type'],
  ['a component of a component', [only('@method', '@target-uri', 'content-digest;sf')], /must be as RFC 9421/],
  ['no time', [{ params: { created: undefined, expires: undefined } }], /are asked for/],
  ['no nonce', [{ params: { nonce: undefined } }], /are asked for/],
  ['no keyid', [{ params: { keyid: undefined } }], /are asked for/],
  ['a long nonce', [{ params: { nonce: 'x'.repeat(129) } }], /are asked for/],
  ['too old', [{ params: { created: seconds - 302 } }], 'it has expired'],
  ['expired by its own word', [{ params: { created: seconds - 20, expires: seconds - 1 } }], 'it has expired'],
  ['of later', [{ params: { created: seconds + 8 } }], 'it was created in the future'],
  ['another algorithm than the key has', [{ params: { alg: 'ecdsa-p256-sha256' } }], 'not signed by the key'],
  ['no algorithm at all', [{ params: { alg: 'none' } }], 'not signed by the key'],
  ['the public key as a secret', [{ params: { alg: 'hmac-sha256' } }], 'not signed by the key'],
  ['a parameter nobody knows', [{ params: { other: 'x' } }], 'the parameter other is not taken, or not as it is'],
])('%s is refused', async (_, given, expected) => {
  expect(await judge(...given)).toMatch(expected)
})

test('a time that is a little ahead, or just within five minutes, is taken', async () => {
  for (const created of [seconds + 4, seconds - 298]) expect(await judge({ params: { created } })).toBe('good')
})

test('two signatures, one under another name, or a header twice, are refused', async () => {
  const [one, two] = [await lists(), await lists({ name: 'other' })]
  const tries = [
    { 'Signature-Input': `${one.input}, ${two.input}`, Signature: `${one.value}, ${two.value}` },
    { 'Signature-Input': one.input, Signature: `${one.value}, ${two.value}` },
    { 'Signature-Input': `${one.input}, ${two.input}`, Signature: one.value },
    { 'Signature-Input': one.input, Signature: two.value },
    { 'Signature-Input': `${one.input}, ${one.input}`, Signature: one.value },
    { 'Signature-Input': one.input, Signature: `${one.value}, ${one.value}` },
  ]
  for (const headers of tries) expect(await judge({}, {}, { headers })).toMatch(/one signature|as RFC 9421 writes/)
})

test('whatever the headers hold, reading them ends in an answer', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary-ascii' }),
    fc.string({ maxLength: 40 }),
    fc.constantFrom('sig=()', 'sig=:AA==:', 'sig=("@method" "@target-uri");created=1;keyid="k";nonce="n"'),
  )
  fc.assert(
    fc.property(text, text, text, fc.string(), (input, signature, digest, body) => {
      const given = new Map([
        ['signature-input', input],
        ['signature', signature],
        ['content-digest', digest],
      ])
      const headers = { get: (name: string) => given.get(name) ?? null }
      const reading = readSignature({ method: 'POST', target: new URL(URL_ASKED), headers, body }, NOW)
      expect(reading.ok).toBe(false)
    }),
    { numRuns: 2000, seed: 9421 },
  )
})

const ED25519 = { kty: 'OKP', crv: 'Ed25519', x: 'JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs' } as const
const P256 = {
  kty: 'EC',
  crv: 'P-256',
  x: 'qIVYZVLCrPZHGHjP17CTW0_-D9Lfw0EkjqF7xB4FivA',
  y: 'Mc4nN9LTDOBhfoUeg8Ye9WedFRhnZXZJA12Qp0zZ6F0',
} as const
const CERT =
  ':MIIBqDCCAU6gAwIBAgIBBzAKBggqhkjOPQQDAjA6MRswGQYDVQQKDBJMZXQncyBBdXRoZW50aWNhdGUxGzAZBgNVBAMMEkxBIEludGVybWVkaWF0ZSBDQTAeFw0yMDAxMTQyMjU1MzNaFw0yMTAxMjMyMjU1MzNaMA0xCzAJBgNVBAMMAkJDMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE8YnXXfaUgmnMtOXU/IncWalRhebrXmckC8vdgJ1p5Be5F/3YC8OthxM4+k1M6aEAEFcGzkJiNy6J84y7uzo9M6NyMHAwCQYDVR0TBAIwADAfBgNVHSMEGDAWgBRm3WjLa38lbEYCuiCPct0ZaSED2DAOBgNVHQ8BAf8EBAMCBsAwEwYDVR0lBAwwCgYIKwYBBQUHAwIwHQYDVR0RAQH/BBMwEYEPYmRjQGV4YW1wbGUuY29tMAoGCCqGSM49BAMCA0gAMEUCIBHda/r1vaL6G3VliL4/Di6YK0Q6bMjeSkC3dFCOOB8TAiEAx/kHSB4urmiZ0NX5r5XarmPk0wmuydBVoU4hBVZ1yhk=:'

// Of RFC 9421, appendix B: what is signed and what it is signed by; the two of P-256 and the two of Ed25519.
test.each([
  [
    'B.2.4',
    P256,
    {
      '@status': '200',
      'content-type': 'application/json',
      'content-digest':
        'sha-512=:mEWXIS7MaLRuGgxOBdODa3xqM1XdEvxoYhvlCFJ41QJgJc4GTsPp29l5oGX69wWdXymyU0rjJuahq4l5aGgfLQ==:',
      'content-length': '23',
    },
    ';created=1618884473;keyid="test-key-ecc-p256"',
    'wNmSUAhwb5LxtOtOpNa6W5xj067m5hFrj0XQ4fvpaCLx0NKocgPquLgyahnzDnDAUy5eCdlYUEkLIj+32oiasw==',
  ],
  [
    'B.2.6',
    ED25519,
    {
      date: 'Tue, 20 Apr 2021 02:07:55 GMT',
      '@method': 'POST',
      '@path': '/foo',
      '@authority': 'example.com',
      'content-type': 'application/json',
      'content-length': '18',
    },
    ';created=1618884473;keyid="test-key-ed25519"',
    'wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==',
  ],
  [
    'B.3',
    P256,
    {
      '@path': '/foo',
      '@query': '?param=Value&Pet=dog',
      '@method': 'POST',
      '@authority': 'service.internal.example',
      'client-cert': CERT,
    },
    ';created=1618884473;keyid="test-key-ecc-p256"',
    'xVMHVpawaAC/0SbHrKRs9i8I3eOs5RtTMGCWXm/9nvZzoHsIg6Mce9315T6xoklyy0yzhD9ah4JHRwMLOgmizw==',
  ],
  [
    'B.4',
    ED25519,
    { '@method': 'GET', '@path': '/demo', '@authority': 'example.org', accept: 'application/json, */*' },
    ';created=1618884473;keyid="test-key-ed25519"',
    'ZT1kooQsEHpZ0I1IjCqtQppOmIqlJPeo7DHR3SoMn0s5JZ1eRGS0A+vyYP9t/LXlh5QMFFQ6cpLt2m0pmj3NDA==',
  ],
])(
  'the example %s of RFC 9421 verifies, and with one letter changed it does not',
  async (_, jwk, components, params, signature) => {
    const list = parseLists(
      `sig=(${Object.keys(components)
        .map((name) => `"${name}"`)
        .join(' ')})${params}`,
    )?.get('sig')
    const values = new Map(Object.entries(components))
    const key = await readPublicKey(jwk)
    const base = list && signatureBase(list, (name) => values.get(name))
    if (!key || !base) throw new Error('no key or no base')
    const claimed = { algorithm: undefined, base, signature: new Uint8Array(Buffer.from(signature, 'base64')) }
    expect(await isSignedBy(key, claimed)).toBe(true)
    expect(await isSignedBy(key, { ...claimed, base: base.replace('created=1', 'created=2') })).toBe(false)
  },
)

test('a key is the same from its JWK, its SPKI and its PEM; what is none, or off the curve, is refused', async () => {
  for (const jwk of [ED25519, P256]) {
    const key = createPublicKey({ key: jwk, format: 'jwk' })
    const pem = key.export({ format: 'pem', type: 'spki' }).toString()
    const der = key.export({ format: 'der', type: 'spki' }).toString('base64')
    const read = await readPublicKey(jwk)
    expect(read?.raw).toMatch(/^[\w-]{43,87}$/)
    expect([await readPublicKey(pem), await readPublicKey(der)]).toEqual([read, read])
  }
  const off = { ...P256, y: P256.x }
  const rsa = 'MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA'
  for (const none of [off, rsa, '', 'AAAA', { ...ED25519, crv: 'X25519' }, { ...P256, crv: 'P-384' }])
    expect(await readPublicKey(none)).toBeUndefined()
})

test('what is accepted is told as RFC 9421 has it', () => {
  expect(acceptSignature(true)).toBe('sig=("@method" "@target-uri" "content-digest" "content-type");created')
  expect(acceptSignature(false)).toBe('sig=("@method" "@target-uri");created')
})
