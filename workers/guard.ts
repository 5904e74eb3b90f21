import type { Context, Next } from 'hono'
import { lackingScopes, requireRole, requireSession, ruleOf, scopesOf } from '#auth'
import {
  AppError,
  type Ctx,
  type Guard,
  type Limit,
  type LimitClass,
  type PersonActor,
  type RouteMeta,
  requireFresh,
} from '#core'
import type { DatabaseMeter } from '#database'
import {
  claimKey,
  claimsSignature,
  hashToken,
  type IdempotentRequest,
  keepAnswer,
  networkOf,
  releaseKey,
  type Take,
  takeKey,
  takeLimit,
  takeOwn,
} from '#security'
import { asSigned } from '#signatures'
import { readBody } from './body.ts'
import { authenticate } from './caller.ts'

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
    await spend(c, ctx, 'public', network)
    throw error
  }
  const counted = spend(c, ctx, meta.limit, network)
  // What is refused from memory is refused at once; else the Steward is asked beside what the handler asks.
  if (meta.admitsLate && counted instanceof Promise) ctx.admitted = counted
  else await counted
  ctx.admitted?.catch(() => undefined)
  try {
    const actor = await permit(c, meta, ctx)
    if (actor.kind === 'person') await asPerson(c, meta, Object.assign(ctx, { actor }), next)
    else {
      if (meta.hasBody) await readBody(c, true)
      await next()
    }
  } finally {
    // Whatever came of it: who is beyond the limit hears of that alone.
    await counted
  }
  const limit = await counted
  // A Response of a handler's own, such as a stream, has none of the headers that were set before it.
  if (c.res.status !== 101 && !c.res.headers.has('RateLimit')) limitHeaders(c, limit)
}

/** Counts the call, and says so whatever is answered; a key has a rate of its own beside the limits of its person. */
function spend(c: Context, ctx: RequestCtx, name: LimitClass, network: string): Limit | Promise<Limit> {
  const { actor, config } = ctx
  const heard = (take: Take) => {
    const limit = { ...take, name }
    limitHeaders(c, limit)
    if (take.ok) return limit
    throw tooMany(`${name} requests`, limit)
  }
  if (actor.kind !== 'person') return heard(takeLimit(name, network, ctx.now(), config.rateLimitFactor))
  const { userId, key } = actor
  return goOn(key && takeKey(ctx, userId, key), (ofKey) => {
    if (ofKey && !ofKey.ok) throw tooMany('requests of this API key', { ...ofKey, name: 'key' })
    return goOn(takeOwn(ctx, userId, name), heard)
  })
}

/** Goes on with what is known at once, at once. */
const goOn = <T, R>(known: T | Promise<T>, next: (value: T) => R | Promise<R>): R | Promise<R> =>
  known instanceof Promise ? known.then(next) : next(known)

const tooMany = (what: string, limit: Limit) =>
  new AppError('rate_limited', `Too many ${what}; wait ${limit.resetS} s`, { limit })

/** Only what the policy has a row for is open to anybody; a key may do less than its person, and a role is asked for anew. */
async function permit(c: Context, meta: RouteMeta, ctx: RequestCtx): Promise<Ctx['actor']> {
  const { actor } = ctx
  const method = c.req.method === 'HEAD' ? 'GET' : c.req.method
  const rule = ruleOf(method, c.req.path.startsWith('/v1/') ? `/v1${meta.path}` : meta.path)
  if (actor.kind === 'person' && typeof rule === 'object' && 'roles' in rule) {
    // What a person let in acts for them and for nobody else.
    if (actor.key) throw new AppError('forbidden', 'No API key or app may do this; sign in')
    if (method !== 'GET') requireFresh({ ...ctx, actor })
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

/** What remains to the caller of a class of calls. */
export function limitHeaders(c: Context, { name, quota, left, windowS, resetS }: Limit): void {
  c.header('RateLimit-Policy', `"${name}";q=${quota};w=${windowS}`)
  c.header('RateLimit', `"${name}";r=${left};t=${resetS}`)
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
