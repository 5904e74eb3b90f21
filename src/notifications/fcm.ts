import { z } from 'zod'
import type { PushConfig } from '#config'
import { type Ctx, withTimeout } from '#core'
import { signJwt } from './jwt.ts'
import { type Outcome, type Push, readAnswer, TIMEOUT_MS } from './outcome.ts'

type Fcm = NonNullable<PushConfig['fcm']>

const SCOPE = 'https://www.googleapis.com/auth/firebase.messaging'
const GRANT = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
const HOUR_S = 3600
const EARLY_MS = 300_000
const Token = z.object({ access_token: z.string().min(1).max(4096), expires_in: z.number().min(1).max(100_000) })
const Failure = z.object({
  error: z.object({
    status: z.string().max(100).optional(),
    details: z
      .array(z.object({ errorCode: z.string().max(100).optional() }))
      .max(20)
      .optional(),
  }),
})
const Sent = z.object({ name: z.string().max(300) })

// An hour each, by account: Google gives as many as are asked for.
const tokens = new Map<string, { token: string; untilMs: number }>()

async function accessToken({ clientEmail, privateKey, tokenUrl }: Fcm, now: Date): Promise<string> {
  const key = `${tokenUrl} ${clientEmail}`
  const kept = tokens.get(key)
  if (kept && kept.untilMs > now.getTime()) return kept.token
  const iat = Math.floor(now.getTime() / 1000)
  const claims = { iss: clientEmail, scope: SCOPE, aud: tokenUrl, iat, exp: iat + HOUR_S }
  const assertion = await signJwt('RS256', privateKey, {}, claims)
  const body = new URLSearchParams({ grant_type: GRANT, assertion })
  const made = await withTimeout(TIMEOUT_MS, async (signal) => {
    const response = await fetch(tokenUrl, { method: 'POST', body, signal, redirect: 'manual' })
    if (!response.ok) throw new Error(`the token was refused: ${response.status}`)
    return Token.parse(await response.json())
  })
  tokens.set(key, { token: made.access_token, untilMs: now.getTime() + made.expires_in * 1000 - EARLY_MS })
  return made.access_token
}

function messageOf(token: string, { payload, priority, ttlS, topic }: Push) {
  const { title, body, link, actions, ...rest } = payload
  const more = { ...(link && { link: JSON.stringify(link) }), ...(actions && { actions: JSON.stringify(actions) }) }
  const isLoud = priority === 'high' || priority === 'urgent'
  const android = { priority: isLoud ? 'HIGH' : 'NORMAL', ttl: `${ttlS}s`, collapse_key: topic }
  const shown = payload.type === 'show' && { notification: { title, body } }
  return { message: { token, ...shown, data: { ...rest, ...more }, android } }
}

/** One message to one app by FCM's HTTP v1. */
export async function sendByFcm(ctx: Pick<Ctx, 'now'>, fcm: Fcm, token: string, push: Push): Promise<Outcome> {
  let bearer: string
  try {
    bearer = await accessToken(fcm, ctx.now())
  } catch (error) {
    // Nothing was sent yet.
    return {
      kind: 'later',
      reason: `no token: ${error instanceof Error ? error.message : 'no answer'}`,
      retryAfterS: 0,
    }
  }
  const headers = { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' }
  const body = JSON.stringify(messageOf(token, push))
  const url = `${fcm.baseUrl}/v1/projects/${fcm.projectId}/messages:send`
  return await readAnswer(
    () =>
      withTimeout(TIMEOUT_MS, (signal) => fetch(url, { method: 'POST', headers, body, signal, redirect: 'manual' })),
    (response, text) => {
      const name = response.ok ? Sent.safeParse(parse(text)).data?.name : undefined
      if (name !== undefined) return { kind: 'sent', providerId: name }
      if (response.ok) return { kind: 'unknown', reason: 'fcm answered without a message' }
      const failure = Failure.safeParse(parse(text)).data?.error
      const code = failure?.details?.find(({ errorCode }) => errorCode)?.errorCode ?? failure?.status
      if (code === 'UNREGISTERED' || code === 'SENDER_ID_MISMATCH') return { kind: 'gone' }
      const reason = `fcm ${response.status} ${code ?? ''}`.trim()
      if (response.status === 401) {
        tokens.clear()
        return { kind: 'later', reason, retryAfterS: 0 }
      }
      return response.status === 429 || response.status >= 500 ? undefined : { kind: 'refused', reason }
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
