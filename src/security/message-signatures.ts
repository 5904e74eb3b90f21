import { Buffer } from 'node:buffer'
import { createHash } from 'node:crypto'
import { type InnerList, parseBytes, parseLists, quote, writeList } from './structured-fields.ts'

export const SIGNATURE_MAX_AGE_S = 300
const MAX_AHEAD_S = 5
const MAX_HEADER_CHARS = 2000
const MAX_NONCE_CHARS = 128
const ALWAYS = ['@method', '@target-uri']
const WITH_BODY = ['content-digest', 'content-type']
const COMPONENT = /^(?:@[a-z-]+|[a-z0-9!#$%&'*+.^_`|~-]+)$/
const NUMBERS = new Set(['created', 'expires'])
const TEXTS = new Set(['keyid', 'nonce', 'alg', 'tag'])
// Each is 64 bytes: R and S of the curve.
const SIGNATURE_BYTES = 64
const ALGORITHMS = {
  ed25519: { import: { name: 'Ed25519' }, verify: { name: 'Ed25519' } },
  'ecdsa-p256-sha256': {
    import: { name: 'ECDSA', namedCurve: 'P-256' },
    verify: { name: 'ECDSA', hash: 'SHA-256' },
  },
} as const
const DIGESTS = { 'sha-256': 'sha256', 'sha-512': 'sha512' } as const

export type SignatureAlgorithm = keyof typeof ALGORITHMS
/** `raw` is the key itself, or the uncompressed point, in base64url. */
export type VerifyingKey = { algorithm: SignatureAlgorithm; raw: string }
export type Message = { method: string; target: URL; headers: Pick<Headers, 'get'>; body: string }
/** What a request says of its signature, all of it checked but the signature itself. */
export type Claimed = {
  keyId: string
  nonce: string
  algorithm: string | undefined
  createdS: number
  base: string
  signature: Uint8Array<ArrayBuffer>
}
export type Reading = { ok: true; claimed: Claimed } | { ok: false; reason: string }

const refuse = (reason: string): Reading => ({ ok: false, reason })

/** What a signature is asked to cover: RFC 9421, 5. */
export const acceptSignature = (hasBody: boolean): string =>
  `sig=${writeList({ items: hasBody ? [...ALWAYS, ...WITH_BODY] : ALWAYS, params: new Map() })};created`

/** Whether a request says that it is signed. */
export const claimsSignature = (headers: Pick<Headers, 'get'>): boolean =>
  headers.get('signature') !== null || headers.get('signature-input') !== null

/** Reads the one signature of a request by RFC 9421, and its digest by RFC 9530. */
export function readSignature(message: Message, at: Date): Reading {
  const { headers, body } = message
  const input = headers.get('signature-input') ?? ''
  const value = headers.get('signature') ?? ''
  if (input.length > MAX_HEADER_CHARS || value.length > MAX_HEADER_CHARS) return refuse('it is too long')
  const [inputs, values] = [parseLists(input), parseBytes(value)]
  if (!inputs || !values) return refuse('Signature-Input and Signature must be as RFC 9421 writes them')
  const [[label, list] = ['', undefined], ...others] = inputs
  const signature = values.get(label)
  if (!list || signature === undefined || others.length > 0 || values.size > 1)
    return refuse('there must be one signature, of one name in both headers')
  const { created, expires, keyid, nonce, alg, strange } = paramsOf(list)
  if (strange) return refuse(`the parameter ${strange} is not taken, or not as it is`)
  if (created === undefined || keyid === undefined || !nonce || nonce.length > MAX_NONCE_CHARS)
    return refuse(`created, keyid and a nonce of 1 to ${MAX_NONCE_CHARS} characters are asked for`)
  const nowS = at.getTime() / 1000
  if (created > nowS + MAX_AHEAD_S) return refuse('it was created in the future')
  if (created < nowS - SIGNATURE_MAX_AGE_S || (expires !== undefined && expires <= nowS))
    return refuse('it has expired')
  const lacking = [...ALWAYS, ...(body === '' ? [] : WITH_BODY)].filter((name) => !list.items.includes(name))
  if (lacking.length > 0) return refuse(`it does not cover ${lacking.join(', ')}`)
  if (list.items.includes('content-digest') && !isDigestOf(headers.get('content-digest') ?? '', body))
    return refuse('Content-Digest is not that of the body, by sha-256 or sha-512')
  const base = signatureBase(list, (name) => componentOf(message, name))
  if (base === undefined) return refuse('it covers what is not there, or twice')
  const bytes = Buffer.from(signature, 'base64')
  return {
    ok: true,
    claimed: { keyId: keyid, nonce, algorithm: alg, createdS: created, base, signature: new Uint8Array(bytes) },
  }
}

type Params = { created?: number; expires?: number; keyid?: string; nonce?: string; alg?: string; strange?: string }

function paramsOf({ params }: InnerList): Params {
  const found: Params = {}
  for (const [name, value] of params) {
    const fits = typeof value === 'number' ? NUMBERS.has(name) && value >= 0 : TEXTS.has(name)
    if (!fits) return { strange: name }
    Object.assign(found, { [name]: value })
  }
  return found
}

/** What is signed: a line for each component, and one for the list of them. Undefined where one is not there. */
export function signatureBase(list: InnerList, componentAt: (name: string) => string | undefined): string | undefined {
  if (new Set(list.items).size !== list.items.length) return undefined
  const lines: string[] = []
  for (const name of list.items) {
    const value = COMPONENT.test(name) ? componentAt(name) : undefined
    if (value === undefined) return undefined
    lines.push(`${quote(name)}: ${value}`)
  }
  return [...lines, `"@signature-params": ${writeList(list)}`].join('\n')
}

function componentOf({ method, target, headers }: Message, name: string): string | undefined {
  switch (name) {
    case '@method':
      return method
    case '@target-uri':
      return target.href
    case '@authority':
      return target.host
    case '@scheme':
      return target.protocol.slice(0, -1)
    case '@path':
      return target.pathname
    case '@query':
      return target.search || '?'
    default:
      return name.startsWith('@') ? undefined : (headers.get(name)?.trim() ?? undefined)
  }
}

/** Every digest that is known here must be the body's, and one must be. */
function isDigestOf(header: string, body: string): boolean {
  const given = header.length > MAX_HEADER_CHARS ? undefined : parseBytes(header)
  const known = Object.entries(DIGESTS).filter(([name]) => given?.has(name))
  const isRight = ([name, hash]: [string, string]) =>
    createHash(hash).update(body, 'utf8').digest('base64') === given?.get(name)
  return known.length > 0 && known.every(isRight)
}

/** Whether the key made this signature, by the key's own algorithm: what the signature says of it is no choice. */
export async function isSignedBy(
  { algorithm, raw }: VerifyingKey,
  { algorithm: said, base, signature }: Pick<Claimed, 'algorithm' | 'base' | 'signature'>,
): Promise<boolean> {
  if ((said !== undefined && said !== algorithm) || signature.byteLength !== SIGNATURE_BYTES) return false
  const how = ALGORITHMS[algorithm]
  const bytes = new Uint8Array(Buffer.from(raw, 'base64url'))
  const key = await crypto.subtle.importKey('raw', bytes, how.import, false, ['verify'])
  return await crypto.subtle.verify(how.verify, key, signature, new TextEncoder().encode(base))
}

export type PublicKeyText = { kty: 'OKP' | 'EC'; crv: string; x: string; y?: string | undefined } | string

// SubjectPublicKeyInfo of either kind begins with the name of its curve: RFC 8410, RFC 5480.
const SPKI_OF = [
  ['ed25519', '302a300506032b6570032100'],
  ['ecdsa-p256-sha256', '3059301306072a8648ce3d020106082a8648ce3d030107034200'],
] as const

/** A key from a JWK, or from its SPKI in base64 or PEM; undefined for what is none, and for a point off the curve. */
export async function readPublicKey(given: PublicKeyText): Promise<VerifyingKey | undefined> {
  const asked = typeof given === 'string' ? fromSpki(given) : fromJwk(given)
  if (!asked) return undefined
  try {
    const how = ALGORITHMS[asked.algorithm].import
    const key =
      'spki' in asked
        ? await crypto.subtle.importKey('spki', asked.spki, how, true, ['verify'])
        : await crypto.subtle.importKey('jwk', asked.jwk, how, true, ['verify'])
    const raw = await crypto.subtle.exportKey('raw', key)
    if (!(raw instanceof ArrayBuffer)) return undefined
    return { algorithm: asked.algorithm, raw: Buffer.from(raw).toString('base64url') }
  } catch {
    return undefined
  }
}

function fromJwk({ kty, crv, x, y }: Exclude<PublicKeyText, string>) {
  if (kty === 'OKP' && crv === 'Ed25519') return { algorithm: 'ed25519' as const, jwk: { kty, crv, x } }
  if (kty === 'EC' && crv === 'P-256' && y !== undefined)
    return { algorithm: 'ecdsa-p256-sha256' as const, jwk: { kty, crv, x, y } }
  return undefined
}

function fromSpki(text: string) {
  const spki = new Uint8Array(Buffer.from(text.replace(/-----[A-Z ]+-----|\s/g, ''), 'base64'))
  const hex = Buffer.from(spki).toString('hex')
  const algorithm = SPKI_OF.find(([, start]) => hex.startsWith(start))?.[0]
  return algorithm && { algorithm, spki }
}
