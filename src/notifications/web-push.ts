import { Buffer } from 'node:buffer'
import type { PushConfig } from '#config'
import { type Ctx, withTimeout } from '#core'
import { fetchOutside } from '#security'
import { signJwt } from './jwt.ts'
import { type Outcome, type Push, readAnswer, TIMEOUT_MS } from './outcome.ts'

type Keys = { p256dh: string; auth: string }
type Vapid = NonNullable<PushConfig['vapid']>

const CURVE = { name: 'ECDH', namedCurve: 'P-256' } as const
// One record holds all: its size is told, and 4096 octets is what every push service takes.
const RECORD = 4096
// RFC 8292: a day at most. Twelve hours leave room for clocks that are wrong.
const TOKEN_S = 12 * 3600
const text = new TextEncoder()
const bytes = (base64url: string) => new Uint8Array(Buffer.from(base64url, 'base64url'))
const encode = (value: ArrayBuffer | Uint8Array) => Buffer.from(new Uint8Array(value)).toString('base64url')
const join = (...parts: Uint8Array[]) => new Uint8Array(Buffer.concat(parts))

/** The public key of a subscription; undefined where it is no point of the curve. */
export async function readSubscriber({ p256dh }: Pick<Keys, 'p256dh'>): Promise<CryptoKey | undefined> {
  try {
    return await crypto.subtle.importKey('raw', bytes(p256dh), CURVE, true, [])
  } catch {
    return undefined
  }
}

async function hkdf(salt: Uint8Array<ArrayBuffer>, secret: Uint8Array<ArrayBuffer>, info: Uint8Array, length: number) {
  const key = await crypto.subtle.importKey('raw', secret, 'HKDF', false, ['deriveBits'])
  const algorithm = { name: 'HKDF', hash: 'SHA-256', salt, info: new Uint8Array(info) }
  return new Uint8Array(await crypto.subtle.deriveBits(algorithm, key, length * 8))
}

/** What a message is made with besides what is in it: new for each. */
type Chance = { sender: CryptoKeyPair; salt: Uint8Array<ArrayBuffer> }

async function newChance(): Promise<Chance> {
  const sender = await crypto.subtle.generateKey(CURVE, true, ['deriveBits'])
  // The types of Workers know of keys that are no pairs.
  if (!('privateKey' in sender)) throw new Error('a key pair was not made')
  return { sender, salt: crypto.getRandomValues(new Uint8Array(16)) }
}

/** RFC 8291 with the coding of RFC 8188: one record that the subscriber alone reads. Throws where its key is none. */
export async function encrypt(plain: Uint8Array, keys: Keys, chance?: Chance): Promise<Uint8Array<ArrayBuffer>> {
  const { sender, salt } = chance ?? (await newChance())
  const subscriber = await readSubscriber(keys)
  if (!subscriber) throw new Error('the key of the subscription is no point of P-256')
  const ours = await crypto.subtle.exportKey('raw', sender.publicKey)
  if (!(ours instanceof ArrayBuffer)) throw new Error('a raw key is bytes')
  const publicKey = new Uint8Array(ours)
  // A name of its own: the types of Workers call the field `$public`.
  const agreement = { name: 'ECDH', public: subscriber }
  const shared = new Uint8Array(await crypto.subtle.deriveBits(agreement, sender.privateKey, 256))
  const info = join(text.encode('WebPush: info\0'), bytes(keys.p256dh), publicKey)
  const secret = await hkdf(bytes(keys.auth), shared, info, 32)
  const contentKey = await hkdf(salt, secret, text.encode('Content-Encoding: aes128gcm\0'), 16)
  const nonce = await hkdf(salt, secret, text.encode('Content-Encoding: nonce\0'), 12)
  const key = await crypto.subtle.importKey('raw', contentKey, 'AES-GCM', false, ['encrypt'])
  // Two marks the last record.
  const sealed = await crypto.subtle.encrypt({ name: 'AES-GCM', iv: nonce }, key, join(plain, Uint8Array.of(2)))
  const header = new Uint8Array(21)
  header.set(salt)
  new DataView(header.buffer).setUint32(16, RECORD)
  header[20] = publicKey.length
  return join(header, publicKey, new Uint8Array(sealed))
}

/** `vapid t=…, k=…` of RFC 8292, for the one service behind this address. */
async function authorization({ publicKey, privateKey, subject }: Vapid, endpoint: string, now: Date): Promise<string> {
  const point = bytes(publicKey)
  const jwk = { kty: 'EC', crv: 'P-256', d: privateKey, x: encode(point.slice(1, 33)), y: encode(point.slice(33)) }
  const exp = Math.floor(now.getTime() / 1000) + TOKEN_S
  const token = await signJwt('ES256', jwk, {}, { aud: new URL(endpoint).origin, exp, sub: subject })
  return `vapid t=${token}, k=${publicKey}`
}

const URGENCY = { low: 'low', medium: 'normal', high: 'high', urgent: 'high' } as const

/** One message to one browser. Its service is told nothing of what is in it. */
export async function sendWebPush(
  ctx: Pick<Ctx, 'config' | 'now'>,
  vapid: Vapid,
  { endpoint, keys }: { endpoint: string; keys: Keys },
  push: Push,
): Promise<Outcome> {
  const body = await encrypt(text.encode(JSON.stringify(push.payload)), keys)
  const headers = {
    authorization: await authorization(vapid, endpoint, ctx.now()),
    'content-encoding': 'aes128gcm',
    'content-type': 'application/octet-stream',
    ttl: String(push.ttlS),
    urgency: URGENCY[push.priority],
    topic: push.topic,
  }
  return await readAnswer(
    () =>
      withTimeout(TIMEOUT_MS, (signal) =>
        fetchOutside(endpoint, { method: 'POST', headers, body, signal }, ctx.config.outbound),
      ),
    ({ status, headers: said }) => {
      if (status >= 200 && status < 300) return { kind: 'sent', providerId: said.get('location') }
      return status === 404 || status === 410 ? { kind: 'gone' } : undefined
    },
  )
}
