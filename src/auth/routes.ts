import { z } from '@hono/zod-openapi'
import { answer, body, cookies, createApp, personRoute, publicRoute, s } from '#core'
import { codesApp } from './code-routes.ts'
import { handOver, refreshTokenOf } from './hand-over.ts'
import { identitiesApp, providersApp } from './provider-routes.ts'
import { register } from './register.ts'
import { factorsApp, secondStepApp } from './routes-factors.ts'
import { Admitted, Challenge, Login, Refresh, Registration, Renewed, SessionPage } from './schema.ts'
import { endOtherSessions, endSession, listSessions, logout, refresh } from './sessions.ts'
import { login } from './sign-in.ts'

const tags = ['Sign-in']

const registerRoute = publicRoute(
  {
    method: 'post',
    path: '/auth/register',
    operationId: 'register',
    summary: 'Make a person and sign them in',
    description:
      'Where people register by mail the answer is 202, whoever has the address: the person begins with the link in the mail.',
    tags,
    request: { headers: cookies.SessionHeader, body: body(Registration) },
    responses: {
      201: answer(Admitted, 'The person and a first session'),
      202: { description: 'Mail is on its way: a link, or word that there is an account' },
    },
  },
  { limit: 'signin', problems: [409, 503, 504] },
)
const loginRoute = publicRoute(
  {
    method: 'post',
    path: '/auth/login',
    operationId: 'login',
    summary: 'Sign in with address and password',
    tags,
    request: { headers: cookies.SessionHeader, body: body(Login) },
    responses: {
      200: answer(Admitted, 'A new session'),
      202: answer(Challenge, 'Right, and a second factor is needed'),
    },
  },
  { limit: 'signin', problems: [401, 503, 504] },
)
const refreshRoute = publicRoute(
  {
    method: 'post',
    path: '/auth/refresh',
    operationId: 'refresh',
    summary: 'Renew the access token',
    description:
      'Each refresh token works once. Within 10 seconds the same token is given the same successor; any older one ends the session.',
    tags,
    request: { headers: cookies.SessionHeader, body: body(Refresh) },
    responses: { 200: answer(Renewed, 'The next tokens') },
  },
  { problems: [401, 503, 504] },
)
const logoutRoute = personRoute(
  {
    method: 'post',
    path: '/auth/logout',
    operationId: 'logout',
    summary: 'End this session',
    tags,
    responses: { 204: { description: 'Ended' } },
  },
  { idempotent: false },
)
const listRoute = personRoute({
  method: 'get',
  path: '/auth/sessions',
  operationId: 'listSessions',
  summary: 'Where this person is signed in',
  tags,
  request: { query: z.strictObject({ limit: s.limit, cursor: s.cursor }) },
  responses: { 200: answer(SessionPage, 'Open sessions, newest first') },
})
const endRoute = personRoute({
  method: 'delete',
  path: '/auth/sessions/{id}',
  operationId: 'endSession',
  summary: 'End one session',
  tags,
  request: { params: z.strictObject({ id: s.id('ses') }) },
  responses: { 204: { description: 'Ended' } },
})

const endOthersRoute = personRoute({
  method: 'delete',
  path: '/auth/sessions',
  operationId: 'endOtherSessions',
  summary: 'End every session but this one',
  tags,
  responses: { 204: { description: 'Ended, those that there were' } },
})

const signInApp = createApp()
  .openapi(registerRoute, async (c) => {
    const made = await register(c.var.ctx, c.req.valid('json'))
    return made ? c.json(handOver(c, made), 201) : c.body(null, 202)
  })
  .openapi(loginRoute, async (c) => {
    const admission = await login(c.var.ctx, c.req.valid('json'))
    return admission.kind === 'challenge' ? c.json(admission.answer, 202) : c.json(handOver(c, admission.answer), 200)
  })
  .openapi(refreshRoute, async (c) => {
    const given = refreshTokenOf(c, c.req.valid('json').refreshToken)
    return c.json(handOver(c, await refresh(c.var.ctx, given)), 200)
  })

const sessionsApp = createApp()
  .openapi(logoutRoute, async (c) => {
    await logout(c.var.ctx)
    cookies.drop(c)
    return c.body(null, 204)
  })
  .openapi(listRoute, async (c) => c.json(await listSessions(c.var.ctx, c.req.valid('query')), 200))
  .openapi(endRoute, async (c) => {
    await endSession(c.var.ctx, c.req.valid('param').id, 'revoked')
    return c.body(null, 204)
  })
  .openapi(endOthersRoute, async (c) => {
    await endOtherSessions(c.var.ctx)
    return c.body(null, 204)
  })

export const app = createApp()
  .route('/', signInApp)
  .route('/', sessionsApp)
  .route('/', secondStepApp)
  .route('/', factorsApp)
  .route('/', codesApp)
  .route('/', providersApp)
  .route('/', identitiesApp)
