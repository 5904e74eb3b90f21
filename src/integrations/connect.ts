import { Buffer } from 'node:buffer'
import { and, eq, gt, isNull, lt } from 'drizzle-orm'
import { z } from 'zod'
import { AppError, type Ctx, findAppError, randomToken, withTimeout } from '#core'
import { hashToken, seal, unseal } from '#security'
import {
  type AccessCtx,
  mine,
  openSecret,
  revokeLater,
  rowOf,
  type ServerRow,
  sealAll,
  tokenColumns,
} from './access.ts'
import { type Discovered, discover } from './discovery.ts'
import {
  askTokens,
  authWay,
  type Client,
  clientMetadata,
  errorCode,
  redirectUri,
  register,
  type Wire,
} from './oauth.ts'
import { DEADLINE_MS, refusal } from './outside.ts'
import type { McpConnect } from './schema.ts'
import { checkServer, missing } from './servers.ts'
import { mcpServers, oauthStates } from './tables.ts'

const KEPT_MS = 600_000

const Pending = z.strictObject({
  verifier: z.string(),
  clientSecret: z.string().nullable(),
  // RFC 9207: a server that says it names itself must.
  isNamed: z.boolean(),
  connection: z.strictObject({
    issuer: z.string(),
    clientId: z.string(),
    clientAuth: z.enum(['none', 'client_secret_basic', 'client_secret_post']),
    tokenEndpoint: z.string(),
    revocationEndpoint: z.string().nullable(),
    resource: z.string(),
  }),
})
type Pending = z.infer<typeof Pending>
type StateRow = typeof oauthStates.$inferSelect
/** What a browser brings back. */
export type Returned = { code?: string | undefined; iss?: string | undefined; error?: string | undefined }

const statePlace = (userId: string, rowId: string) => ({ table: 'oauth_states', column: 'sealed', rowId, userId })

/** Where the person's browser is to go, for ten minutes; the address before it leads nowhere from now on. */
export async function startConnect(ctx: AccessCtx, id: string): Promise<McpConnect> {
  const { db, config, actor } = ctx
  const [row] = await db
    .select({ ...rowOf, version: mcpServers.version })
    .from(mcpServers)
    .where(mine(ctx, id))
  if (!row) throw missing()
  if (!row.oauth) throw new AppError('conflict', 'It does not sign in by OAuth: change its auth first')
  const [found, client] = await withTimeout(DEADLINE_MS, (signal) => prepare(ctx, row, signal))
  const scope = row.oauth.scope ?? found.scope
  const { server, resource } = found
  const [state, verifier] = [randomToken(), randomToken()]
  const { clientSecret, ...known } = client
  const pending: Pending = {
    verifier,
    clientSecret,
    isNamed: server.authorization_response_iss_parameter_supported === true,
    connection: {
      ...known,
      issuer: server.issuer,
      tokenEndpoint: server.token_endpoint,
      revocationEndpoint: server.revocation_endpoint ?? null,
      resource,
    },
  }
  const hash = await hashToken(state)
  const expiresAt = new Date(ctx.now().getTime() + KEPT_MS)
  const values = {
    hash,
    sessionId: actor.sessionId,
    serverVersion: row.version,
    sealed: await seal(config.encryptionKeys, statePlace(actor.userId, hash), JSON.stringify(pending)),
    expiresAt,
  }
  await db
    .insert(oauthStates)
    .values({ ...values, serverId: id, userId: actor.userId })
    .onConflictDoUpdate({ target: oauthStates.serverId, set: values })
  const url = new URL(server.authorization_endpoint)
  const asked = {
    response_type: 'code',
    client_id: client.clientId,
    redirect_uri: redirectUri(config.publicUrl),
    state,
    code_challenge: await challengeOf(verifier),
    code_challenge_method: 'S256',
    resource,
    ...(scope !== undefined && { scope }),
  }
  for (const [name, value] of Object.entries(asked)) url.searchParams.set(name, value)
  return { authorizationUrl: url.href, expiresAt: expiresAt.toISOString() }
}

async function challengeOf(verifier: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier))
  return Buffer.from(digest).toString('base64url')
}

async function prepare(ctx: AccessCtx, row: ServerRow, signal: AbortSignal): Promise<[Discovered, Client]> {
  const wire = { policy: ctx.config.outbound, signal }
  const found = await discover(wire, row.url)
  return [found, await clientFor(ctx, row, found, wire)]
}

async function clientFor(ctx: AccessCtx, row: ServerRow, found: Discovered, wire: Wire): Promise<Client> {
  const { server } = found
  const ways = server.token_endpoint_auth_methods_supported
  const given = row.oauth?.clientId
  if (given) {
    const before = row.oauth?.connection?.issuer
    // Its secret is one server's, whatever the MCP server now says.
    if (before !== undefined && before !== server.issuer)
      throw refusal('Its authorization server has changed: give its auth again')
    const clientSecret = row.clientSecret === null ? null : await openSecret(ctx, row, 'clientSecret')
    return { clientId: given, clientSecret, clientAuth: authWay(ways, clientSecret !== null) }
  }
  const { publicUrl } = ctx.config
  if (server.client_id_metadata_document_supported && publicUrl.startsWith('https:'))
    return { clientId: new URL('/v1/mcp/client', publicUrl).href, clientSecret: null, clientAuth: 'none' }
  if (server.registration_endpoint === undefined)
    throw refusal('Its authorization server registers nobody: give a clientId')
  const way = ways?.includes('none') ? 'none' : authWay(ways, true)
  const scope = row.oauth?.scope ?? found.scope
  const metadata = { ...clientMetadata(publicUrl, way), ...(scope !== undefined && { scope }) }
  return await register(wire, server.registration_endpoint, metadata, ways)
}

/**
 * Ends what `startConnect` began, once: takes the code, keeps the tokens, asks for the tools. False where it came to
 * nothing, for a reason that is kept with the server; `gone` where there was nothing to end.
 */
export async function finishConnect(ctx: Ctx, state: string, returned: Returned): Promise<boolean> {
  const [row] = await ctx.db
    .delete(oauthStates)
    .where(and(eq(oauthStates.hash, await hashToken(state)), gt(oauthStates.expiresAt, ctx.now())))
    .returning()
  if (!row) throw new AppError('gone', 'This address was used, or is older than ten minutes: connect again')
  // Nobody signs in to a redirect: the row says whose it is, and its session must still live.
  const own = { ...ctx, actor: { kind: 'person' as const, userId: row.userId, sessionId: row.sessionId } }
  try {
    await take(own, row, returned)
  } catch (error) {
    const known = findAppError(error)
    if (!known) throw error
    await own.db
      .update(mcpServers)
      .set({ status: 'broken', lastError: `Not connected: ${known.message}`.slice(0, 300) })
      .where(and(mine(own, row.serverId), isNull(mcpServers.accessToken)))
    return false
  }
  await checkServer(own, row.serverId)
  return true
}

async function take(ctx: AccessCtx, row: StateRow, { code, iss, error }: Returned): Promise<void> {
  const isSame = and(mine(ctx, row.serverId), eq(mcpServers.version, row.serverVersion))
  const [server] = await ctx.db.select(rowOf).from(mcpServers).where(isSame)
  if (!server?.oauth) throw refusal('it was changed meanwhile')
  const { verifier, isNamed, clientSecret, connection } = await openPending(ctx, row)
  // Mix-up: what another server gave is not shown to this one.
  if (iss === undefined ? isNamed : iss !== connection.issuer) throw refusal('another server answered')
  if (error !== undefined || code === undefined) throw refusal(`the answer was ${errorCode(error)}`)
  const fields = {
    grant_type: 'authorization_code',
    code,
    code_verifier: verifier,
    redirect_uri: redirectUri(ctx.config.publicUrl),
    resource: connection.resource,
  }
  const { tokenEndpoint, clientId, clientAuth } = connection
  const grant = await withTimeout(DEADLINE_MS, (signal) => {
    const wire = { policy: ctx.config.outbound, signal }
    return askTokens(wire, tokenEndpoint, { clientId, clientAuth, clientSecret }, fields)
  })
  if (!grant.ok) throw refusal(grant.reason)
  const secrets = await sealAll(ctx, row.serverId, { clientSecret, refreshToken: null })
  const columns = { ...secrets, ...(await tokenColumns(ctx, row.serverId, grant.tokens)) }
  const oauth = { ...server.oauth, connection }
  const [kept] = await ctx.db
    .update(mcpServers)
    .set({ ...columns, oauth, status: 'new', lastError: null })
    .where(isSame)
    .returning({ id: mcpServers.id })
  if (kept) return
  const { accessToken = null, refreshToken = null, clientSecret: secret = null } = columns
  revokeLater(ctx, { id: row.serverId, oauth, secret: null, clientSecret: secret, accessToken, refreshToken })
  throw refusal('it was changed meanwhile')
}

async function openPending({ config }: AccessCtx, { userId, hash, sealed }: StateRow): Promise<Pending> {
  try {
    return Pending.parse(JSON.parse(await unseal(config.encryptionKeys, statePlace(userId, hash), sealed)))
  } catch (cause) {
    throw new AppError('unavailable', 'what was begun cannot be opened', { cause })
  }
}

/** Forgets the browsers that did not come back. */
export async function pruneOauthStates({ db, now }: Pick<Ctx, 'db' | 'now'>): Promise<void> {
  await db.delete(oauthStates).where(lt(oauthStates.expiresAt, now()))
}
