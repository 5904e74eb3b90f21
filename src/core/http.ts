import { createRoute, OpenAPIHono, type RouteConfig, z } from '@hono/zod-openapi'
import type { Context, MiddlewareHandler, Next } from 'hono'
import type { Ctx, UserCtx } from './ctx.ts'
import { AppError, ERRORS } from './errors.ts'
import { fieldErrors } from './issues.ts'
import { type Later, later, settled } from './schema.ts'

/** Who may call a route and which limit counts its calls. */
export type LimitClass = 'public' | 'signin' | 'read' | 'write' | 'ai' | 'export'
export type RouteMeta = {
  /** What the audit calls it. */
  operation: string
  auth: 'none' | 'person' | 'operator'
  limit: LimitClass
  path: string
  /** Whether an Idempotency-Key is heeded. */
  keyed: boolean
  hasBody: boolean
  /** A header that may bear the token where there is no Authorization. */
  keyHeader?: string
  /** Its handler waits for `ctx.admitted` itself, beside what else it asks, before it spends anything. */
  admitsLate?: boolean
}
export type Guard = (c: Context, meta: RouteMeta, next: Next) => Promise<Response | void>
export type AppEnv<C> = { Bindings: Env; Variables: { ctx: C; guard: Guard } }

const ProblemSchema = later(() =>
  z
    .strictObject({
      type: z.url().max(200),
      title: z.string().max(200),
      status: z.number().int().min(400).max(599).openapi({ format: 'int32' }),
      detail: z.string().max(2000),
      instance: z.string().max(64),
      code: z
        .enum([...Object.keys(ERRORS), 'internal'])
        .openapi({ description: 'Stable; switch on this, not on the text' }),
      errors: z
        .array(z.strictObject({ pointer: z.string().max(200), detail: z.string().max(500) }))
        .max(100)
        .optional(),
    })
    .openapi('Problem'),
)

const header = (description: string, example: string, required = true) => ({
  description,
  required,
  schema: { type: 'string' as const, maxLength: 500 },
  example,
})
const HEADERS = {
  'RateLimit-Policy': header('Quota `q` in a window of `w` seconds', '"read";q=600;w=60'),
  RateLimit: header('What remains, `r`, and the seconds until the window ends, `t`', '"read";r=599;t=60'),
  'Access-Control-Allow-Origin': header(
    'The origin that asked, when it is on the allow-list',
    'https://app.example.com',
    false,
  ),
}
/** Its schema is made when the document is. */
export const looked = <T extends z.ZodType>(schema: Later<T>) => ({
  get schema() {
    return settled(schema)
  },
})
const RETRY = { 'Retry-After': header('Seconds to wait', '5') }
const SAYS = {
  400: 'Not valid: `errors` points at what',
  401: 'No valid sign-in',
  403: 'Not allowed',
  404: 'No such thing, or not yours',
  409: 'Conflicts with what is there',
  410: 'No longer there',
  412: 'Changed since it was read',
  413: 'The body is too large',
  415: 'Not JSON in UTF-8',
  422: 'The idempotency key was used with another request',
  426: 'Not a WebSocket upgrade',
  428: 'If-Match is missing',
  429: 'Too many requests',
  500: 'Our fault; quote `instance`',
  502: 'The model did not answer',
  503: 'A needed part is away for a moment',
  504: 'It took too long',
}
type Status = keyof typeof SAYS
const problem = (status: Status) => ({
  description: SAYS[status],
  headers: { ...HEADERS, ...((status === 429 || status === 503) && RETRY) },
  content: { 'application/problem+json': looked(ProblemSchema) },
})

/** A route as a domain writes it; the problems it may give are added. */
export type RouteSpec = Omit<RouteConfig, 'middleware' | 'security' | 'hide'> & {
  operationId: string
  summary: string
  tags: string[]
}
type Options = {
  limit?: LimitClass
  idempotent?: boolean
  ifMatch?: boolean
  /** What its verb throws beyond what its kind of route may. */
  problems?: Status[]
}
type Guarded<R, C> = R & { middleware: MiddlewareHandler<AppEnv<C>>; getRoutingPath(): string }

const IdempotencyHeader = z.object({
  'idempotency-key': z
    .string()
    .min(1)
    .max(255)
    .regex(/^[\x21-\x7e]+$/)
    .optional()
    .openapi({ description: 'The same key and body give the first answer again' }),
})
const IfMatchHeader = z.object({
  'if-match': z
    .string()
    .max(100)
    .optional()
    .openapi({ description: 'The ETag that was read; required', example: '"3"' }),
})

/** What any route of this kind may answer. Public ones say themselves what stands behind them. */
function problemsOf({ request = {} }: RouteSpec, { auth, keyed, hasBody }: RouteMeta, options: Options) {
  const takesInput = keyed || hasBody || options.ifMatch || request.params || request.query
  const kinds: [unknown, Status[]][] = [
    [true, [429, 500]],
    [takesInput, [400]],
    [auth !== 'none', [401, 503, 504]],
    [auth !== 'none', [403]],
    [auth !== 'none' && request.params, [404]],
    [keyed, [409, 413, 422]],
    [hasBody, [413, 415]],
    [options.ifMatch, [412, 428]],
    [options.problems, options.problems ?? []],
  ]
  const statuses = kinds.flatMap(([isSo, given]) => (isSo ? given : []))
  return Object.fromEntries(statuses.map((status) => [status, problem(status)]))
}

function guarded<C, R extends RouteSpec>(spec: R, auth: RouteMeta['auth'], options: Options): Guarded<R, C> {
  const meta: RouteMeta = {
    operation: spec.operationId,
    auth,
    limit: options.limit ?? (spec.method === 'get' ? 'read' : 'write'),
    path: spec.path,
    keyed: auth === 'person' && spec.method === 'post' && (options.idempotent ?? true),
    hasBody: spec.request?.body !== undefined,
  }
  const bearers: Record<string, string[]>[] =
    auth === 'none'
      ? []
      : auth === 'person'
        ? [{ accessToken: [] }, { sessionCookie: [] }]
        : [{ operatorToken: [] }, { staffToken: [] }]
  const middleware: MiddlewareHandler<AppEnv<C>> = (c, next) => c.var.guard(c, meta, next)
  const headers = options.ifMatch ? IfMatchHeader : meta.keyed ? IdempotencyHeader : undefined
  // A socket that opens has no headers of ours: its handshake is the runtime's.
  const responses = Object.fromEntries(
    Object.entries(spec.responses).map(([status, response]) => [
      status,
      '$ref' in response || status === '101' ? response : { ...response, headers: { ...HEADERS, ...response.headers } },
    ]),
  )
  const route = createRoute({
    ...spec,
    'x-rate-limit': meta.limit,
    request: { ...spec.request, ...(headers && { headers }) },
    security: bearers,
    responses: { ...problemsOf(spec, meta, options), ...responses },
    middleware,
  })
  // The added problems are thrown, never returned: handlers are typed by the responses the domain wrote.
  // biome-ignore lint/nursery/noUnsafeTypeAssertion: the line above
  return route as unknown as Guarded<R, C>
}

/** A route for a signed-in person: `c.var.ctx.actor` is that person. */
export const personRoute = <const R extends RouteSpec>(spec: R, options: Options = {}) =>
  guarded<UserCtx, R>(spec, 'person', options)
/** A route anybody may call. */
export const publicRoute = <const R extends RouteSpec>(spec: R, options: Options = {}) =>
  guarded<Ctx, R>(spec, 'none', { limit: 'public', ...options })
/** A route for whoever runs the deployment: by the operator's token, or by a sign-in with a role of the policy. */
export const operatorRoute = <const R extends RouteSpec>(spec: R, options: Options = {}) =>
  guarded<Ctx, R>(spec, 'operator', options)

/** A Hono sub-app whose validation failures are one kind of error, with pointers. */
export function createApp() {
  return new OpenAPIHono<AppEnv<Ctx>>({
    defaultHook: (result) => {
      if (result.success) return
      const at = result.target === 'json' ? '' : result.target === 'param' ? 'path' : result.target
      const errors = fieldErrors(result.error, at)
      throw new AppError(
        'invalid_request',
        errors[0] ? `${errors[0].pointer}: ${errors[0].detail}`.slice(0, 500) : 'Not valid',
        { errors },
      )
    },
  })
}

/** A JSON body of this schema, for `request` and for `responses`. */
export const body = <T extends z.ZodType>(schema: T) => ({
  required: true as const,
  content: { 'application/json': { schema } },
})
export const answer = <T extends z.ZodType>(schema: Later<T>, description: string) => ({
  description,
  content: { 'application/json': looked(schema) },
})

/** What was made: its place and its version. */
export const created = <T extends z.ZodType>(schema: Later<T>, description: string) => ({
  description,
  headers: { ETag: header('The version, for If-Match', '"1"'), Location: header('Where it is', '/v1/tasks/task_…') },
  content: { 'application/json': looked(schema) },
})

/** An answer that can be updated with If-Match: its ETag is the version, also in the body. */
export const versioned = <T extends z.ZodType>(schema: Later<T>, description: string) => ({
  description,
  headers: { ETag: header('The version, for If-Match', '"3"') },
  content: { 'application/json': looked(schema) },
})

export function etag(version: number): { ETag: string } {
  return { ETag: `"${version}"` }
}

/**
 * Changes what has a version the caller read: it says one, several of which one must fit, or `*`, any. 428 when it
 * says none, 400 when it is not one of ours, 412 when none fits: a weak one never does (RFC 9110, 13.1.1).
 */
export async function ifMatch<T>(c: Context, change: (version: number | '*') => Promise<T>): Promise<T> {
  const value = c.req.header('if-match')?.trim()
  if (value === undefined || value === '')
    throw new AppError('version_required', 'Send If-Match with the ETag you read')
  if (value === '*') return await change(value)
  // A change fits at most one version, so they are tried in turn; the header holds no more than 25.
  let stale = new AppError('version_stale', 'A weak ETag matches nothing: send the one you read')
  for (const version of versionsOf(value)) {
    try {
      return await change(version)
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'version_stale') throw error
      stale = error
    }
  }
  throw stale
}

function versionsOf(value: string): Set<number> {
  const tags = value.split(',').map((tag) => /^(W\/)?"(\d{1,9})"$/.exec(tag.trim()))
  if (tags.includes(null))
    throw new AppError('invalid_request', 'If-Match must be an ETag this API gave', {
      errors: [{ pointer: 'header/if-match', detail: 'not an ETag of this API' }],
    })
  return new Set(tags.flatMap((tag) => (tag && !tag[1] ? Number(tag[2]) : [])))
}
