import { Buffer } from 'node:buffer'
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'

const SECRET_BYTES = 32
const PREFIX = 'whsec_'

/** A secret as receivers keep it. */
export const newSecret = (): string => PREFIX + randomBytes(SECRET_BYTES).toString('base64')

/** The headers of one attempt by Standard Webhooks 1.0, signed with each of the secrets. */
export function signedHeaders(id: string, at: Date, body: string, secrets: string[]): Record<string, string> {
  const timestamp = String(Math.floor(at.getTime() / 1000))
  const signatures = secrets.map((secret) => {
    const key = Buffer.from(secret.slice(PREFIX.length), 'base64')
    return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`, 'utf8').digest('base64')}`
  })
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures.join(' ') }
}

const WINDOW_S = 300

/** Whether these headers sign this body by this secret within five minutes of now, by Standard Webhooks 1.0. */
export function verifySignature(
  headers: Record<string, string | undefined>,
  body: string,
  secret: string,
  now: Date,
): { ok: true; id: string } | { ok: false } {
  const { 'webhook-id': id = '', 'webhook-timestamp': timestamp = '', 'webhook-signature': given = '' } = headers
  if (!/^[\w.:-]{1,100}$/.test(id) || !/^\d{1,12}$/.test(timestamp)) return { ok: false }
  if (Math.abs(now.getTime() / 1000 - Number(timestamp)) > WINDOW_S) return { ok: false }
  const { 'webhook-signature': own = '' } = signedHeaders(id, new Date(Number(timestamp) * 1000), body, [secret])
  const expected = Buffer.from(own)
  const fits = given
    .slice(0, 1000)
    .split(' ')
    .map((one) => Buffer.from(one))
    .some((one) => one.length === expected.length && timingSafeEqual(one, expected))
  return fits ? { ok: true, id } : { ok: false }
}
