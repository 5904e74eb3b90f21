import { and, desc, eq, isNull, lt, type SQL, sql, type WithSubquery } from 'drizzle-orm'
import { z } from 'zod'
import { readBudget } from '#ai'
import {
  AppError,
  type Ctx,
  decodeCursor,
  defineEvent,
  encodeCursor,
  requireFresh,
  s,
  toPage,
  type UserCtx,
} from '#core'
import { type ColumnsOf, iso, jsonObject, ownedBy, ownerId } from '#database'
import { cutOff, kick, renewSockets, tell } from '#queue'
import { hashToken } from '#security'
import type { ApiKey, ApiKeyPatch, ApiKeyWithSecret, ApiKeyWithSpending, NewApiKey, Rotation } from './schema.ts'
import { apiKeys } from './tables.ts'
import { newKeyToken, newPrefix } from './token.ts'

const LIST = 'api_keys'
const CursorKey = z.tuple([s.id('key')])
const PRUNE_BATCH = 5000
// What decides what a key has open.
const NARROWS = ['scopes', 'ipAllow', 'expiresAt'] as const

const Named = z.strictObject({ id: z.string(), name: z.string(), prefix: z.string(), scopes: z.array(z.string()) })
/** The person is written to. */
export const keyCreated = defineEvent('key.created', null, Named)
const keyRotated = defineEvent('key.rotated', null, Named)
/** Its sockets, streams and running turns end with it. */
export const keyRevoked = defineEvent('key.revoked', null, Named)

type ReadCtx = Pick<UserCtx, 'actor' | 'db'>
type WriteCtx = ReadCtx & Pick<UserCtx, 'now' | 'env' | 'waitUntil' | 'log'>
type Rows = WithSubquery & ColumnsOf<typeof apiKeys>

const missing = () => new AppError('not_found', 'There is no such API key')
const stale = () => new AppError('version_stale', 'The API key has changed since you read it')
const mine = (ctx: ReadCtx, id: string) =>
  and(eq(apiKeys.id, id), ownedBy(ctx.actor, apiKeys.userId), isNull(apiKeys.revokedAt))

function shown(k: ColumnsOf<typeof apiKeys>): SQL<ApiKey> {
  return jsonObject<ApiKey>({
    id: k.id,
    name: k.name,
    prefix: k.prefix,
    scopes: k.scopes,
    ipAllow: k.ipAllow,
    ratePerMinute: k.ratePerMinute,
    budgetMicrosPerDay: k.budgetMicrosPerDay,
    budgetMicrosPerMonth: k.budgetMicrosPerMonth,
    expiresAt: iso(k.expiresAt),
    lastUsedAt: iso(k.lastUsedAt),
    rotatedAt: iso(k.rotatedAt),
    graceUntil: sql`case when ${k.graceUntil} > now() then ${iso(k.graceUntil)} end`,
    version: k.version,
    createdAt: iso(k.createdAt),
    updatedAt: iso(k.updatedAt),
  })
}

function told(db: Ctx['db'], rows: Rows, kind: typeof keyCreated, name = 'told') {
  const data = jsonObject({ id: rows.id, name: rows.name, prefix: rows.prefix, scopes: rows.scopes })
  return tell(db, name, rows, { kind, userId: sql`${rows.userId}`, key: rows.id, version: rows.version, data })
}

function expiryOf(ctx: Pick<Ctx, 'now'>, expiresAt: string | null): Date | null {
  const at = expiresAt === null ? null : new Date(expiresAt)
  if (at === null || at > ctx.now()) return at
  const detail = 'must be in the future'
  throw new AppError('invalid_request', `/expiresAt: ${detail}`, { errors: [{ pointer: '/expiresAt', detail }] })
}

/** Makes a key and shows its secret, this once. One trip; a sign-in of the last five minutes is asked for. */
export async function createKey(ctx: WriteCtx & Pick<UserCtx, 'newId'>, input: NewApiKey): Promise<ApiKeyWithSecret> {
  requireFresh(ctx)
  const { db } = ctx
  const prefix = newPrefix()
  const secret = newKeyToken(prefix)
  const values = { ...input, expiresAt: expiryOf(ctx, input.expiresAt), prefix, hash: await hashToken(secret) }
  const made = db.$with('made').as(
    db
      .insert(apiKeys)
      .values({ ...values, id: ctx.newId('key'), userId: ownerId(ctx.actor) })
      .returning(),
  )
  const event = told(db, made, keyCreated)
  const [row] = await db
    .with(made, event)
    .select({ key: shown(made), eventId: sql<string>`(select id from told)` })
    .from(made)
  if (!row) throw new Error('an insert returned no row')
  kick(ctx, [row.eventId])
  return { ...row.key, secret }
}

async function getKey(ctx: ReadCtx, id: string): Promise<ApiKey> {
  const [row] = await ctx.db
    .select({ key: shown(apiKeys) })
    .from(apiKeys)
    .where(mine(ctx, id))
  if (!row) throw missing()
  return row.key
}

/** The key, and what it spent on AI in this UTC day and month. */
export async function showKey(
  ctx: Parameters<typeof readBudget>[0] & ReadCtx,
  id: string,
): Promise<ApiKeyWithSpending> {
  const [key, { keys }] = await Promise.all([getKey(ctx, id), readBudget(ctx)])
  const { dayMicros = 0, monthMicros = 0 } = keys[id] ?? {}
  return { ...key, spent: { dayMicros, monthMicros } }
}

/** The person's keys that were not revoked, newest first. One trip. */
export async function listKeys(ctx: ReadCtx, { limit, cursor }: { limit: number; cursor?: string | undefined }) {
  const [after] = cursor === undefined ? [] : decodeCursor(LIST, cursor, CursorKey)
  const rows = await ctx.db
    .select({ key: shown(apiKeys) })
    .from(apiKeys)
    .where(
      and(
        ownedBy(ctx.actor, apiKeys.userId),
        isNull(apiKeys.revokedAt),
        after === undefined ? undefined : lt(apiKeys.id, after),
      ),
    )
    .orderBy(desc(apiKeys.id))
    .limit(limit + 1)
  return toPage(
    rows.map(({ key }) => key),
    limit,
    (last) => encodeCursor(LIST, [last.id]),
  )
}

/** Changes what is given, from the key's next request on. One trip; a fresh sign-in, since it may widen what the key may. */
export async function updateKey(
  ctx: WriteCtx,
  id: string,
  { expiresAt, ...fields }: ApiKeyPatch,
  version: number | '*',
): Promise<ApiKey> {
  requireFresh(ctx)
  const { db } = ctx
  const given = { ...fields, ...(expiresAt !== undefined && { expiresAt: expiryOf(ctx, expiresAt) }) }
  const isSame = Object.keys(given).length === 0
  const current = db.$with('current').as(db.select({ id: apiKeys.id }).from(apiKeys).where(mine(ctx, id)))
  const changed = db.$with('changed').as(
    db
      .update(apiKeys)
      .set({
        ...given,
        version: isSame ? sql`${apiKeys.version}` : sql`${apiKeys.version} + 1`,
        ...(!isSame && { updatedAt: sql`now()` }),
      })
      .where(and(mine(ctx, id), version === '*' ? undefined : eq(apiKeys.version, version)))
      .returning(),
  )
  const [row] = await db
    .with(current, changed)
    .select({ changed: changed.id, key: shown(changed) })
    .from(current)
    .leftJoin(changed, eq(changed.id, current.id))
  if (!row) throw missing()
  if (row.changed === null) throw stale()
  if (NARROWS.some((name) => given[name] !== undefined)) renewSockets(ctx, ctx.actor.userId, id)
  return row.key
}

/** A new secret under the same prefix; the one before works until the grace is over. Two trips; asks for a fresh sign-in. */
export async function rotateKey(ctx: WriteCtx, id: string, { graceSeconds }: Rotation): Promise<ApiKeyWithSecret> {
  const { prefix } = await getKey(ctx, id)
  requireFresh(ctx)
  const { db } = ctx
  const secret = newKeyToken(prefix)
  const rotated = db.$with('rotated').as(
    db
      .update(apiKeys)
      .set({
        previousHash: sql`${apiKeys.hash}`,
        hash: await hashToken(secret),
        graceUntil: sql`now() + interval '1 second' * ${graceSeconds}`,
        rotatedAt: sql`now()`,
        updatedAt: sql`now()`,
        version: sql`${apiKeys.version} + 1`,
      })
      .where(mine(ctx, id))
      .returning(),
  )
  const event = told(db, rotated, keyRotated)
  const [row] = await db
    .with(rotated, event)
    .select({ key: shown(rotated), eventId: sql<string>`(select id from told)` })
    .from(rotated)
  if (!row) throw missing()
  if (graceSeconds === 0) renewSockets(ctx, ctx.actor.userId, id)
  kick(ctx, [row.eventId])
  return { ...row.key, secret }
}

/** Ends a key: it is refused from the next statement on. One trip. */
export async function revokeKey(ctx: WriteCtx, id: string): Promise<void> {
  const { db } = ctx
  const revoked = db.$with('revoked').as(
    db
      .update(apiKeys)
      .set({ revokedAt: sql`now()`, version: sql`${apiKeys.version} + 1` })
      .where(mine(ctx, id))
      .returning(),
  )
  const event = told(db, revoked, keyRevoked)
  const [row] = await db.with(revoked, event).select({ eventId: event.id }).from(event)
  if (!row) throw missing()
  cutOff(ctx, ctx.actor.userId, [id])
  kick(ctx, [row.eventId])
}

/** Ends every key of the person `userId`, as CTEs of the statement that gives the reason; answered as `revokedKeys`. */
export function revokeAll(db: Ctx['db'], userId: SQL) {
  const revoked = db.$with('revoked').as(
    db
      .update(apiKeys)
      .set({ revokedAt: sql`now()`, version: sql`${apiKeys.version} + 1` })
      .where(and(sql`${apiKeys.userId} = ${userId}`, isNull(apiKeys.revokedAt)))
      .returning(),
  )
  return [revoked, told(db, revoked, keyRevoked, 'told_revoked')] as const
}
export const revokedKeys = sql<{ id: string; eventId: string }[]>`(select coalesce(json_agg(
  json_build_object('id', split_part(id, '.', 1), 'eventId', id)), '[]'::json) from told_revoked)`

/** Drops keys that were revoked or ran out three months ago. */
export async function pruneApiKeys(ctx: Pick<Ctx, 'db'>): Promise<void> {
  await ctx.db.execute(sql`
    delete from ${apiKeys} where id in (
      select id from ${apiKeys} where least(revoked_at, expires_at) < now() - interval '90 days' limit ${PRUNE_BATCH})`)
}
