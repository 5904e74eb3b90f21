import { createDecipheriv, createECDH, type ECDH, hkdfSync, randomBytes } from 'node:crypto'
import { importJWK, jwtVerify } from 'jose'

const MAX_BYTES = 4096
const DAY_S = 86_400
const URGENCIES = new Set(['very-low', 'low', 'normal', 'high'])

/** What a browser of this machine subscribed to: only it reads what is sent. */
export type Browser = { ecdh: ECDH; auth: Buffer; serverKey: string | undefined }
export type Subscription = { endpoint: string; keys: { p256dh: string; auth: string } }
export type Heard = { headers: Record<string, string>; body: Buffer; url: string; origin: string; now: Date }
/** What was taken, or why not: the status of the answer. */
export type Checked = { ok: true; text: string; topic: string | null } | { ok: false; status: number; reason: string }

export function makeBrowser(serverKey?: string): Browser {
  const ecdh = createECDH('prime256v1')
  ecdh.generateKeys()
  return { ecdh, auth: randomBytes(16), serverKey }
}

export function subscriptionOf({ ecdh, auth }: Browser, endpoint: string): Subscription {
  return { endpoint, keys: { p256dh: ecdh.getPublicKey('base64url'), auth: auth.toString('base64url') } }
}

const no = (status: number, reason: string): Checked => ({ ok: false, status, reason })

/** As a push service of RFC 8030 does: the headers, who sends (RFC 8292), and then as the browser: RFC 8291. */
export async function checkWebPush(browser: Browser, { headers, body, origin, now }: Heard): Promise<Checked> {
  if (!/^\d+$/.test(headers['ttl'] ?? '')) return no(400, 'TTL is missing')
  if (headers['content-encoding'] !== 'aes128gcm') return no(415, 'the encoding is not aes128gcm')
  const { urgency, topic = null } = headers
  if (urgency !== undefined && !URGENCIES.has(urgency)) return no(400, 'no such Urgency')
  if (topic !== null && !/^[\w-]{1,32}$/.test(topic)) return no(400, 'no such Topic')
  if (body.length > MAX_BYTES) return no(413, 'more than 4096 octets')
  const refused = await checkSender(browser, headers['authorization'] ?? '', { origin, now })
  if (refused) return refused
  try {
    return { ok: true, text: decrypt(browser, body), topic }
  } catch (error) {
    return no(400, `it does not open: ${String(error)}`)
  }
}

async function checkSender(
  { serverKey }: Browser,
  authorization: string,
  { origin, now }: Pick<Heard, 'origin' | 'now'>,
): Promise<Checked | undefined> {
  const [, token, key] = /^vapid t=([\w.-]+), ?k=([\w-]+)$/.exec(authorization) ?? []
  if (!token || !key) return no(401, 'nobody says who sends')
  if (serverKey !== undefined && key !== serverKey) return no(403, 'the subscription is for another key')
  const point = Buffer.from(key, 'base64url')
  if (point.length !== 65 || point[0] !== 4) return no(403, 'k is no point of P-256')
  const coordinates = { x: point.subarray(1, 33).toString('base64url'), y: point.subarray(33).toString('base64url') }
  try {
    const jwk = await importJWK({ kty: 'EC', crv: 'P-256', ...coordinates }, 'ES256')
    const { payload } = await jwtVerify(token, jwk, {
      algorithms: ['ES256'],
      audience: origin,
      requiredClaims: ['exp'],
      currentDate: now,
    })
    if ((payload.exp ?? 0) > now.getTime() / 1000 + DAY_S) return no(403, 'exp is more than a day away')
    if (payload.sub !== undefined && !/^(?:mailto:|https:)/.test(payload.sub)) return no(403, 'no such sub')
    return undefined
  } catch (error) {
    return no(403, `the token does not verify: ${String(error)}`)
  }
}

// By node's own crypto: written apart from what it checks.
function decrypt({ ecdh, auth }: Browser, body: Buffer): string {
  const [salt, idLength] = [body.subarray(0, 16), body[20] ?? 0]
  const senderKey = body.subarray(21, 21 + idLength)
  const sealed = body.subarray(21 + idLength)
  const info = Buffer.concat([Buffer.from('WebPush: info\0'), ecdh.getPublicKey(), senderKey])
  const secret = hkdf(ecdh.computeSecret(senderKey), auth, info, 32)
  const key = hkdf(secret, salt, Buffer.from('Content-Encoding: aes128gcm\0'), 16)
  const nonce = hkdf(secret, salt, Buffer.from('Content-Encoding: nonce\0'), 12)
  const decipher = createDecipheriv('aes-128-gcm', key, nonce)
  decipher.setAuthTag(sealed.subarray(-16))
  const plain = Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()])
  const end = plain.lastIndexOf(2)
  if (end < 0 || plain.subarray(end + 1).some((byte: number) => byte !== 0)) throw new Error('the record has no end')
  return plain.subarray(0, end).toString('utf8')
}

const hkdf = (secret: Buffer, salt: Buffer, info: Buffer, length: number) =>
  Buffer.from(hkdfSync('sha256', secret, salt, info, length))
