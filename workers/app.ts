import type { Context, ErrorHandler, MiddlewareHandler } from 'hono'
import { HTTPException } from 'hono/http-exception'
import { exposedIn, refusalIn, setHeadersIn } from '#compat'
import { type AppEnv, AppError, type Ctx, createApp, createLog, describeError, findAppError, toProblem } from '#core'
import { databaseFailure } from '#database'
import { acceptSignature, networkOf } from '#security'
import { configOf, makeCtx } from './context.ts'
import { guard, limitHeaders } from './guard.ts'

type Meter = ReturnType<typeof makeCtx>['meter']
type Env = AppEnv<Ctx>
export type App = ReturnType<typeof createApp>

const TRACEPARENT = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/
const LASTS_S = 60
const EDGE = { quota: 3000, windowS: 60 }
const OWN_HEADERS =
  'Authorization, Content-Digest, Content-Type, Aurelius-Session, Idempotency-Key, If-Match, If-Range, Last-Event-ID, Mcp-Protocol-Version, Signature, Signature-Input, X-CSRF-Token, traceparent'
// Clients of these protocols send many of their own; a wildcard does not stand for Authorization.
const CLIENT_HEADERS = 'Authorization, *'
const EXPOSED =
  'Accept-Signature, ETag, Location, Allow, WWW-Authenticate, X-Request-Id, Server-Timing, RateLimit, RateLimit-Policy, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, Retry-After, Idempotent-Replayed, Accept-Ranges, Content-Range'
const AI_EXPOSED =
  'Request-Id, Aurelius-Model, Aurelius-Provider, Aurelius-Cost-Micros, Aurelius-Cache, Aurelius-Overhead-Us, Aurelius-Decision'

function hex(bytes: number): string {
  return [...crypto.getRandomValues(new Uint8Array(bytes))].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}

function clientOf(c: Context) {
  const country = c.req.header('cf-ipcountry')
  return {
    address: c.req.header('cf-connecting-ip') ?? '127.0.0.1',
    country: country && /^[A-Z]{2}$/.test(country) ? country : null,
    userAgent: (c.req.header('user-agent') ?? '').replace(/[^\x20-\x7e]/g, '').slice(0, 300),
  }
}

const begin: MiddlewareHandler<Env> = async (c, next) => {
  const started = performance.now()
  const traceId = TRACEPARENT.exec(c.req.header('traceparent') ?? '')?.[1] ?? hex(16)
  const ctx = makeCtx(c.env, c.executionCtx, { actor: { kind: 'anonymous' }, client: clientOf(c), traceId })
  c.set('ctx', ctx)
  c.set('guard', guard)
  await next()
  const denied = c.error && (findAppError(c.error) ?? databaseFailure(c.error))
  if (denied) {
    const { namedIn, noteDenial } = await import('#audit')
    noteDenial(ctx, denied, namedIn(c.req.path))
  }
  finish(c, ctx, ctx.meter, performance.now() - started, traceId)
}

function finish(c: Context, ctx: Ctx, meter: Meter, ms: number, traceId: string): void {
  if (c.res.status === 101) return
  const headers = c.res.headers
  headers.set('X-Request-Id', ctx.requestId)
  headers.set('traceparent', `00-${traceId}-${hex(8)}-01`)
  headers.append('Server-Timing', `db;dur=${meter.ms.toFixed(1)};desc="trips=${meter.trips}"`)
  headers.append('Server-Timing', `total;dur=${ms.toFixed(1)}`)
  headers.set('X-Content-Type-Options', 'nosniff')
  headers.set('X-Frame-Options', 'DENY')
  if (!headers.has('Referrer-Policy')) headers.set('Referrer-Policy', 'no-referrer')
  headers.set('Cross-Origin-Resource-Policy', 'same-site')
  headers.set('Strict-Transport-Security', 'max-age=31536000; includeSubDomains')
  if (!headers.has('Content-Security-Policy'))
    headers.set('Content-Security-Policy', "default-src 'none'; frame-ancestors 'none'")
  if (!headers.has('Cache-Control')) headers.set('Cache-Control', 'no-store')
  if (headers.get('Content-Type') === 'application/json') headers.set('Content-Type', 'application/json; charset=utf-8')
  setHeadersIn(c.req.path, headers, ctx.requestId, ctx.now())
  const { userId, key } = ctx.actor.kind === 'person' ? ctx.actor : {}
  const route = c.req.routePath
  ctx.log.info('request', {
    method: c.req.method,
    route,
    status: c.res.status,
    ms: Math.round(ms),
    trips: meter.trips,
    userId,
    key: key?.id,
  })
}

const crossOrigin: MiddlewareHandler<Env> = async (c, next) => {
  const origin = c.req.header('origin')
  const allowed = origin !== undefined && c.var.ctx.config.allowedOrigins.includes(origin)
  const isCompat = c.req.path.startsWith('/compat/')
  const isPreflight = c.req.method === 'OPTIONS' && c.req.header('access-control-request-method') !== undefined
  if (!isPreflight) await next()
  else c.res = new Response(null, { status: allowed ? 204 : 403 })
  c.res.headers.append('Vary', 'Origin')
  if (!allowed || origin === undefined) return
  c.res.headers.set('Access-Control-Allow-Origin', origin)
  c.res.headers.set('Access-Control-Allow-Credentials', 'true')
  c.res.headers.set('Access-Control-Expose-Headers', [EXPOSED, AI_EXPOSED, ...exposedIn(c.req.path)].join(', '))
  if (!isPreflight) return
  c.res.headers.set('Access-Control-Allow-Methods', 'GET, POST, PUT, PATCH, DELETE')
  c.res.headers.set('Access-Control-Allow-Headers', isCompat ? CLIENT_HEADERS : OWN_HEADERS)
  c.res.headers.set('Access-Control-Max-Age', '600')
}

const edgeLimit: MiddlewareHandler<Env> = async (c, next) => {
  const { client, config } = c.var.ctx
  // A run with raised limits would not heed the answer, and asking the local binding costs more than the request.
  const isAsked = config.rateLimitFactor === 1
  if (isAsked && !(await c.env.EDGE_LIMIT.limit({ key: networkOf(client.address) })).success) {
    // The edge says no more than this: that there is none left, for a window at most.
    const limit = { ...EDGE, name: 'edge', left: 0, resetS: EDGE.windowS }
    throw new AppError('rate_limited', `More than ${EDGE.quota} requests a minute from one address`, { limit })
  }
  await next()
}

const METHODS = ['DELETE', 'GET', 'PATCH', 'POST', 'PUT']

/** What stands around every route: the context, who may ask from elsewhere, the limit at the edge, one shape of failure. */
export function createRoot(domains: { base: string; app: App }[]): App {
  const root = createApp()
  root.use(begin, crossOrigin, edgeLimit)
  for (const { base, app } of domains) root.route(base, app)
  root.notFound((c) => {
    const { path, method } = c.req
    // What stands around the routes is matched under any name of a method.
    const matched = (name: string) => root.router.match(name, path)[0].length
    const methods = METHODS.filter((name) => matched(name) > matched('NONE'))
    if (methods.length === 0) throw new AppError('not_found', `There is nothing at ${path.slice(0, 200)}`)
    c.header('Allow', methods.join(', '))
    throw new AppError('method_not_allowed', `${method} is not offered here; ${methods.join(', ')} is`)
  })
  root.onError(toAnswer)
  return root
}

const toAnswer: ErrorHandler<Env> = async (error, c) => {
  // Without a context there is no configuration either: its problems are what the log must say.
  const { requestId, log } = c.get('ctx') ?? { requestId: 'none', log: createLog({}) }
  const known = fromHttp(error) ?? findAppError(error) ?? databaseFailure(error) ?? fromObject(error)
  const problem = toProblem(known ?? error, requestId)
  if (problem.status >= 500) log.error('request.failed', { status: problem.status, ...describeError(error) })
  if (known?.limit) limitHeaders(c, known.limit)
  // Of a 503 the document promises it: where nobody knows better it is a minute.
  const waitS = known?.retryAfterS ?? (problem.status === 503 ? LASTS_S : 0)
  if (waitS > 0) c.header('Retry-After', String(waitS))
  if (problem.status === 401) {
    const { challengeAt } = await import('#oauth')
    const place = challengeAt(configOf(c.env), c.req.path)
    const isStepUp = problem.code === 'step_up_required'
    const error = isStepUp
      ? 'error="insufficient_user_authentication", max_age="300"'
      : `error="invalid_token", ${place}`
    c.header('WWW-Authenticate', `Bearer ${c.req.header('authorization') ? error : place}`)
  }
  if (problem.code === 'signature_required' || problem.code === 'invalid_signature') {
    // The token is good: nothing is won by another.
    c.header('WWW-Authenticate', 'Bearer')
    c.header('Accept-Signature', acceptSignature(c.req.raw.body !== null))
  }
  if (problem.status === 426) c.header('Upgrade', 'websocket')
  const isRpc = c.req.path === '/mcp'
  const { status, body, headers } = refusalIn(c.req.path, problem, known?.retryAfterS) ?? {
    status: problem.status,
    body: isRpc ? (await import('#mcp')).toRpcProblem(problem, known) : problem,
    headers: { 'Content-Type': isRpc ? 'application/json' : 'application/problem+json; charset=utf-8' },
  }
  // biome-ignore lint/nursery/noUnsafeTypeAssertion: every status of the table of errors may have a body
  return c.body(JSON.stringify(body), { status: status as 400, headers })
}

// What a Durable Object that was moved, replaced or overrun throws at its caller.
function fromObject(error: Error): AppError | undefined {
  const isAway =
    ('retryable' in error && error.retryable === true) || ('overloaded' in error && error.overloaded === true)
  const wasReset = 'durableObjectReset' in error && error.durableObjectReset === true
  if (!isAway && !wasReset) return undefined
  return new AppError('unavailable', 'A part of the answer is being moved; try again', { cause: error, retryAfterS: 2 })
}

function fromHttp(error: Error): AppError | undefined {
  if (!(error instanceof HTTPException)) return undefined
  if (error.status === 415)
    return new AppError('unsupported_media_type', 'The body must be application/json', { cause: error })
  if (error.status === 413) return new AppError('too_large', 'The body is too large', { cause: error })
  return new AppError('invalid_request', 'The body is not valid JSON', { cause: error })
}
