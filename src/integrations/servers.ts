import { and, asc, count, eq, gt, isNotNull, lte, ne, type SQL, sql } from 'drizzle-orm'
import { z } from 'zod'
import { AppError, decodeCursor, encodeCursor, findAppError, s, toPage, type UserCtx } from '#core'
import { type ColumnsOf, iso, jsonObject, ownedBy, ownerId } from '#database'
import { checkUrl } from '#security'
import { type AccessCtx, accessOf, mine, revokeLater, rowOf, type ServerRow, sealAll, toRemote } from './access.ts'
import { knownTools } from './known.ts'
import { listRemoteTools } from './remote.ts'
import type { McpServer, McpServerPatch, NewMcpServer } from './schema.ts'
import { mcpServers } from './tables.ts'

const LIST = 'mcp_servers'
const CursorKey = z.tuple([s.id('mcp')])
const MAX_IN_TURN = 20
const MAX_SERVERS = 100

type ReadCtx = Pick<UserCtx, 'actor' | 'db'>
type WriteCtx = AccessCtx
type Auth = NewMcpServer['auth']

export const missing = () => new AppError('not_found', 'There is no such MCP server')
const stale = () => new AppError('version_stale', 'The MCP server has changed since you read it')

function shown(m: ColumnsOf<typeof mcpServers>): SQL<McpServer> {
  const tool = jsonObject({ name: sql`t->>'name'`, description: sql`t->>'description'`, readOnly: sql`t->'readOnly'` })
  const header = jsonObject({ type: sql`'header'`, name: m.header })
  const oauth = jsonObject({
    type: sql`'oauth'`,
    clientId: sql`${m.oauth}->'clientId'`,
    scope: sql`${m.oauth}->'scope'`,
    connected: sql`${m.accessToken} is not null`,
  })
  const none = jsonObject({ type: sql`'none'` })
  return jsonObject<McpServer>({
    id: m.id,
    name: m.name,
    url: m.url,
    auth: sql`case when ${m.oauth} is not null then ${oauth} when ${m.header} is not null then ${header} else ${none} end`,
    enabled: m.enabled,
    trusted: m.trusted,
    status: m.status,
    lastError: m.lastError,
    tools: sql`coalesce((select json_agg(${tool}) from jsonb_array_elements(${m.tools}) t), '[]'::json)`,
    checkedAt: iso(m.checkedAt),
    version: m.version,
    createdAt: iso(m.createdAt),
    updatedAt: iso(m.updatedAt),
  })
}

function requireUrl({ config }: WriteCtx, url: string): void {
  const checked = checkUrl(url, config.outbound)
  if (checked.ok) return
  const detail = `cannot be called: ${checked.reason}`
  throw new AppError('invalid_request', `/url: ${detail}`, { errors: [{ pointer: '/url', detail }] })
}

// Whoever has a key could let any server in, and have it told whatever they please.
function requireOwnWord({ actor }: ReadCtx, trusted: boolean | undefined): void {
  if (trusted && actor.key) throw new AppError('forbidden', 'A server is trusted by its person, not by a key')
}

const NO_ACCESS = { header: null, secret: null, oauth: null, clientSecret: null, accessToken: null, refreshToken: null }

/** The columns that say how it is signed in to: all of them, so that nothing of another way is left. */
async function authColumns(ctx: WriteCtx, id: string, auth: Auth) {
  const blank = { ...NO_ACCESS, tokenExpiresAt: null, tokenLease: null }
  if (auth.type === 'none') return blank
  if (auth.type === 'header')
    return { ...blank, header: auth.name, ...(await sealAll(ctx, id, { secret: auth.value })) }
  const { clientId = null, clientSecret = null, scope = null } = auth
  return { ...blank, oauth: { clientId, scope, connection: null }, ...(await sealAll(ctx, id, { clientSecret })) }
}

/** Adds a server; it is not called before it is checked. Two trips; under an Idempotency-Key the same one again. */
export async function addServer(
  ctx: WriteCtx & Pick<UserCtx, 'newId'>,
  { auth, ...input }: NewMcpServer,
): Promise<McpServer> {
  requireUrl(ctx, input.url)
  requireOwnWord(ctx, input.trusted)
  const id = ctx.newId('mcp')
  await requireRoom(ctx, id)
  const values = { ...input, ...(await authColumns(ctx, id, auth)), id, userId: ownerId(ctx.actor) }
  const [row] = await ctx.db
    .insert(mcpServers)
    .values(values)
    .onConflictDoNothing()
    .returning({ server: shown(mcpServers) })
  return row?.server ?? (await getServer(ctx, id))
}

// Each is asked for its tools before a turn: more of them is nobody's wish.
async function requireRoom(ctx: ReadCtx, id: string): Promise<void> {
  const others = and(ownedBy(ctx.actor, mcpServers.userId), ne(mcpServers.id, id))
  const [row] = await ctx.db.select({ count: count() }).from(mcpServers).where(others)
  if ((row?.count ?? 0) >= MAX_SERVERS)
    throw new AppError('conflict', `There are ${MAX_SERVERS} servers already; remove one first`)
}

export async function getServer(ctx: ReadCtx, id: string): Promise<McpServer> {
  const [row] = await ctx.db
    .select({ server: shown(mcpServers) })
    .from(mcpServers)
    .where(mine(ctx, id))
  if (!row) throw missing()
  return row.server
}

/** The person's servers in the order they were added. One trip. */
export async function listServers(ctx: ReadCtx, { limit, cursor }: { limit: number; cursor?: string | undefined }) {
  const [after] = cursor === undefined ? [] : decodeCursor(LIST, cursor, CursorKey)
  const rows = await ctx.db
    .select({ server: shown(mcpServers) })
    .from(mcpServers)
    .where(and(ownedBy(ctx.actor, mcpServers.userId), after === undefined ? undefined : gt(mcpServers.id, after)))
    .orderBy(asc(mcpServers.id))
    .limit(limit + 1)
  return toPage(
    rows.map(({ server }) => server),
    limit,
    (last) => encodeCursor(LIST, [last.id]),
  )
}

/** Changes what is given. One trip; what leads elsewhere is `new` again. 412 when it moved on. */
export async function updateServer(
  ctx: WriteCtx,
  id: string,
  { auth, ...fields }: McpServerPatch,
  version: number | '*',
): Promise<McpServer> {
  const { db } = ctx
  requireOwnWord(ctx, fields.trusted)
  if (fields.url !== undefined) {
    requireUrl(ctx, fields.url)
    const detail = 'must be given with a new url'
    if (!auth) throw new AppError('invalid_request', `/auth: ${detail}`, { errors: [{ pointer: '/auth', detail }] })
  }
  const fresh = auth && {
    ...(await authColumns(ctx, id, auth)),
    tokenVersion: sql`${mcpServers.tokenVersion} + 1`,
    status: 'new' as const,
    lastError: null,
    tools: null,
  }
  const isSame = Object.keys(fields).length === 0 && !auth
  // What a key lets in, or lets in again, is not what its person trusted.
  const isOther = fields.url !== undefined || (ctx.actor.key && (auth || fields.enabled))
  const current = db.$with('current').as(db.select(accessOf).from(mcpServers).where(mine(ctx, id)))
  const changed = db.$with('changed').as(
    db
      .update(mcpServers)
      .set({
        ...(isOther && { trusted: false }),
        ...fields,
        ...fresh,
        version: isSame ? sql`${mcpServers.version}` : sql`${mcpServers.version} + 1`,
        ...(!isSame && { updatedAt: sql`now()` }),
      })
      .where(and(mine(ctx, id), version === '*' ? undefined : eq(mcpServers.version, version)))
      .returning(),
  )
  const { oauth, secret, clientSecret, accessToken, refreshToken } = current
  const [row] = await db
    .with(current, changed)
    .select({
      changed: changed.id,
      server: shown(changed),
      before: { id: current.id, oauth, secret, clientSecret, accessToken, refreshToken },
    })
    .from(current)
    .leftJoin(changed, eq(changed.id, current.id))
  if (!row) throw missing()
  if (row.changed === null) throw stale()
  if (auth) revokeLater(ctx, row.before)
  return row.server
}

export async function removeServer(ctx: WriteCtx, id: string): Promise<void> {
  const [gone] = await ctx.db.delete(mcpServers).where(mine(ctx, id)).returning(accessOf)
  if (!gone) throw missing()
  revokeLater(ctx, gone)
}

/** Removes every server that was there by then. One trip. */
export async function removeServers(ctx: WriteCtx, until: Date): Promise<void> {
  const theirs = and(ownedBy(ctx.actor, mcpServers.userId), lte(mcpServers.createdAt, until))
  const gone = await ctx.db.delete(mcpServers).where(theirs).returning(accessOf)
  for (const row of gone) revokeLater(ctx, row)
}

/** Asks the server for its tools and keeps them, or why it could not be asked. Two trips beside the call. */
export async function checkServer(ctx: WriteCtx, id: string): Promise<McpServer> {
  const [row] = await ctx.db
    .select({ ...rowOf, version: mcpServers.version })
    .from(mcpServers)
    .where(mine(ctx, id))
  if (!row) throw missing()
  const found = await look(ctx, row)
  const [kept] = await ctx.db
    .update(mcpServers)
    .set({ ...found, checkedAt: sql`now()` })
    .where(and(mine(ctx, id), eq(mcpServers.version, row.version)))
    .returning({ server: shown(mcpServers) })
  // Changed meanwhile: what was found is of another place.
  return kept?.server ?? (await getServer(ctx, id))
}

async function look(ctx: WriteCtx, row: ServerRow) {
  try {
    const tools = knownTools(await listRemoteTools(await toRemote(ctx, row)))
    return { status: 'ok' as const, lastError: null, tools }
  } catch (error) {
    const known = findAppError(error)
    if (!known) throw error
    return { status: 'broken' as const, lastError: known.message }
  }
}

/** Fails unless the session that asks lives and the server is still theirs, switched on and where it was. One trip. */
export async function requireServer(ctx: ReadCtx, { id, url }: ServerRow): Promise<void> {
  const there = and(mine(ctx, id), eq(mcpServers.url, url), mcpServers.enabled)
  const [row] = await ctx.db.select({ id: mcpServers.id }).from(mcpServers).where(there)
  if (!row) throw missing()
}

/** One of the person's servers that is switched on, as a call needs it. One trip. */
export async function findServer(ctx: ReadCtx, id: string): Promise<ServerRow | undefined> {
  const [row] = await ctx.db
    .select(rowOf)
    .from(mcpServers)
    .where(and(mine(ctx, id), mcpServers.enabled))
  return row
}

/** Keeps how a call went, where that is news. */
export async function noteCall(ctx: ReadCtx, { id, url, status }: ServerRow, failure: string | null): Promise<void> {
  if (failure === null && status === 'ok') return
  await ctx.db
    .update(mcpServers)
    .set({ status: failure === null ? 'ok' : 'broken', lastError: failure })
    .where(and(mine(ctx, id), eq(mcpServers.url, url)))
}

/** The servers a turn may use, the first twenty, as a statement for the batch that opens it. */
export function serversForTurn(ctx: ReadCtx) {
  return ctx.db
    .select(rowOf)
    .from(mcpServers)
    .where(and(ownedBy(ctx.actor, mcpServers.userId), mcpServers.enabled, isNotNull(mcpServers.tools)))
    .orderBy(asc(mcpServers.id))
    .limit(MAX_IN_TURN)
}
