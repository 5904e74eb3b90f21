import { and, eq } from 'drizzle-orm'
import { z } from 'zod'
import { AppError, type Ctx, s } from '#core'
import { duplicateOf } from '#database'
import { kick } from '#queue'
import { insertUser, people } from '#users'
import { arriveFlow, beginFlow, departFlow, endFlow, openFlow, takeFlow } from './flows.ts'
import { type Claims, readIdToken } from './id-token.ts'
import { isKnownDevice, welcomeMail } from './mails.ts'
import { type Admission, admit, openSession, type SignInCtx } from './open.ts'
import { askIdToken, getIdp, type Idp, refused, type Verdict } from './providers.ts'
import type { Exchange, FlowStart, Provider, ProviderAnswer, ProviderStart } from './schema.ts'
import { identities } from './tables.ts'

const LOOPBACK = /^http:\/\/(?:127\.0\.0\.1|\[::1\])(?=[:/]|$)/

type FlowCtx = Pick<Ctx, 'db' | 'config' | 'now' | 'log'>

/** Where a browser of this provider comes back to; one each, so that no other's answer fits. */
const redirectUri = ({ config }: Pick<Ctx, 'config'>, provider: Provider) =>
  new URL(`/v1/auth/providers/${provider}/callback`, config.publicUrl).href

// RFC 8252, 7.3: a program on the person's own machine takes the port it is given.
const withoutPort = (url: string) =>
  LOOPBACK.test(url) ? url.replace(/^(http:\/\/[^/:]+|http:\/\/\[::1\]):\d{1,5}/, '$1') : url

function requireReturn({ config }: Pick<Ctx, 'config'>, returnTo: string): void {
  if (config.signIn.returnUrls.some((url) => withoutPort(url) === withoutPort(returnTo))) return
  throw new AppError('invalid_request', '/returnTo: is not an address browsers may be sent back to', {
    errors: [{ pointer: '/returnTo', detail: 'is not on the list of this deployment' }],
  })
}

/** Where a browser is to go to sign in by `provider`, for ten minutes; of a signed-in person, to link it. */
export async function startFlow(
  ctx: FlowCtx,
  provider: Provider,
  { returnTo, codeChallenge }: ProviderStart,
  linker?: Parameters<typeof beginFlow>[2],
): Promise<FlowStart> {
  getIdp(ctx.config, provider)
  requireReturn(ctx, returnTo)
  const { handle, expiresAt } = await beginFlow(ctx, { provider, returnTo, challenge: codeChallenge }, linker)
  const url = new URL(`/v1/auth/providers/${provider}/start`, ctx.config.publicUrl)
  url.searchParams.set('flow', handle)
  return { url: url.href, expiresAt: expiresAt.toISOString() }
}

/** The provider's own page, for the browser that bears `browser` and no other. */
export async function leaveFor(ctx: FlowCtx, provider: Provider, flow: string, browser: string): Promise<string> {
  const idp = getIdp(ctx.config, provider)
  const { state, verifier, nonce } = await departFlow(ctx, provider, flow, browser)
  // Its code is read when somebody signs in by it: no start of an isolate waits for that.
  const { authorizationUrl } = await import('./arctic.ts')
  const { authorizeUrl: endpoint, clientId, scopes } = idp
  const asked = { endpoint, clientId, scopes, state, verifier: idp.hasPkce ? verifier : undefined }
  return authorizationUrl({ ...asked, redirectUri: redirectUri(ctx, provider), more: { ...idp.more, nonce } })
}

/**
 * Takes what a browser brings back, once, and answers where it is sent on to: with a code for the client that began, or
 * with why not. Throws `gone` for a browser that did not begin.
 */
export async function comeBack(
  ctx: FlowCtx,
  provider: Provider,
  answer: ProviderAnswer,
  browser: string | undefined,
): Promise<string> {
  const idp = getIdp(ctx.config, provider)
  const { flow, verifier, nonce } = await arriveFlow(ctx, provider, answer.state, browser)
  const onward = new URL(flow.returnTo)
  const verdict = await verify(ctx, idp, answer, { verifier, nonce })
  if (verdict.ok) onward.searchParams.set('code', await endFlow(ctx, flow, verdict.value))
  else {
    ctx.log.warn('sign_in.refused', { provider, error: verdict.error, reason: verdict.reason })
    onward.searchParams.set('error', answer.error === 'access_denied' ? 'access_denied' : verdict.error)
  }
  return onward.href
}

async function verify(
  ctx: FlowCtx,
  idp: Idp,
  { code, iss, error, user }: ProviderAnswer,
  { verifier, nonce }: { verifier: string; nonce: string },
): Promise<Verdict<Claims>> {
  // RFC 9207: what another server gave is not shown to this one.
  if (iss !== undefined && !idp.isIssuer(iss)) return refused('another server answered')
  if (error !== undefined || code === undefined) return refused(`it answered ${(error ?? 'no code').slice(0, 60)}`)
  const token = await askIdToken(ctx, idp, { code, verifier, redirectUri: redirectUri(ctx, idp.provider) })
  if (!token.ok) return token
  const read = await readIdToken(ctx, idp, token.value, nonce)
  if (!read.ok) return read
  if (iss !== undefined && iss !== read.value.issuer) return refused('another server answered')
  return { ok: true, value: { ...read.value, name: read.value.name ?? nameIn(user) } }
}

const AppleUser = z.looseObject({
  name: z.looseObject({ firstName: z.string().optional(), lastName: z.string().optional() }),
})

// Apple tells the name beside the token, the first time only; it is what they are greeted with and nothing more.
function nameIn(user: string | undefined): string | null {
  try {
    const { name } = AppleUser.parse(JSON.parse(user ?? ''))
    return s.line(100).parse([name.firstName, name.lastName].filter(Boolean).join(' '))
  } catch {
    return null
  }
}

const Known = z.strictObject({
  issuer: z.string(),
  subject: z.string(),
  email: z.string().nullable(),
  isVouched: z.boolean(),
  name: z.string().nullable(),
})

/** Whom a code stands for, in the browser that signed in and for the client that began. */
export async function takeClaims(
  ctx: FlowCtx,
  input: Pick<Exchange, 'code' | 'codeVerifier'>,
  linker?: Parameters<typeof takeFlow>[2],
): Promise<{ provider: Provider; claims: Claims }> {
  const flow = await takeFlow(ctx, input, linker)
  return { provider: flow.provider, claims: await openFlow(ctx, flow, Known) }
}

/** Signs in whose account it is; nobody's yet makes a person, if the provider vouches for an address that is free. */
export async function exchange(ctx: SignInCtx, input: Exchange): Promise<Admission> {
  const { provider, claims } = await takeClaims(ctx, input)
  const known = await enter(ctx, provider, claims, input)
  if (known) return known
  const made = await makePerson(ctx, provider, claims, input)
  // Somebody was as quick as this: the account is known now.
  const entered = made ?? (await enter(ctx, provider, claims, input))
  if (!entered) throw new AppError('conflict', 'This account was just linked, and unlinked: sign in again')
  return entered
}

async function enter(ctx: SignInCtx, provider: Provider, claims: Claims, { deviceName }: Exchange) {
  const { db } = ctx
  const { issuer, subject, email } = claims
  const found = people(db).as('found')
  const [row] = await db
    .select({
      id: identities.id,
      userId: found.id,
      stamp: found.stamp,
      me: found.me,
      isKnown: isKnownDevice(ctx, found.id),
    })
    .from(identities)
    .innerJoin(found, eq(found.id, identities.userId))
    .where(isAccount({ issuer, subject }))
  if (!row) return undefined
  const used = db.update(identities).set({ lastUsedAt: ctx.now(), email }).where(eq(identities.id, row.id))
  return await admit(ctx, row, { method: provider, deviceName }, [used])
}

const isAccount = ({ issuer, subject }: Pick<Claims, 'issuer' | 'subject'>) =>
  and(eq(identities.issuer, issuer), eq(identities.subject, subject))

async function makePerson(
  ctx: SignInCtx,
  provider: Provider,
  { issuer, subject, email, isVouched, name }: Claims,
  { deviceName, timeZone, locale }: Exchange,
): Promise<Admission | undefined> {
  if (!isVouched || email === null)
    throw new AppError(
      'identity_unknown',
      'Nobody here has this account: sign in another way, or register, and link it',
    )
  const now = ctx.now()
  const userId = ctx.newId('usr')
  const displayName =
    name ??
    s
      .line(100)
      .catch('Friend')
      .parse(email.slice(0, email.indexOf('@')))
  const session = await openSession(ctx, { userId, stamp: 0, deviceName, method: provider })
  const welcome = await welcomeMail(ctx, { id: userId, email, displayName })
  const identity = { id: ctx.newId('idt'), userId, provider, issuer, subject, email, createdAt: now, lastUsedAt: now }
  try {
    const [made] = await ctx.db.batch([
      insertUser(ctx.db, { id: userId, email, displayName, timeZone, locale, emailVerifiedAt: now }),
      ctx.db.insert(identities).values(identity),
      ...session.statements,
      ...welcome.statements,
    ])
    kick(ctx, [welcome.job])
    const user = made[0]?.me
    if (!user) throw new Error('an insert returned no row')
    return { kind: 'signed-in', answer: { ...(await session.tokens()), user } }
  } catch (error) {
    const duplicate = duplicateOf(error)
    if (duplicate === 'identities_subject') return undefined
    // Never linked by its address: who has the address at the provider need not be who has the account here.
    if (duplicate === 'users_email')
      throw new AppError(
        'email_taken',
        'Somebody with this address is here already: sign in as you did before, and link it',
      )
    throw error
  }
}
