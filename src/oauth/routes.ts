import { z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import { answer, type Ctx, createApp, findAppError, personRoute, type RouteMeta, s, toProblem } from '#core'
import { databaseFailure } from '#database'
import { beginRequest, decide, readRequest, signInToRequest } from './authorize.ts'
import { registerClient } from './clients.ts'
import { OauthError } from './error.ts'
import { readAs, readParameters } from './form.ts'
import { listGrants, revokeGrant } from './grants.ts'
import { resourceMetadata, serverMetadata } from './metadata.ts'
import { codePage, consentPage, type Page, problemPage, STYLE, signInPage } from './pages.ts'
import { ClientMetadata, CodeExchange, Decision, OauthGrantPage, Renewal, RequestId, Revocation } from './schema.ts'
import { exchangeCode, renewGrant, revokeToken } from './tokens.ts'

type Handler = (c: Context, ctx: Ctx) => Promise<Response> | Response
type Route = {
  method: 'GET' | 'POST'
  path: string
  summary: string
  limit: RouteMeta['limit']
  isPage?: boolean
  handle: Handler
}

const COOKIE = 'aurelius_oauth'
const COOKIE_S = 600
const PUBLIC = { 'Cache-Control': 'public, max-age=300' }
/** What a person may mend on the same page. */
const AGAIN = new Set(['invalid_credentials', 'wrong_factor', 'invalid_token', 'rate_limited'])
const BEGUN_ANEW = new Set(['invalid_credentials', 'invalid_token'])

/** A page of ours: it runs nothing, loads nothing, is in no frame, and its form leads to us and the app alone. */
async function show(c: Context, { html, leadsTo }: Page, status = 200): Promise<Response> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(STYLE))
  const style = btoa(String.fromCharCode(...new Uint8Array(digest)))
  const target = leadsTo === undefined ? "'self'" : `'self' ${leadsTo}`
  return say(c, html, status, {
    'Content-Type': 'text/html; charset=utf-8',
    'Content-Security-Policy': `default-src 'none'; style-src 'sha256-${style}'; form-action ${target}; frame-ancestors 'none'; base-uri 'none'`,
    // A form's post says where it is from, which no-referrer would hide from ourselves as well.
    'Referrer-Policy': 'same-origin',
  })
}

function say(c: Context, body: string, status: number, headers: Record<string, string>): Response {
  // biome-ignore lint/nursery/noUnsafeTypeAssertion: every status of the table of errors may have a body
  return c.body(body, status as 400, headers)
}

const isSecure = ({ config }: Ctx) => config.publicUrl.startsWith('https:')
const prefixOf = (ctx: Ctx) => (isSecure(ctx) ? { prefix: 'host' as const } : {})

function keep(c: Context, ctx: Ctx, secret: string): void {
  const options = { path: '/', httpOnly: true, sameSite: 'Strict', maxAge: COOKIE_S, secure: isSecure(ctx) } as const
  setCookie(c, COOKIE, secret, { ...options, ...prefixOf(ctx) })
}

function secretIn(c: Context, ctx: Ctx): string {
  const secret = isSecure(ctx) ? getCookie(c, COOKIE, 'host') : getCookie(c, COOKIE)
  if (secret) return secret
  throw new OauthError(
    'access_denied',
    'Nothing was begun in this browser. Begin in the app that wants access; cookies must be allowed.',
  )
}

/** A form that a page of ours sent. A browser says where it is from; one that does not is none that we know. */
async function formOf(c: Context, { config }: Ctx): Promise<URLSearchParams> {
  const origin = c.req.header('origin')
  if (origin !== new URL(config.publicUrl).origin)
    throw new OauthError('access_denied', 'This form was not sent by a page of Aurelius')
  return await bodyOf(c)
}

async function bodyOf(c: Context): Promise<URLSearchParams> {
  if (!/^application\/x-www-form-urlencoded\b/i.test(c.req.header('content-type') ?? ''))
    throw new OauthError('invalid_request', 'The body must be application/x-www-form-urlencoded')
  return new URLSearchParams(await c.req.text())
}

const authorize: Handler = async (c, ctx) => {
  const { id, secret } = await beginRequest(ctx, readParameters(new URL(c.req.url).searchParams))
  keep(c, ctx, secret)
  return await show(c, signInPage(id))
}

const signIn: Handler = async (c, ctx) => {
  const given = readParameters(await formOf(c, ctx))
  const { request: id } = readAs(RequestId(), given)
  try {
    const signedIn = await signInToRequest(ctx, { id, secret: secretIn(c, ctx) }, given)
    if (signedIn.kind === 'challenge') return await show(c, codePage(id, signedIn.answer.challenge))
    keep(c, ctx, signedIn.secret)
    return c.redirect('/oauth/consent', 303)
  } catch (error) {
    const known = findAppError(error) ?? databaseFailure(error)
    if (!known || !AGAIN.has(known.code)) throw error
    // It is answered by a page, and told to the audit all the same.
    c.error = known
    const status = known.code === 'rate_limited' ? 429 : 401
    // A challenge that is used up is begun anew, by the password.
    const challenge = BEGUN_ANEW.has(known.code) ? undefined : given['challenge']
    const page = challenge === undefined ? signInPage(id, known.message) : codePage(id, challenge, known.message)
    return await show(c, page, status)
  }
}

const consent: Handler = async (c, ctx) => await show(c, consentPage(await readRequest(ctx, secretIn(c, ctx))))

const settle: Handler = async (c, ctx) => {
  const form = await formOf(c, ctx)
  const scopes = form.getAll('scope')
  form.delete('scope')
  const { request: id, decision } = readAs(Decision(), readParameters(form))
  const place = await decide(ctx, { id, secret: secretIn(c, ctx) }, { isAllowed: decision === 'allow', scopes })
  deleteCookie(c, COOKIE, { path: '/', secure: isSecure(ctx), ...prefixOf(ctx) })
  return c.redirect(place, 303)
}

const token: Handler = async (c, ctx) => {
  const given = readParameters(await bodyOf(c))
  const grants: Record<string, () => Promise<object>> = {
    authorization_code: async () => await exchangeCode(ctx, readAs(CodeExchange(), given)),
    refresh_token: async () => await renewGrant(ctx, readAs(Renewal(), given)),
  }
  const kind = given['grant_type']
  if (kind === undefined) throw new OauthError('invalid_request', 'grant_type is missing')
  const grant = Object.hasOwn(grants, kind) ? grants[kind] : undefined
  if (!grant) throw new OauthError('unsupported_grant_type', 'authorization_code and refresh_token are offered')
  return c.json(await grant(), 200, { Pragma: 'no-cache' })
}

const revoke: Handler = async (c, ctx) => {
  await revokeToken(ctx, readAs(Revocation(), readParameters(await bodyOf(c))))
  return c.body(null, 200)
}

const register: Handler = async (c, ctx) => {
  if (!/^application\/json\b/i.test(c.req.header('content-type') ?? ''))
    throw new OauthError('invalid_client_metadata', 'The body must be application/json')
  const read = ClientMetadata().safeParse(await c.req.json())
  const [issue] = read.error?.issues ?? []
  if (!read.success)
    throw new OauthError(
      issue?.path[0] === 'redirect_uris' ? 'invalid_redirect_uri' : 'invalid_client_metadata',
      `${issue?.path.join('/')}: ${issue?.message}`,
    )
  const { id, name, redirectUris } = await registerClient(ctx, read.data)
  const { grant_types_supported: grant_types, response_types_supported: response_types } = serverMetadata(ctx.config)
  const made = {
    client_id: id,
    client_id_issued_at: Math.floor(ctx.now().getTime() / 1000),
    client_name: name,
    redirect_uris: redirectUris,
    grant_types,
    response_types,
    token_endpoint_auth_method: 'none',
  }
  return c.json(made, 201)
}

const RESOURCE = '/.well-known/oauth-protected-resource'
const get = { method: 'GET', limit: 'public' } as const
const post = { method: 'POST', limit: 'public' } as const
const ROUTES: Route[] = [
  {
    ...get,
    path: '/.well-known/oauth-authorization-server',
    summary: 'What the authorization server offers (RFC 8414)',
    handle: (c, { config }) => c.json(serverMetadata(config), 200, PUBLIC),
  },
  {
    ...get,
    path: RESOURCE,
    summary: 'Who lets in to the REST and compatible API (RFC 9728)',
    handle: (c, { config }) => c.json(resourceMetadata(config, '/'), 200, PUBLIC),
  },
  {
    ...get,
    path: `${RESOURCE}/mcp`,
    summary: 'Who lets in to the MCP server (RFC 9728)',
    handle: (c, { config }) => c.json(resourceMetadata(config, '/mcp'), 200, PUBLIC),
  },
  { ...post, path: '/oauth/register', summary: 'Make an app known (RFC 7591)', handle: register },
  { ...get, path: '/oauth/authorize', summary: 'Where an app sends a person', isPage: true, handle: authorize },
  {
    method: 'POST',
    limit: 'signin',
    path: '/oauth/sign-in',
    summary: 'The form of that page',
    isPage: true,
    handle: signIn,
  },
  { ...get, path: '/oauth/consent', summary: 'What an app asks for', isPage: true, handle: consent },
  { ...post, path: '/oauth/consent', summary: "The person's answer", isPage: true, handle: settle },
  { ...post, path: '/oauth/token', summary: 'Tokens for a code or a refresh token', handle: token },
  { ...post, path: '/oauth/revoke', summary: 'End what a token stands for (RFC 7009)', handle: revoke },
]

/** What is offered here: not in the OpenAPI document, because OAuth has its own metadata. */
export const OAUTH_ROUTES = ROUTES.map(({ method, path, summary }) => ({ method, path, summary }))

export const app = createApp()
for (const { method, path, limit, handle } of ROUTES) {
  const meta: RouteMeta = {
    operation: `${method} ${path}`,
    auth: 'none',
    limit,
    path,
    keyed: false,
    hasBody: method === 'POST',
  }
  app.on(
    method,
    path,
    (c, next) => c.var.guard(c, meta, next),
    (c) => handle(c, c.var.ctx),
  )
}

// What is nobody's fault, and what is no OAuth, is answered as everywhere.
app.onError((error, c) => {
  const { requestId } = c.var.ctx
  const known = error instanceof OauthError ? undefined : (findAppError(error) ?? databaseFailure(error))
  if (!(error instanceof OauthError) && !known) throw error
  // Of the database's own words, which tell the statement, nobody is told.
  const { message } = known ?? error
  if (known?.retryAfterS) c.header('Retry-After', String(known.retryAfterS))
  const status = known ? toProblem(known, requestId).status : error instanceof OauthError ? error.status : 500
  const route = ROUTES.find(({ path, method }) => path === c.req.path && method === c.req.method)
  if (route?.isPage) return show(c, problemPage(message, error instanceof OauthError ? error.back : undefined), status)
  const said = {
    error: error instanceof OauthError ? error.code : codeFor(c, status),
    error_description: message,
  }
  return say(c, JSON.stringify(said), status, { 'Content-Type': 'application/json' })
})

function codeFor(c: Context, status: number): string {
  if (status === 429 || status >= 500) return 'temporarily_unavailable'
  return c.req.path === '/oauth/register' ? 'invalid_client_metadata' : 'invalid_request'
}

const listRoute = personRoute({
  method: 'get',
  path: '/oauth/grants',
  operationId: 'listOauthGrants',
  summary: 'The apps this person has let in by OAuth',
  tags: ['Apps'],
  request: { query: z.strictObject({ limit: s.limit, cursor: s.cursor }) },
  responses: { 200: answer(OauthGrantPage, 'What they were allowed, newest first') },
})
const revokeRoute = personRoute({
  method: 'delete',
  path: '/oauth/grants/{id}',
  operationId: 'revokeOauthGrant',
  summary: 'Take back what an app was allowed, at once',
  tags: ['Apps'],
  request: { params: z.strictObject({ id: s.id('grt') }) },
  responses: { 204: { description: 'Taken back' } },
})

export const grantsApp = createApp()
  .openapi(listRoute, async (c) => c.json(await listGrants(c.var.ctx, c.req.valid('query')), 200))
  .openapi(revokeRoute, async (c) => {
    await revokeGrant(c.var.ctx, c.req.valid('param').id)
    return c.body(null, 204)
  })
