import { generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto'
import { decodeProtectedHeader, jwtVerify } from 'jose'
import { z } from 'zod'
import type { Checked, Heard } from './push-web.ts'

const MAX_BYTES = 4096
const HOUR_S = 3600
const SCOPE = 'https://www.googleapis.com/auth/firebase.messaging'
const GRANT = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
const TEXT = z.string()

/** The keys a deployment has of Google and Apple, and what these know of it. */
export type Accounts = ReturnType<typeof makeAccounts>

export function makeAccounts(url: string) {
  const google = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const apple = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const pem = (key: KeyObject) => key.export({ type: 'pkcs8', format: 'pem' }).toString()
  const account = {
    type: 'service_account',
    project_id: 'aurelius-local',
    client_email: 'push@aurelius-local.iam.gserviceaccount.com',
    private_key: pem(google.privateKey),
    token_uri: `${url}/token`,
  }
  return {
    google: google.publicKey,
    apple: apple.publicKey,
    account,
    tokens: new Set<string>(),
    vars: {
      FCM_SERVICE_ACCOUNT: JSON.stringify(account),
      FCM_BASE_URL: url,
      APNS_TEAM_ID: 'TEAM000001',
      APNS_KEY_ID: 'KEY0000001',
      APNS_PRIVATE_KEY: pem(apple.privateKey),
      APNS_TOPIC: 'dev.aurelius.app',
      APNS_BASE_URL: url,
    },
  }
}

/** Google's exchange of a signed assertion (RFC 7523) for an access token. */
export async function giveToken(
  { google, account, tokens }: Accounts,
  body: string,
  now: Date,
): Promise<object | undefined> {
  const asked = new URLSearchParams(body)
  if (asked.get('grant_type') !== GRANT) return undefined
  try {
    const { payload } = await jwtVerify(asked.get('assertion') ?? '', google, {
      algorithms: ['RS256'],
      issuer: account.client_email,
      audience: account.token_uri,
      requiredClaims: ['iat', 'exp'],
      currentDate: now,
    })
    if (payload['scope'] !== SCOPE || Number(payload.exp) - Number(payload.iat) > HOUR_S) return undefined
  } catch {
    return undefined
  }
  const token = `ya29.${randomBytes(24).toString('base64url')}`
  tokens.add(token)
  return { access_token: token, expires_in: HOUR_S, token_type: 'Bearer' }
}

const Message = z.strictObject({
  message: z.strictObject({
    token: TEXT.min(1),
    notification: z.strictObject({ title: TEXT, body: TEXT }).optional(),
    // No number, no object: the real one takes nothing but strings.
    data: z.record(TEXT.regex(/^(?!from$|gcm|google)/), TEXT),
    android: z.strictObject({
      priority: z.enum(['NORMAL', 'HIGH']),
      ttl: TEXT.regex(/^\d+s$/).refine((ttl) => Number.parseInt(ttl, 10) <= 2_419_200),
      collapse_key: TEXT.max(100),
    }),
  }),
})

const no = (status: number, reason: string): Checked => ({ ok: false, status, reason })

/** FCM's HTTP v1. `gone`: tokens of apps that were removed. */
export function checkFcm({ account, tokens }: Accounts, heard: Heard, gone: Set<string>): Checked & { token?: string } {
  if (!heard.url.startsWith(`/v1/projects/${account.project_id}/`)) return no(404, 'NOT_FOUND')
  if (!tokens.has((heard.headers['authorization'] ?? '').replace(/^Bearer /, ''))) return no(401, 'UNAUTHENTICATED')
  const parsed = Message.safeParse(JSON.parse(heard.body.toString('utf8')))
  if (!parsed.success) return no(400, 'INVALID_ARGUMENT')
  const { token, notification, data, android } = parsed.data.message
  if (Buffer.byteLength(JSON.stringify({ notification, data })) > MAX_BYTES) return no(400, 'INVALID_ARGUMENT')
  if (gone.has(token)) return no(404, 'UNREGISTERED')
  return { ok: true, token, text: JSON.stringify({ notification, data }), topic: android.collapse_key }
}

/** The answer FCM gives to what it refuses. */
export const fcmFailure = (status: number, errorCode: string) => ({
  error: {
    code: status,
    message: 'refused',
    status: errorCode === 'UNREGISTERED' ? 'NOT_FOUND' : errorCode,
    details: [{ '@type': 'type.googleapis.com/google.firebase.fcm.v1.FcmError', errorCode }],
  },
})

const UUID = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/
const Payload = z.looseObject({ aps: z.record(TEXT, z.unknown()) })

/** APNs with a provider's token, but for HTTP/2, which the runtime of a laptop does not speak. */
export async function checkApns(
  { apple, vars }: Accounts,
  { headers, body, url, now }: Heard,
  gone: Set<string>,
): Promise<Checked & { token?: string }> {
  const refused = await checkProvider(apple, vars, headers['authorization'] ?? '', now)
  if (refused) return refused
  const token = url.split('/').at(-1) ?? ''
  if (!/^(?:[\da-f]{2}){16,200}$/i.test(token)) return no(400, 'BadDeviceToken')
  if (!headers['apns-topic']) return no(400, 'MissingTopic')
  if (headers['apns-topic'] !== vars.APNS_TOPIC) return no(400, 'DeviceTokenNotForTopic')
  if (!UUID.test(headers['apns-id'] ?? '')) return no(400, 'BadMessageId')
  if (!/^\d+$/.test(headers['apns-expiration'] ?? '')) return no(400, 'BadExpirationDate')
  const topic = headers['apns-collapse-id'] ?? null
  if (topic !== null && Buffer.byteLength(topic) > 64) return no(400, 'BadCollapseId')
  const [type, priority] = [headers['apns-push-type'], headers['apns-priority'] ?? '10']
  if (type !== 'alert' && type !== 'background') return no(400, 'InvalidPushType')
  if (!['1', '5', '10'].includes(priority) || (type === 'background' && priority !== '5')) return no(400, 'BadPriority')
  if (body.length > MAX_BYTES) return no(413, 'PayloadTooLarge')
  const payload = Payload.safeParse(JSON.parse(body.toString('utf8') || 'null'))
  if (!payload.success || Object.keys(payload.data.aps).length === 0) return no(400, 'PayloadEmpty')
  if ((type === 'background') !== (payload.data.aps['content-available'] === 1)) return no(400, 'InvalidPushType')
  if (gone.has(token)) return no(410, 'Unregistered')
  return { ok: true, token, text: body.toString('utf8'), topic }
}

async function checkProvider(apple: KeyObject, vars: Accounts['vars'], authorization: string, now: Date) {
  const token = authorization.replace(/^bearer /, '')
  if (token === authorization) return no(403, 'MissingProviderToken')
  try {
    const { payload } = await jwtVerify(token, apple, {
      algorithms: ['ES256'],
      issuer: vars.APNS_TEAM_ID,
      currentDate: now,
    })
    if (decodeProtectedHeader(token).kid !== vars.APNS_KEY_ID) return no(403, 'InvalidProviderToken')
    const age = now.getTime() / 1000 - Number(payload.iat)
    return age > HOUR_S || age < -60 ? no(403, 'ExpiredProviderToken') : undefined
  } catch {
    return no(403, 'InvalidProviderToken')
  }
}
