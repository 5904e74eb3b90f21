import type { Context, Next } from 'hono'
import {
  isCsrfToken,
  lackingScopes,
  readAccessToken,
  requireRole,
  requireSession,
  resourceAt,
  ruleOf,
  scopesOf,
} from '#auth'
import {
  type ActingKey,
  AppError,
  type Ctx,
  cookies,
  type Guard,
  type LimitClass,
  type PersonActor,
  type RouteMeta,
} from '#core'
import type { DatabaseMeter } from '#database'
import { isKey, readKey } from '#keys'
import {
  claimKey,
  claimsSignature,
  hashToken,
  type IdempotentRequest,
  isSame,
  keepAnswer,
  networkOf,
  releaseKey,
  type Take,
  takeLimit,
  takeQuota,
} from '#security'
import { asSigned } from '#signatures'
import { readBody } from './body.ts'

type RequestCtx = Ctx & { meter: DatabaseMeter }

/** What stands before every handler: who is it, may they still, did they ask this before. */
export const guard: Guard = async (c, meta, next) => {
  const ctx: RequestCtx = c.get('ctx')
  ctx.operation = meta.operation
  const network = networkOf(ctx.client.address)
  try {
    ctx.actor = await authenticate(c, ctx, meta)
  } catch (error) {
    // Whoever is not known is counted by where they come from: tokens cannot be tried without end.
    spend(c, ctx, 'public', network)
    throw error
  }
  const caller = ctx.actor
  if (caller.kind === 'person' && caller.key) spendKey(c, ctx, caller.key)
  const take = spend(c, ctx, meta.limit, caller.kind === 'person' ? caller.userId : network)
  const actor = await permit(c, meta, ctx)
  if (actor.kind === 'person') await asPerson(c, meta, Object.assign(ctx, { actor }), next)
  else {
    if (meta.hasBody) await readBody(c, true)
    await next()
  }
  // A Response of a handler's own, such as a stream, has none of the headers that were set before it.
  if (c.res.status !== 101 && !c.res.headers.has('RateLimit')) limitHeaders(c, meta.limit, take)
}

/** Counts the call, and says so whatever is answered. */
function spend(c: Context, ctx: RequestCtx, limit: LimitClass, caller: string): Take {
  const take = takeLimit(limit, caller, ctx.now(), ctx.config.rateLimitFactor)
  limitHeaders(c, limit, take)
  if (take.ok) return take
  throw tooMany(`${limit} requests`, take)
}

const tooMany = (what: string, { resetS }: Take) =>
  new AppError('rate_limited', `Too many ${what}; wait ${resetS} s`, { retryAfterS: resetS })

/** A key's own rate, beside the limits of its person. */
function spendKey(c: Context, ctx: RequestCtx, { id, ratePerMinute }: ActingKey): void {
  if (ratePerMinute === null) return
  const take = takeQuota(`key:${id}`, { quota: ratePerMinute, windowS: 60 }, ctx.now())
  if (take.ok) return
  limitHeaders(c, 'key', take)
  throw tooMany('requests of this API key', take)
}

/** Only what the policy has a row for is open to anybody; a key may do less than its person, and a role is asked for anew. */
async function permit(c: Context, meta: RouteMeta, ctx: RequestCtx): Promise<Ctx['actor']> {
  const { actor } = ctx
  const method = c.req.method === 'HEAD' ? 'GET' : c.req.method
  const rule = ruleOf(method, c.req.path.startsWith('/v1/') ? `/v1${meta.path}` : meta.path)
  if (actor.kind === 'person' && typeof rule === 'object' && 'roles' in rule) {
    return { ...actor, staff: await requireRole({ ...ctx, actor }, rule.roles) }
  }
  if (actor.kind !== 'person' || !actor.key) return actor
  const lacking = lackingScopes(rule, scopesOf(actor))
  if (!lacking) throw new AppError('forbidden', 'No API key or app may do this; sign in')
  if (lacking.length === 0) return actor
  c.header('WWW-Authenticate', `Bearer error="insufficient_scope", scope="${lacking.join(' ')}"`)
  throw new AppError('forbidden', `This lacks ${lacking.join(', ')}`)
}

type PersonCtx = RequestCtx & { actor: PersonActor }

async function asPerson(c: Context, meta: RouteMeta, ctx: PersonCtx, next: Next): Promise<void> {
  const key = meta.keyed ? c.req.header('idempotency-key') : undefined
  const isKeyed = key !== undefined && key !== '' && key.length <= 255
  const isRead = meta.hasBody || isKeyed || claimsSignature(c.req.raw.headers)
  const text = isRead ? await bodyOf(c, meta, ctx) : ''
  ctx.actor = await asSigned(ctx, `${c.req.method} /v1${meta.path}`, c.req.raw, text)
  if (isKeyed) {
    // The path is the caller's text: hashed, it is storable whatever it holds.
    const asked = `${c.req.method} ${meta.path} ${await hashToken(c.req.path)}`
    // What a key repeats is its own; the principal stays its person, with whom all of it is forgotten.
    const route = ctx.actor.key ? `${ctx.actor.key.id} ${asked}` : asked
    const fingerprint = await hashToken(`${new URL(c.req.url).search}\n${text}`)
    return await once(c, ctx, { principal: ctx.actor.userId, route, key, fingerprint }, next)
  }
  await next()
  // Refused before any statement asked whether the session lives: it is asked now, and a dead one is told that alone.
  if (c.error && ctx.meter.trips === 0) await requireSession(ctx)
}

async function bodyOf(c: Context, { hasBody }: RouteMeta, ctx: PersonCtx): Promise<string> {
  try {
    return await readBody(c, hasBody)
  } catch (error) {
    await requireSession(ctx)
    throw error
  }
}

async function authenticate(c: Context, ctx: Ctx, meta: RouteMeta): Promise<Ctx['actor']> {
  if (meta.auth === 'none') {
    cookies.refuseStrangePage(c)
    return { kind: 'anonymous' }
  }
  const header = c.req.header('authorization')
  const key = header === undefined && meta.keyHeader ? c.req.header(meta.keyHeader) : undefined
  const token = /^bearer +(\S+)$/i.exec(header ?? (key ? `Bearer ${key}` : ''))?.[1]
  const cookie = meta.auth === 'person' ? cookies.access(c) : undefined
  if (cookie !== undefined)
    return await byCookie(c, ctx, cookie, { other: header ?? key, resource: resourceAt(ctx.config, meta.path) })
  if (!token) throw new AppError('unauthorized', 'Send an access token or an API key: Authorization: Bearer …')
  if (meta.auth === 'operator') {
    const expected = ctx.config.auth.operatorToken
    if (expected && isSame(token, expected)) return { kind: 'operator' }
    return await readAccessToken(ctx, token, ctx.config.publicUrl)
  }
  if (isKey(token)) return await readKey(ctx, token)
  return await readAccessToken(ctx, token, resourceAt(ctx.config, meta.path))
}

// What a browser sends by itself is no proof that its person meant it; a key is never in a cookie.
type Beside = { other: string | undefined; resource: string }

async function byCookie(c: Context, ctx: Ctx, cookie: string, { other, resource }: Beside): Promise<PersonActor> {
  if (other !== undefined) throw new AppError('unauthorized', 'Send Authorization or the cookie, not both')
  const actor = await readAccessToken(ctx, cookie, resource)
  const subject = actor.userId
  if (c.req.method === 'GET' || c.req.method === 'HEAD') return actor
  if (!cookies.isOwnPage(c))
    throw new AppError('origin_refused', 'A change by cookie comes from a page of an allowed origin', { subject })
  if (!isCsrfToken(ctx, actor.sessionId, c.req.header('x-csrf-token')))
    throw new AppError('forbidden', 'Send the CSRF token of this session: X-CSRF-Token', { subject })
  return actor
}

type Counted = Omit<Take, 'ok'>

/** What remains to the caller of a class of calls. */
export function limitHeaders(c: Context, limit: string, { quota, left, windowS, resetS }: Counted): void {
  c.header('RateLimit-Policy', `"${limit}";q=${quota};w=${windowS}`)
  c.header('RateLimit', `"${limit}";r=${left};t=${resetS}`)
  c.header('X-RateLimit-Limit', String(quota))
  c.header('X-RateLimit-Remaining', String(left))
  c.header('X-RateLimit-Reset', String(resetS))
}

async function once(c: Context, ctx: PersonCtx, request: IdempotentRequest, next: Next): Promise<void> {
  const claim = await claimKey(ctx, request)
  if (claim.kind === 'replay') {
    const { status, headers, body } = claim.answer
    c.res = new Response(body === '' ? null : body, { status, headers: { ...headers, 'Idempotent-Replayed': 'true' } })
    return
  }
  ctx.newId = claim.newId
  await next()
  // A failure did nothing, and a stream is found again by its ids: neither is kept.
  if (c.error || c.res.status >= 300 || c.res.headers.get('content-type')?.startsWith('text/event-stream')) {
    await releaseKey(ctx, request)
    return
  }
  const headers = Object.fromEntries(
    ['content-type', 'etag', 'location'].flatMap((name) => {
      const value = c.res.headers.get(name)
      return value ? [[name, value]] : []
    }),
  )
  await keepAnswer(ctx, request, { status: c.res.status, headers, body: await c.res.clone().text() })
}
