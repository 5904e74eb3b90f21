import { randomBytes } from 'node:crypto'
import { makeId } from '../world.ts'
import { encode, type Forge, type Forgery, type Json, partsOf } from './lib-jws.ts'

const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n
const MUTATIONS = 150
const BIT_FLIPS = 100

/** A valid token that was tampered with, in its text or its bytes. */
export function mangled(forge: Forge): Forgery[] {
  return [...tampered(forge), ...signatures(forge), ...encodings(forge), ...shapes(forge), ...mutations(forge)]
}

/** What a forger can do with a signature they were given: nothing. */
function tampered(forge: Forge): Forgery[] {
  const { head, body, signature, header, payload } = partsOf(forge)
  const json = JSON.stringify(payload)
  const [otherHead, otherBody, otherSignature] = forge.other.split('.')
  const payloads = [
    ...Object.keys(payload).flatMap((name) => [
      { ...payload, [name]: 'x' },
      { ...payload, [name]: undefined },
    ]),
    { ...payload, exp: 9e9 },
    { ...payload, admin: true },
    `${json.slice(0, -1)},"sub":"${makeId('usr')}"}`,
    `{"sub":"${makeId('usr')}",${json.slice(1)}`,
    `${json} `,
    `\u{feff}${json}`,
    json.replace('"sub"', '"\\u0073ub"'),
    '{}',
    '[]',
    'null',
    '',
  ]
  const headers = [
    ...Object.keys(header).map((name) => ({ ...header, [name]: undefined })),
    { ...header, zip: 'DEF' },
    { ...header, b64: false },
    `${JSON.stringify(header).slice(0, -1)},"alg":"none"}`,
    `{"alg":"none",${JSON.stringify(header).slice(1)}`,
    '{}',
    'null',
    '[]',
  ]
  return [
    ...payloads.map((made) => ({ what: 'another payload', token: `${head}.${encode(made)}.${signature}` })),
    ...headers.map((made) => ({ what: 'another header', token: `${encode(made)}.${body}.${signature}` })),
    { what: "somebody else's payload", token: `${head}.${otherBody}.${signature}` },
    { what: "somebody else's signature", token: `${head}.${body}.${otherSignature}` },
    { what: 'head of one, the rest of another', token: `${otherHead}x.${body}.${signature}` },
  ]
}

function signatures(forge: Forge): Forgery[] {
  const { head, body, signature } = partsOf(forge)
  const bytes = Buffer.from(signature, 'base64url')
  const { chance } = forge
  const flipped = chance
    .shuffle(Array.from({ length: 512 }, (_, bit) => bit))
    .slice(0, BIT_FLIPS)
    .map((bit) =>
      Buffer.from(bytes.map((byte: number, at: number) => (at === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte))),
    )
  const scalar = bytes.subarray(32).reduceRight((sum: bigint, byte: number) => (sum << 8n) | BigInt(byte), 0n)
  const added = [1n, 2n, 7n].map((times) => {
    const more = scalar + ORDER * times
    return Buffer.concat([
      bytes.subarray(0, 32),
      Buffer.from(Array.from({ length: 32 }, (_, at) => Number((more >> BigInt(8 * at)) & 255n))),
    ])
  })
  const identity = Buffer.from([1, ...Array.from({ length: 63 }, () => 0)])
  const made = [
    ...flipped,
    ...added,
    identity,
    Buffer.alloc(64),
    Buffer.alloc(64, 255),
    Buffer.concat([bytes.subarray(32), bytes.subarray(0, 32)]),
    Buffer.from(bytes.toReversed()),
    bytes.subarray(0, 63),
    bytes.subarray(0, 32),
    Buffer.concat([bytes, Buffer.alloc(1)]),
    Buffer.concat([bytes, bytes]),
    Buffer.alloc(0),
  ]
  return made.map((other) => ({ what: 'another signature', token: `${head}.${body}.${other.toString('base64url')}` }))
}

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

/** The same bytes in other letters: one token has one text. */
function encodings(forge: Forge): Forgery[] {
  const { valid } = forge
  const parts = valid.split('.')
  const at = (index: number, change: (part: string) => string) =>
    parts.with(index, change(parts[index] ?? '')).join('.')
  const changes: ((part: string) => string)[] = [
    (part) => `${part}=`,
    (part) => `${part}==`,
    (part) => `=${part}`,
    (part) => `${part}A`,
    (part) => `${part.slice(0, 9)}+${part.slice(9)}`,
    (part) => `${part.slice(0, 9)}/${part.slice(9)}`,
    (part) => `${part.slice(0, 9)}%20${part.slice(9)}`,
    (part) => `${part.slice(0, 9)}~${part.slice(9)}`,
    (part) => `"${part}"`,
    (part) => Buffer.from(part, 'base64url').toString('base64'),
    (part) => Buffer.from(part, 'base64url').toString('hex'),
    (part) => encode(part),
  ]
  const [last = ''] = valid.slice(-1)
  const spare = [...LETTERS].filter((letter) => letter !== last).map((letter) => valid.slice(0, -1) + letter)
  return [
    ...changes.flatMap((change) => [0, 1, 2].map((index) => at(index, change))),
    ...spare,
    encodeURIComponent(`${valid}\n`),
  ].map((token) => ({ what: 'another encoding', token }))
}

/** Tokens of other shapes: JWE, JWS as JSON, too many and too few parts. */
function shapes(forge: Forge): Forgery[] {
  const { head, body, signature, header } = partsOf(forge)
  const jwe = (more: Json) =>
    [encode({ ...header, ...more }), randomBytes(32), randomBytes(12), randomBytes(64), randomBytes(16)]
      .map((part) => (typeof part === 'string' ? part : part.toString('base64url')))
      .join('.')
  const encrypted: Json[] = [
    { alg: 'dir', enc: 'A256GCM' },
    { alg: 'A256KW', enc: 'A256GCM', cty: 'JWT' },
    { alg: 'PBES2-HS256+A128KW', enc: 'A128GCM', p2c: 1_000_000_000, p2s: 'AAAA' },
    { alg: 'ECDH-ES', enc: 'A256GCM', epk: { kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA' } },
    { alg: 'RSA-OAEP', enc: 'A256GCM', zip: 'DEF' },
    { alg: 'EdDSA', enc: 'A256GCM' },
  ]
  const whole = [
    ...encrypted.map(jwe),
    JSON.stringify({ protected: head, payload: body, signature }),
    JSON.stringify({ payload: body, signatures: [{ protected: head, signature }] }),
    `${head}.${body}`,
    `${head}..${signature}`,
    `.${body}.${signature}`,
    `${head}.${body}.`,
    `..`,
    `...`,
    `${forge.valid}.`,
    `.${forge.valid}`,
    `${forge.valid}.${signature}`,
    `${forge.valid}..`,
    `${forge.valid}${forge.valid}`,
    `${forge.valid},${forge.valid}`,
    `${body}.${head}.${signature}`,
    head,
    'null',
    'undefined',
    '0',
    '{}',
    'a'.repeat(6000),
  ]
  return whole.map((token) => ({ what: 'another shape', token }))
}

/** One letter of a valid token changed, anywhere. */
function mutations({ valid, chance }: Forge): Forgery[] {
  return Array.from({ length: MUTATIONS }, () => {
    const at = chance.int(valid.length)
    const letter = chance.pick([...LETTERS].filter((one) => one !== valid[at]))
    return { what: `letter ${at} changed`, token: valid.slice(0, at) + letter + valid.slice(at + 1) }
  })
}
