import { and, eq, isNotNull, lt, or, sql } from 'drizzle-orm'
import { AppError, type Ctx, describeError, type UserCtx, wait, withTimeout } from '#core'
import { iso, ownedBy } from '#database'
import { seal, unseal } from '#security'
import { askTokens, type Client, revokeToken, type Tokens } from './oauth.ts'
import { DEADLINE_MS, refusal, toFailure } from './outside.ts'
import type { Remote } from './remote.ts'
import type { McpServer } from './schema.ts'
import { type KnownTool, mcpServers, type Oauth } from './tables.ts'

const EARLY_MS = 30_000
const POLL_MS = 150
// Longer than the errand that it is held for.
const LEASE_S = 20
const ENDED = 'Its sign-in has ended: connect it again in a browser'

/** A server as a turn needs it. */
export type ServerRow = {
  id: string
  name: string
  url: string
  header: string | null
  secret: string | null
  oauth: Oauth | null
  clientSecret: string | null
  accessToken: string | null
  refreshToken: string | null
  tokenExpiresAt: string | null
  tokenVersion: number
  trusted: boolean
  tools: KnownTool[] | null
  status: McpServer['status']
  checkedAt: string | null
}
export const rowOf = {
  id: mcpServers.id,
  name: mcpServers.name,
  url: mcpServers.url,
  header: mcpServers.header,
  secret: mcpServers.secret,
  oauth: mcpServers.oauth,
  clientSecret: mcpServers.clientSecret,
  accessToken: mcpServers.accessToken,
  refreshToken: mcpServers.refreshToken,
  tokenExpiresAt: iso(mcpServers.tokenExpiresAt),
  tokenVersion: mcpServers.tokenVersion,
  trusted: mcpServers.trusted,
  tools: mcpServers.tools,
  status: mcpServers.status,
  checkedAt: iso(mcpServers.checkedAt),
}

/** What is needed of a server to take back what it was let in with. */
export const accessOf = {
  id: mcpServers.id,
  oauth: mcpServers.oauth,
  secret: mcpServers.secret,
  clientSecret: mcpServers.clientSecret,
  accessToken: mcpServers.accessToken,
  refreshToken: mcpServers.refreshToken,
}

/** The columns of a server that are sealed, by their names in the database. */
const SEALED = {
  secret: 'secret',
  clientSecret: 'client_secret',
  accessToken: 'access_token',
  refreshToken: 'refresh_token',
} as const
export const SECRETS = ['secret', 'clientSecret', 'accessToken', 'refreshToken'] as const
export type Sealed = (typeof SECRETS)[number]
export type Secrets = Partial<Record<Sealed, string | null>>

type OwnCtx = Pick<UserCtx, 'actor' | 'config'>
export type AccessCtx = OwnCtx & Pick<UserCtx, 'db' | 'now' | 'waitUntil' | 'log'>

export const mine = ({ actor }: Pick<UserCtx, 'actor'>, id: string) =>
  and(eq(mcpServers.id, id), ownedBy(actor, mcpServers.userId))

/** Where a server's secret belongs. */
const secretPlace = (column: Sealed, userId: string, rowId: string) => ({
  table: 'mcp_servers',
  column: SEALED[column],
  rowId,
  userId,
})

/** Each as its column takes it. */
export async function sealAll({ config, actor }: OwnCtx, id: string, plain: Secrets): Promise<Secrets> {
  const sealed: Secrets = {}
  for (const column of SECRETS) {
    const value = plain[column]
    if (value === undefined) continue
    const place = secretPlace(column, actor.userId, id)
    sealed[column] = value === null ? null : await seal(config.encryptionKeys, place, value)
  }
  return sealed
}

type Row = Pick<ServerRow, 'id' | 'oauth' | Sealed>

/** One of a server's secrets, in the clear. */
export async function openSecret(
  { config, actor }: OwnCtx,
  row: Pick<ServerRow, 'id' | Sealed>,
  column: Sealed,
): Promise<string> {
  try {
    return await unseal(config.encryptionKeys, secretPlace(column, actor.userId, row.id), row[column] ?? '')
  } catch (cause) {
    throw new AppError('unavailable', 'Its secret cannot be opened; give it again', { cause })
  }
}

/** Where a server is, with what signs in to it; a token that is about to end is renewed first. */
export async function toRemote(ctx: AccessCtx, server: ServerRow): Promise<Remote> {
  const { url, header, oauth } = server
  const policy = ctx.config.outbound
  if (oauth) {
    if (server.accessToken === null) throw refusal(oauth.connection ? ENDED : 'Not connected: connect it in a browser')
    const fresh = endsSoon(ctx, server) ? await renew(ctx, server) : server
    return { url, policy, header: await bearer(ctx, fresh), renew: async () => bearer(ctx, await renew(ctx, fresh)) }
  }
  if (header === null || server.secret === null) return { url, header: null, policy }
  return { url, header: { name: header, value: await openSecret(ctx, server, 'secret') }, policy }
}

function endsSoon(ctx: AccessCtx, { refreshToken, tokenExpiresAt }: ServerRow): boolean {
  if (refreshToken === null || tokenExpiresAt === null) return false
  return Date.parse(tokenExpiresAt) - ctx.now().getTime() < EARLY_MS
}

async function bearer(ctx: AccessCtx, server: ServerRow) {
  return { name: 'authorization', value: `Bearer ${await openSecret(ctx, server, 'accessToken')}` }
}

/** Tokens as their columns take them. */
export async function tokenColumns(ctx: AccessCtx, id: string, { accessToken, refreshToken, expiresInS }: Tokens) {
  // A refresh that gives none leaves the one that was used in force.
  const sealed = await sealAll(ctx, id, { accessToken, ...(refreshToken !== null && { refreshToken }) })
  const tokenExpiresAt = expiresInS === null ? null : new Date(ctx.now().getTime() + expiresInS * 1000)
  return { ...sealed, tokenExpiresAt, tokenVersion: sql`${mcpServers.tokenVersion} + 1`, tokenLease: null }
}

/** The row with a token newer than the one at hand: of many who ask at once one fetches it, and the others read it. */
async function renew(ctx: AccessCtx, old: ServerRow): Promise<ServerRow> {
  const isOld = and(mine(ctx, old.id), eq(mcpServers.tokenVersion, old.tokenVersion))
  const isFree = or(sql`${mcpServers.tokenLease} is null`, lt(mcpServers.tokenLease, sql`now()`))
  const lease = { tokenLease: sql`now() + interval '1 second' * ${LEASE_S}` }
  return await withTimeout(DEADLINE_MS, async (signal) => {
    for (;;) {
      const [claimed] = await ctx.db.update(mcpServers).set(lease).where(and(isOld, isFree)).returning(rowOf)
      if (claimed) return await finished(ctx, refresh(ctx, claimed, signal))
      const [row] = await ctx.db.select(rowOf).from(mcpServers).where(mine(ctx, old.id))
      if (!row?.accessToken) throw refusal(ENDED)
      if (row.tokenVersion !== old.tokenVersion) return row
      await wait(POLL_MS, signal).catch((error) => {
        throw toFailure(old.url, 'OAuth', error)
      })
    }
  })
}

// A client that leaves must not take along a token the server has already replaced.
async function finished<T>({ waitUntil }: AccessCtx, work: Promise<T>): Promise<T> {
  waitUntil(Promise.allSettled([work]))
  return await work
}

async function refresh(ctx: AccessCtx, row: ServerRow, signal: AbortSignal): Promise<ServerRow> {
  const held = and(mine(ctx, row.id), eq(mcpServers.tokenVersion, row.tokenVersion))
  const keep = async (set: object) => {
    const [kept] = await ctx.db.update(mcpServers).set(set).where(held).returning(rowOf)
    return kept
  }
  try {
    const grant = await ask(ctx, row, signal)
    if (grant?.ok) {
      const kept = await keep(await tokenColumns(ctx, row.id, grant.tokens))
      if (kept) return kept
    } else if (!grant || grant.final) {
      const next = sql`${mcpServers.tokenVersion} + 1`
      const gone = { accessToken: null, refreshToken: null, tokenExpiresAt: null, tokenLease: null, tokenVersion: next }
      await keep({ ...gone, status: 'broken', lastError: ENDED })
    } else throw refusal(grant.reason)
    throw refusal(ENDED)
  } catch (error) {
    await keep({ tokenLease: null })
    throw error
  }
}

async function ask(ctx: AccessCtx, row: ServerRow, signal: AbortSignal) {
  const connection = row.oauth?.connection
  if (!connection || row.refreshToken === null) return undefined
  const fields = {
    grant_type: 'refresh_token',
    refresh_token: await openSecret(ctx, row, 'refreshToken'),
    resource: connection.resource,
  }
  const wire = { policy: ctx.config.outbound, signal }
  return await askTokens(wire, connection.tokenEndpoint, await clientOf(ctx, row, connection), fields)
}

async function clientOf(ctx: OwnCtx, row: Row, { clientId, clientAuth }: Pick<Client, 'clientId' | 'clientAuth'>) {
  const clientSecret = row.clientSecret === null ? null : await openSecret(ctx, row, 'clientSecret')
  return { clientId, clientAuth, clientSecret }
}

/** Tells the authorization server that its tokens are not wanted any more, beside the answer: if it hears it, good. */
export function revokeLater(ctx: AccessCtx, row: Row): void {
  ctx.waitUntil(revoke(ctx, row))
}

/** Never throws: who cannot be told now will not be told. */
async function revoke(ctx: OwnCtx & Pick<UserCtx, 'log'>, row: Row): Promise<void> {
  const connection = row.oauth?.connection
  const column = row.refreshToken === null ? 'accessToken' : 'refreshToken'
  const endpoint = connection?.revocationEndpoint
  if (!connection || !endpoint || row[column] === null) return
  const work = withTimeout(DEADLINE_MS, async (signal) => {
    const client = await clientOf(ctx, row, connection)
    const wire = { policy: ctx.config.outbound, signal }
    await revokeToken(wire, endpoint, client, await openSecret(ctx, row, column), SEALED[column])
  })
  await work.catch((error) => ctx.log.warn('mcp.not_revoked', { id: row.id, ...describeError(error) }))
}

const granted = (userId: string) =>
  and(eq(mcpServers.userId, userId), or(isNotNull(mcpServers.accessToken), isNotNull(mcpServers.refreshToken)))

/** Gives back every token other servers gave for a person: told to each that takes it back, and forgotten. */
export async function revokeGrants(ctx: Pick<Ctx, 'config' | 'db' | 'log'>, userId: string): Promise<void> {
  const as = { ...ctx, actor: { kind: 'person' as const, userId, sessionId: null } }
  const rows = await ctx.db.select(accessOf).from(mcpServers).where(granted(userId))
  for (const row of rows) await revoke(as, row)
  await ctx.db.update(mcpServers).set({ accessToken: null, refreshToken: null }).where(granted(userId))
}

/** How many servers hold a token for a person. */
export async function countGrants({ db }: Pick<Ctx, 'db'>, userId: string): Promise<number> {
  return await db.$count(mcpServers, granted(userId))
}
