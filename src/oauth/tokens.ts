import { and, eq, isNotNull, type SQL, sql } from 'drizzle-orm'
import {
  ACCESS_TOKEN_S,
  endFamilies,
  familyOf,
  type Granted,
  readToken,
  renew,
  signGrantToken,
  startFamily,
} from '#auth'
import { AppError, type Ctx, findAppError, randomToken } from '#core'
import { databaseFailure } from '#database'
import { kick } from '#queue'
import { hashToken } from '#security'
import { resourceFor } from './authorize.ts'
import { OauthError } from './error.ts'
import type { CodeExchange, Renewal, Revocation } from './schema.ts'
import { oauthGrants } from './tables.ts'

const REFRESH_PREFIX = 'ort_'

type TokenCtx = Pick<Ctx, 'db' | 'config' | 'now' | 'newId' | 'env' | 'waitUntil' | 'log'>
type Verdict = 'ok' | 'replay' | 'wrong' | 'target'
/** What an app gets (RFC 6749, 5.1). */
type TokenAnswer = {
  access_token: string
  token_type: 'Bearer'
  expires_in: number
  refresh_token: string
  scope: string
}

const noGrant = (why = 'The code is not valid: it is unknown, used, old or for another', cause?: AppError) =>
  new OauthError('invalid_grant', why, undefined, cause)

async function answer(ctx: TokenCtx, granted: Granted, refreshToken: string): Promise<TokenAnswer> {
  return {
    access_token: await signGrantToken(ctx, granted),
    token_type: 'Bearer',
    expires_in: ACCESS_TOKEN_S,
    refresh_token: refreshToken,
    scope: granted.scopes.join(' '),
  }
}

/**
 * Tokens for a code. One statement decides and does it: the first that brings what the code was given for is served, a
 * second one ends all that the first was given.
 */
export async function exchangeCode(ctx: TokenCtx, input: CodeExchange): Promise<TokenAnswer> {
  const { db } = ctx
  const wanted = input.resource === undefined ? null : resourceFor(ctx.config, input.resource)
  const refreshToken = REFRESH_PREFIX + randomToken()
  // The hash of a token is what S256 is of a verifier.
  const [codeHash, challenge, hash] = await Promise.all([
    hashToken(input.code),
    hashToken(input.code_verifier),
    hashToken(refreshToken),
  ])
  const presented = db
    .$with('presented', {})
    .as(sql`select * from ${oauthGrants} where code_hash = ${codeHash} for update`)
  const judged = db
    .$with('judged', {
      verdict: sql<Verdict>`verdict`.as('verdict'),
      userId: sql<string>`user_id`.as('user_id'),
      sessionId: sql<string>`session_id`.as('session_id'),
      scopes: sql<string[]>`scopes`.as('scopes'),
      resource: sql<string>`resource`.as('resource'),
    })
    .as(sql`
    select id, user_id, session_id, to_json(scopes) as scopes, resource, case
      when code_used_at is not null then 'replay'
      when code_expires_at <= ${ctx.now().toISOString()}::timestamptz or client_id <> ${input.client_id}::text
        or redirect_uri <> coalesce(${input.redirect_uri ?? null}::text, redirect_uri) or challenge <> ${challenge}::text then 'wrong'
      when resource <> coalesce(${wanted}::text, resource) then 'target'
      else case when live_session(session_id, user_id) then 'ok' end end as verdict
    from presented`)
  const used = db.$with('used', {}).as(sql`
    update ${oauthGrants} set code_used_at = now() where id in (select id from judged where verdict = 'ok')`)
  const started = startFamily(db, sql`select session_id from judged where verdict = 'ok'`, {
    id: ctx.newId('rft'),
    hash,
  })
  const [ended, told] = endFamilies(db, sql`(select session_id from judged where verdict = 'replay')`, 'replay')
  const [row] = await db
    .with(presented, judged, used, started, ended, told)
    .select({
      verdict: judged.verdict,
      userId: judged.userId,
      sessionId: judged.sessionId,
      scopes: judged.scopes,
      resource: judged.resource,
      eventId: sql<string | null>`(select id from told)`,
    })
    .from(judged)
    .catch(asNoGrant)
  if (!row) throw noGrant()
  kick(ctx, [row.eventId])
  if (row.verdict === 'target') throw new OauthError('invalid_target', 'The code is for another resource')
  if (row.verdict !== 'ok') {
    const code = row.verdict === 'replay' ? 'token_replayed' : 'invalid_token'
    throw noGrant(undefined, new AppError(code, 'The code is not valid', { subject: row.userId }))
  }
  return await answer(ctx, { ...row, clientId: input.client_id }, refreshToken)
}

// That a session has ended is, to an app, that its grant is not valid.
function asNoGrant(error: unknown): never {
  const known = findAppError(error) ?? databaseFailure(error)
  if (known?.code === 'session_ended' || known?.code === 'invalid_token' || known?.code === 'token_replayed')
    throw noGrant('What was allowed has ended', known)
  throw error
}

const given = (where: SQL | undefined) => and(isNotNull(oauthGrants.codeUsedAt), where)

/** The next tokens, by the rules of every refresh family: an old one ends all. Two trips. */
export async function renewGrant(ctx: TokenCtx, input: Renewal): Promise<TokenAnswer> {
  const wanted = input.resource === undefined ? null : resourceFor(ctx.config, input.resource)
  const { userId, sessionId, scopes, resource } = oauthGrants
  const hash = await hashToken(input.refresh_token)
  const [grant] = await ctx.db
    .select({ userId, sessionId, scopes, resource })
    .from(oauthGrants)
    .where(given(and(eq(oauthGrants.clientId, input.client_id), eq(sessionId, familyOf(hash)))))
  if (!grant || !input.refresh_token.startsWith(REFRESH_PREFIX)) throw noGrant('The refresh token is not known')
  if (wanted !== null && wanted !== grant.resource)
    throw new OauthError('invalid_target', 'The refresh token is for another resource')
  const asked = input.scope?.split(' ').filter((scope) => scope !== '')
  if (asked?.some((scope) => !grant.scopes.includes(scope)))
    throw new OauthError('invalid_scope', 'More was asked for than was given')
  const { refreshToken } = await renew(ctx, { refreshToken: input.refresh_token }).catch(asNoGrant)
  const narrowed = asked?.length ? grant.scopes.filter((scope) => asked.includes(scope)) : grant.scopes
  return await answer(ctx, { ...grant, scopes: narrowed, clientId: input.client_id }, refreshToken)
}

/** Ends what a token of this app stands for (RFC 7009), whichever of the two it is; of one that is not there there is nothing to end. */
export async function revokeToken(ctx: TokenCtx, { token, client_id }: Revocation): Promise<void> {
  const family = token.startsWith(REFRESH_PREFIX) ? familyOf(await hashToken(token)) : await sessionIn(ctx, token)
  if (!family) return
  const chosen = ctx.db
    .select({ id: oauthGrants.sessionId })
    .from(oauthGrants)
    .where(given(and(eq(oauthGrants.clientId, client_id), eq(oauthGrants.sessionId, family))))
  const [ended, told] = endFamilies(ctx.db, sql`${chosen}`, 'revoked')
  const rows = await ctx.db.with(ended, told).select({ eventId: told.id }).from(told)
  kick(
    ctx,
    rows.map(({ eventId }) => eventId),
  )
}

async function sessionIn(ctx: TokenCtx, token: string): Promise<SQL | undefined> {
  const read = await readToken(ctx, token).catch(() => undefined)
  return read && sql`${read.actor.sessionId}::text`
}
