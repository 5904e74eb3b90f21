import { and, eq, gt, isNotNull, isNull, sql } from 'drizzle-orm'
import {
  answerChallenge,
  type Challenge,
  ChallengeAnswer,
  endFamilies,
  endSession,
  Login,
  login,
  resourceAt,
  SCOPES,
  type Scope,
} from '#auth'
import { AppError, type Ctx, type PersonActor, randomToken } from '#core'
import { kick } from '#queue'
import { hashToken } from '#security'
import { getMe } from '#users'
import { OauthError } from './error.ts'
import { readAs } from './form.ts'
import { clientFor } from './known.ts'
import { scopesAt } from './metadata.ts'
import { answerTo, isOneOf, type Waiting } from './redirects.ts'
import { Authorization, Return } from './schema.ts'
import { oauthClients, oauthGrants, oauthRequests } from './tables.ts'

const REQUEST_MINUTES = 10
const CODE_S = 60

type Db = Pick<Ctx, 'db'>
/** What a browser shows of a request: its id from the form, and what only its cookie holds. */
export type Held = { id: string; secret: string }
/** What is asked, as the person is told it. */
export type Asked = { id: string; clientId: string; clientName: string; redirectUri: string; scopes: Scope[] }

const gone = () =>
  new OauthError(
    'access_denied',
    'This sign-in has expired, was finished or began in another browser. Begin again in the app.',
  )
const known = (names: readonly string[]): Scope[] => SCOPES.filter((scope) => names.includes(scope))

/** The resource that is meant: RFC 8707 compares as URIs, so a slash that a parser added is none. */
export function resourceFor(config: Ctx['config'], asked: string | undefined): string {
  const [all, mcp] = [resourceAt(config, '/'), resourceAt(config, '/mcp')]
  if (asked === undefined || asked === all || asked === `${all}/`) return all
  if (asked === mcp) return mcp
  throw new OauthError('invalid_target', `There is no such resource; ${all} and ${mcp} are`)
}

/** What is asked for; what is wrong with it the app may hear, where it waits. */
function readWanted(config: Ctx['config'], given: Record<string, string>, waiting: Waiting) {
  try {
    const { response_type, code_challenge: challenge, scope, ...asked } = readAs(Authorization(), given)
    if (response_type !== 'code') throw new OauthError('unsupported_response_type', 'Only codes are given')
    const resource = resourceFor(config, asked.resource)
    const possible = scopesAt(config, resource)
    const names = scope === undefined ? possible : scope.split(' ').filter((name) => name !== '')
    const scopes = possible.filter((one) => names.includes(one))
    const strange = names.filter((name) => !SCOPES.some((one) => one === name))
    if (strange.length > 0 || scopes.length === 0)
      throw new OauthError('invalid_scope', `There is no such scope here: ${strange.join(' ').slice(0, 200)}`)
    return { challenge, scopes, resource }
  } catch (error) {
    if (!(error instanceof OauthError)) throw error
    const told = { error: error.code, error_description: error.message }
    throw new OauthError(error.code, error.message, answerTo(config, waiting, told))
  }
}

/**
 * Notes what an app asks. What is wrong is shown and never redirected: anybody may register, and a link to us would lead
 * anywhere. Two trips.
 */
export async function beginRequest(
  ctx: Pick<Ctx, 'db' | 'config' | 'client' | 'now' | 'newId'>,
  given: Record<string, string>,
): Promise<Held> {
  const { client_id, redirect_uri: redirectUri, state = null } = readAs(Return(), given)
  const client = await clientFor(ctx, client_id)
  if (!client) throw new OauthError('invalid_client', 'This app is not known here, or no longer')
  if (!isOneOf(client.redirectUris, redirectUri))
    throw new OauthError('invalid_request', 'This app did not register the address it wants to return to')
  const wanted = readWanted(ctx.config, given, { redirectUri, state })
  const held = { id: ctx.newId('oar'), secret: randomToken() }
  const expiresAt = new Date(ctx.now().getTime() + REQUEST_MINUTES * 60_000)
  const values = { ...wanted, redirectUri, state, expiresAt }
  await ctx.db.batch([
    ctx.db
      .insert(oauthRequests)
      .values({ ...values, id: held.id, hash: await hashToken(held.secret), clientId: client.id }),
    ctx.db.update(oauthClients).set({ usedAt: ctx.now() }).where(eq(oauthClients.id, client.id)),
  ])
  return held
}

const live = (ctx: Pick<Ctx, 'now'>, { id, hash }: { id: string; hash: string }) =>
  and(eq(oauthRequests.id, id), eq(oauthRequests.hash, hash), gt(oauthRequests.expiresAt, ctx.now()))

type SignInCtx = Parameters<typeof login>[0]

/**
 * Signs in whoever sits at the browser that began this. The session is the app's from then on: nobody is given its own
 * tokens. What the browser holds is changed. Two trips beside the sign-in's own.
 */
export async function signInToRequest(
  ctx: SignInCtx,
  held: Held,
  given: Record<string, string>,
): Promise<{ kind: 'signed-in'; secret: string } | { kind: 'challenge'; answer: Challenge }> {
  const hash = await hashToken(held.secret)
  const mine = and(live(ctx, { id: held.id, hash }), isNull(oauthRequests.sessionId))
  const [row] = await ctx.db
    .select({ name: oauthClients.name })
    .from(oauthRequests)
    .innerJoin(oauthClients, eq(oauthClients.id, oauthRequests.clientId))
    .where(mine)
  if (!row) throw gone()
  const admission = await (given['challenge'] === undefined ? byPassword(ctx, given, row.name) : byCode(ctx, given))
  if (admission.kind === 'challenge') return admission
  const { sessionId, user } = admission.answer
  const secret = randomToken()
  const [bound] = await ctx.db
    .update(oauthRequests)
    .set({ userId: user.id, sessionId, hash: await hashToken(secret) })
    .where(mine)
    .returning({ id: oauthRequests.id })
  if (bound) return { kind: 'signed-in', secret }
  const actor: PersonActor = { kind: 'person', userId: user.id, sessionId }
  await endSession({ ...ctx, actor }, sessionId, 'logout')
  throw gone()
}

async function byPassword(ctx: SignInCtx, { email, password }: Record<string, string>, deviceName: string) {
  const read = Login.safeParse({ email, password, deviceName })
  if (!read.success) throw new AppError('invalid_credentials', 'The address or the password is wrong')
  return await login(ctx, read.data)
}

async function byCode(ctx: SignInCtx, { challenge, code = '' }: Record<string, string>) {
  const method = /^\d{6}$/.test(code.trim()) ? 'totp' : 'recovery_code'
  const read = ChallengeAnswer.safeParse({ challenge, method, code: code.trim() })
  if (!read.success) throw new AppError('wrong_factor', 'This is no code of your second factor')
  return { kind: 'signed-in' as const, answer: await answerChallenge(ctx, read.data) }
}

/** What is asked of the person who signed in at this browser, and who that is. Two trips. */
export async function readRequest(ctx: Db & Pick<Ctx, 'now'>, secret: string): Promise<Asked & { email: string }> {
  const r = oauthRequests
  const [row] = await ctx.db
    .select({
      id: r.id,
      userId: r.userId,
      sessionId: r.sessionId,
      redirectUri: r.redirectUri,
      scopes: r.scopes,
      clientId: r.clientId,
      clientName: oauthClients.name,
    })
    .from(r)
    .innerJoin(oauthClients, eq(oauthClients.id, r.clientId))
    .where(and(eq(r.hash, await hashToken(secret)), isNotNull(r.sessionId), gt(r.expiresAt, ctx.now())))
  if (!row || row.userId === null) throw gone()
  const { userId, sessionId, scopes, ...asked } = row
  const { email } = await getMe({ db: ctx.db, actor: { kind: 'person', userId, sessionId } })
  return { ...asked, scopes: known(scopes), email }
}

type DecideCtx = Pick<Ctx, 'db' | 'config' | 'now' | 'newId' | 'env' | 'waitUntil' | 'log'>

/** Where the browser goes with the person's answer, once: with a code for those of the scopes that they left ticked, or a no. */
export async function decide(
  ctx: DecideCtx,
  held: Held,
  { isAllowed, scopes }: { isAllowed: boolean; scopes: string[] },
): Promise<string> {
  const asked = await readRequest(ctx, held.secret)
  const allowed = asked.scopes.filter((scope) => scopes.includes(scope))
  const request = { id: held.id, hash: await hashToken(held.secret) }
  return isAllowed && allowed.length > 0 ? await allow(ctx, request, allowed) : await deny(ctx, request)
}

type Request = { id: string; hash: string }
const taking = (ctx: DecideCtx, request: Request) =>
  ctx.db.$with('taken').as(
    ctx.db
      .delete(oauthRequests)
      .where(and(live(ctx, request), isNotNull(oauthRequests.sessionId)))
      .returning(),
  )

async function allow(ctx: DecideCtx, request: Request, scopes: Scope[]): Promise<string> {
  const { db } = ctx
  const code = `oac_${randomToken()}`
  const codeHash = await hashToken(code)
  const expiresAt = new Date(ctx.now().getTime() + CODE_S * 1000).toISOString()
  const taken = taking(ctx, request)
  const given = db.$with('given', {}).as(sql`
    insert into ${oauthGrants} (id, user_id, session_id, client_id, scopes, resource, redirect_uri, challenge, code_hash, code_expires_at)
    select ${ctx.newId('grt')}::text, user_id, session_id, client_id, ${`{${scopes.join(',')}}`}::text[], resource, redirect_uri,
      challenge, ${codeHash}::text, ${expiresAt}::timestamptz
    from taken where live_session(session_id, user_id)`)
  const [row] = await db.with(taken, given).select({ redirectUri: taken.redirectUri, state: taken.state }).from(taken)
  if (!row) throw gone()
  return answerTo(ctx.config, row, { code })
}

async function deny(ctx: DecideCtx, request: Request): Promise<string> {
  const { db } = ctx
  const taken = taking(ctx, request)
  const [ended, told] = endFamilies(db, sql`(select session_id from taken)`, 'logout')
  const [row] = await db
    .with(taken, ended, told)
    .select({ redirectUri: taken.redirectUri, state: taken.state, eventId: sql<string | null>`(select id from told)` })
    .from(taken)
  if (!row) throw gone()
  kick(ctx, [row.eventId])
  return answerTo(ctx.config, row, { error: 'access_denied', error_description: 'The person said no' })
}
