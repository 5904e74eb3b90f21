import { answer, body, cookies, createApp, personRoute, publicRoute, randomToken } from '#core'
import { comeBack, exchange, leaveFor, startFlow } from './federation.ts'
import { handOver } from './hand-over.ts'
import { linkIdentity, listIdentities, startLink, unlinkIdentity } from './identities.ts'
import {
  Admitted,
  Challenge,
  Exchange,
  FlowQuery,
  FlowStart,
  Identity,
  IdentityList,
  IdentityParams,
  IdentityStart,
  LinkCode,
  ProviderAnswer,
  ProviderParams,
  ProviderStart,
} from './schema.ts'

const tags = ['Sign-in by others']
const BROWSER_S = 600
const FRESH = 'Asks for a sign-in of the last five minutes: else 401 `step_up_required`.'
const ENDS =
  'Sends the browser on to `returnTo` with a `code` that works for a minute, or with `error`: `access_denied`, `sign_in_refused` or `provider_failed`.'
const onward = {
  303: {
    description: 'Onward',
    headers: {
      Location: { description: 'Where to', required: true, schema: { type: 'string' as const, maxLength: 4000 } },
    },
  },
}

const startRoute = publicRoute(
  {
    method: 'post',
    path: '/auth/providers/{provider}/start',
    operationId: 'startProviderSignIn',
    summary: 'Begin to sign in with an account of Google, Microsoft or Apple',
    description:
      'Open `url` in the browser of whoever signs in. It comes back to `returnTo`, which must be on the list of this deployment (a program on their own machine: any port of 127.0.0.1), with a `code` for `POST /v1/auth/providers/exchange`.',
    tags,
    request: { params: ProviderParams, body: body(ProviderStart) },
    responses: { 200: answer(FlowStart, 'Where to go') },
  },
  { limit: 'signin', problems: [404, 503, 504] },
)
const leaveRoute = publicRoute(
  {
    method: 'get',
    path: '/auth/providers/{provider}/start',
    operationId: 'leaveForProvider',
    summary: "Where a browser begins: sends it to the provider's page, and knows it again",
    tags,
    request: { params: ProviderParams, query: FlowQuery },
    responses: onward,
  },
  { problems: [404, 410, 503, 504] },
)
const backRoute = publicRoute(
  {
    method: 'get',
    path: '/auth/providers/{provider}/callback',
    operationId: 'comeBackFromProvider',
    summary: 'Where a browser comes back to',
    description: ENDS,
    tags,
    request: { params: ProviderParams, query: ProviderAnswer },
    responses: onward,
  },
  { problems: [404, 410, 503, 504] },
)
const formRoute = publicRoute(
  {
    method: 'post',
    path: '/auth/providers/{provider}/callback',
    operationId: 'comeBackWithForm',
    summary: 'The same by a form, as Apple has it',
    description: ENDS,
    tags,
    request: {
      params: ProviderParams,
      body: { required: true, content: { 'application/x-www-form-urlencoded': { schema: ProviderAnswer } } },
    },
    responses: onward,
  },
  { problems: [404, 410, 503, 504] },
)
const exchangeRoute = publicRoute(
  {
    method: 'post',
    path: '/auth/providers/exchange',
    operationId: 'exchangeProviderCode',
    summary: 'Sign in with the code a browser came back with',
    description:
      "An account that is nobody's makes a new person if the provider vouches for its address and the address is free. It is never linked by its address: 409 `email_taken` and 403 `identity_unknown` ask to sign in another way first, and to link it.",
    tags,
    request: { headers: cookies.SessionHeader, body: body(Exchange) },
    responses: {
      200: answer(Admitted, 'A new session'),
      202: answer(Challenge, 'Right, and a second factor is needed'),
    },
  },
  { limit: 'signin', problems: [403, 409, 410, 503, 504] },
)

const listRoute = personRoute({
  method: 'get',
  path: '/auth/identities',
  operationId: 'listIdentities',
  summary: 'With whose accounts this person signs in',
  tags,
  responses: { 200: answer(IdentityList, 'At most one of each provider') },
})
const linkStartRoute = personRoute(
  {
    method: 'post',
    path: '/auth/identities/start',
    operationId: 'startIdentityLink',
    summary: 'Begin to link an account of Google, Microsoft or Apple',
    description: FRESH,
    tags,
    request: { body: body(IdentityStart) },
    responses: { 200: answer(FlowStart, 'Where to go') },
  },
  // A kept answer would hold the handle in the clear.
  { idempotent: false, problems: [404] },
)
const linkRoute = personRoute(
  {
    method: 'post',
    path: '/auth/identities',
    operationId: 'linkIdentity',
    summary: 'Link the account a browser came back with',
    description: 'In the session that began. The person is told by mail.',
    tags,
    request: { body: body(LinkCode) },
    responses: { 201: answer(Identity, 'Linked') },
  },
  { idempotent: false, problems: [409, 410] },
)
const unlinkRoute = personRoute(
  {
    method: 'delete',
    path: '/auth/identities/{id}',
    operationId: 'unlinkIdentity',
    summary: 'Unlink an account; the last way to sign in stays',
    description: FRESH,
    tags,
    request: { params: IdentityParams },
    responses: { 204: { description: 'Unlinked' } },
  },
  { problems: [409] },
)

// Apple's form comes from its own site, and Lax would leave the cookie at home; without https there is no other way.
const cookieName = (publicUrl: string) => (publicUrl.startsWith('https:') ? '__Host-aurelius-away' : 'aurelius-away')
const cookieRules = (publicUrl: string) => (publicUrl.startsWith('https:') ? 'SameSite=None; Secure' : 'SameSite=Lax')

function browserIn(publicUrl: string, header: string | undefined): string | undefined {
  const name = cookieName(publicUrl)
  const found = header
    ?.split(/; */)
    .flatMap((pair) => (pair.startsWith(`${name}=`) ? [pair.slice(name.length + 1)] : []))
  const [value, ...more] = found ?? []
  return value && more.length === 0 && /^[\w-]{43}$/.test(value) ? value : undefined
}

export const providersApp = createApp()
  .openapi(startRoute, async (c) => {
    const { provider } = c.req.valid('param')
    return c.json(await startFlow(c.var.ctx, provider, c.req.valid('json')), 200)
  })
  .openapi(leaveRoute, async (c) => {
    const { ctx } = c.var
    const { publicUrl } = ctx.config
    // The same for several at once: each is known by its state.
    const browser = browserIn(publicUrl, c.req.header('cookie')) ?? randomToken()
    const url = await leaveFor(ctx, c.req.valid('param').provider, c.req.valid('query').flow, browser)
    const rules = `Path=/; Max-Age=${BROWSER_S}; HttpOnly; ${cookieRules(publicUrl)}`
    c.header('Set-Cookie', `${cookieName(publicUrl)}=${browser}; ${rules}`)
    return c.redirect(url, 303)
  })
  .openapi(backRoute, async (c) => {
    const browser = browserIn(c.var.ctx.config.publicUrl, c.req.header('cookie'))
    return c.redirect(await comeBack(c.var.ctx, c.req.valid('param').provider, c.req.valid('query'), browser), 303)
  })
  .openapi(formRoute, async (c) => {
    const browser = browserIn(c.var.ctx.config.publicUrl, c.req.header('cookie'))
    return c.redirect(await comeBack(c.var.ctx, c.req.valid('param').provider, c.req.valid('form'), browser), 303)
  })
  .openapi(exchangeRoute, async (c) => {
    const admission = await exchange(c.var.ctx, c.req.valid('json'))
    return admission.kind === 'challenge' ? c.json(admission.answer, 202) : c.json(handOver(c, admission.answer), 200)
  })

export const identitiesApp = createApp()
  .openapi(listRoute, async (c) => c.json(await listIdentities(c.var.ctx), 200))
  .openapi(linkStartRoute, async (c) => c.json(await startLink(c.var.ctx, c.req.valid('json')), 200))
  .openapi(linkRoute, async (c) => c.json(await linkIdentity(c.var.ctx, c.req.valid('json')), 201))
  .openapi(unlinkRoute, async (c) => {
    await unlinkIdentity(c.var.ctx, c.req.valid('param').id)
    return c.body(null, 204)
  })
