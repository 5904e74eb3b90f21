import { z } from '@hono/zod-openapi'
import { answer, body, createApp, personRoute, publicRoute, s } from '#core'
import { register } from './register.ts'
import { Challenge, Login, Refresh, Registration, SessionPage, SignedIn, Tokens } from './schema.ts'
import { endSession, listSessions, logout, refresh } from './sessions.ts'
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
    request: { body: body(Registration) },
    responses: {
      201: answer(SignedIn, 'The person and a first session'),
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
    request: { body: body(Login) },
    responses: {
      200: answer(SignedIn, 'A new session'),
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
    request: { body: body(Refresh) },
    responses: { 200: answer(Tokens, 'The next tokens') },
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

export const signInApp = createApp()
  .openapi(registerRoute, async (c) => {
    const made = await register(c.var.ctx, c.req.valid('json'))
    return made ? c.json(made, 201) : c.body(null, 202)
  })
  .openapi(loginRoute, async (c) => {
    const admission = await login(c.var.ctx, c.req.valid('json'))
    return admission.kind === 'challenge' ? c.json(admission.answer, 202) : c.json(admission.answer, 200)
  })
  .openapi(refreshRoute, async (c) => c.json(await refresh(c.var.ctx, c.req.valid('json')), 200))

export const sessionsApp = createApp()
  .openapi(logoutRoute, async (c) => {
    await logout(c.var.ctx)
    return c.body(null, 204)
  })
  .openapi(listRoute, async (c) => c.json(await listSessions(c.var.ctx, c.req.valid('query')), 200))
  .openapi(endRoute, async (c) => {
    await endSession(c.var.ctx, c.req.valid('param').id, 'revoked')
    return c.body(null, 204)
  })
