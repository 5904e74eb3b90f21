import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { PushConfig } from '#config'
import { type Ctx, withTimeout } from '#core'
import { signJwt } from './jwt.ts'
import { type Outcome, type Push, readAnswer, TIMEOUT_MS } from './outcome.ts'

type Apns = NonNullable<PushConfig['apns']>

// Apple takes a token for an hour, and no new one within twenty minutes.
const TOKEN_S = 1800
const Failure = z.object({ reason: z.string().max(100) })
const GONE = new Set(['Unregistered', 'BadDeviceToken', 'DeviceTokenNotForTopic', 'ExpiredToken'])

const tokens = new Map<string, { token: string; iat: number }>()

async function providerToken({ teamId, keyId, privateKey }: Apns, now: Date): Promise<string> {
  const iat = Math.floor(now.getTime() / 1000 / TOKEN_S) * TOKEN_S
  const key = `${teamId} ${keyId}`
  const kept = tokens.get(key)
  if (kept?.iat === iat) return kept.token
  const token = await signJwt('ES256', privateKey, { kid: keyId }, { iss: teamId, iat })
  tokens.set(key, { token, iat })
  return token
}

// The same delivery has the same id.
function uuidOf(deliveryId: string): string {
  const hex = createHash('sha256').update(deliveryId).digest('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-')
}

function bodyOf({ payload, priority }: Push) {
  const { title, body, ...rest } = payload
  if (payload.type === 'clear') return { aps: { 'content-available': 1 }, ...rest }
  const level = priority === 'urgent' ? 'time-sensitive' : priority === 'low' ? 'passive' : 'active'
  return { aps: { alert: { title, body }, 'interruption-level': level, 'thread-id': payload.kind ?? 'all' }, ...rest }
}

/** One message to one app by APNs, with a provider's token. */
export async function sendByApns(ctx: Pick<Ctx, 'now'>, apns: Apns, token: string, push: Push): Promise<Outcome> {
  const now = ctx.now()
  const isShown = push.payload.type === 'show'
  const headers = {
    authorization: `bearer ${await providerToken(apns, now)}`,
    'content-type': 'application/json',
    'apns-id': uuidOf(push.deliveryId),
    'apns-topic': apns.topic,
    'apns-push-type': isShown ? 'alert' : 'background',
    // In the background nothing else is taken.
    'apns-priority': isShown && push.priority !== 'low' ? '10' : '5',
    'apns-expiration': String(Math.floor(now.getTime() / 1000) + push.ttlS),
    'apns-collapse-id': push.topic,
  }
  const body = JSON.stringify(bodyOf(push))
  const url = `${apns.baseUrl}/3/device/${token}`
  return await readAnswer(
    () =>
      withTimeout(TIMEOUT_MS, (signal) => fetch(url, { method: 'POST', headers, body, signal, redirect: 'manual' })),
    (response, text) => {
      const { status } = response
      const id = response.headers.get('apns-id')
      if (status === 200 && id !== null) return { kind: 'sent', providerId: id }
      if (status === 200) return { kind: 'unknown', reason: 'apns answered without an id' }
      const reason = Failure.safeParse(parse(text)).data?.reason ?? ''
      if (status === 410 || GONE.has(reason)) return { kind: 'gone' }
      const said = `apns ${status} ${reason}`.trim()
      if (reason === 'ExpiredProviderToken') {
        tokens.clear()
        return { kind: 'later', reason: said, retryAfterS: 0 }
      }
      return status === 429 || status >= 500 ? undefined : { kind: 'refused', reason: said }
    },
  )
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
