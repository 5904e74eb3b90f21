import { and, count, desc, eq, lt, type SQL, sql } from 'drizzle-orm'
import { z } from 'zod'
import { AppError, type Ctx, decodeCursor, encodeCursor, requireFresh, s, toPage, type UserCtx } from '#core'
import { type ColumnsOf, iso, jsonObject, ownedBy, ownerId } from '#database'
import { checkUrl, seal, unseal } from '#security'
import type { NewWebhook, SecretRotation, Webhook, WebhookPatch, WebhookWithSecret } from './schema.ts'
import { newSecret } from './signature.ts'
import { webhookEndpoints } from './tables.ts'

const LIST = 'webhooks'
const CursorKey = z.tuple([s.id('whk')])
const MAX_ENDPOINTS = 20

type ReadCtx = Pick<UserCtx, 'actor' | 'db'>
type WriteCtx = ReadCtx & Pick<UserCtx, 'config' | 'now'>
type Row = typeof webhookEndpoints.$inferSelect

export const missing = () => new AppError('not_found', 'There is no such webhook')
const stale = () => new AppError('version_stale', 'The webhook has changed since you read it')
export const mine = (ctx: ReadCtx, id: string) =>
  and(eq(webhookEndpoints.id, id), ownedBy(ctx.actor, webhookEndpoints.userId))

/** The place a secret is sealed for. */
const placeOf = (column: 'secret' | 'previous_secret', rowId: string, userId: string) => ({
  table: 'webhook_endpoints',
  column,
  rowId,
  userId,
})

function shown(w: ColumnsOf<typeof webhookEndpoints>): SQL<Webhook> {
  return jsonObject<Webhook>({
    id: w.id,
    url: w.url,
    description: w.description,
    events: w.events,
    enabled: w.enabled,
    disabledReason: w.disabledReason,
    previousSecretUntil: sql`case when ${w.previousUntil} > now() then ${iso(w.previousUntil)} end`,
    version: w.version,
    createdAt: iso(w.createdAt),
    updatedAt: iso(w.updatedAt),
  })
}

function requireUrl({ config }: WriteCtx, url: string): void {
  const checked = checkUrl(url, config.outbound)
  if (checked.ok) return
  const detail = `cannot be called: ${checked.reason}`
  throw new AppError('invalid_request', `/url: ${detail}`, { errors: [{ pointer: '/url', detail }] })
}

/** Adds an endpoint and shows its secret, this once. Two trips; asks for a sign-in of the last five minutes. */
export async function addWebhook(
  ctx: WriteCtx & Pick<UserCtx, 'newId'>,
  input: NewWebhook,
): Promise<WebhookWithSecret> {
  requireFresh(ctx)
  requireUrl(ctx, input.url)
  const [others] = await ctx.db
    .select({ count: count() })
    .from(webhookEndpoints)
    .where(ownedBy(ctx.actor, webhookEndpoints.userId))
  if ((others?.count ?? 0) >= MAX_ENDPOINTS)
    throw new AppError('conflict', `There are ${MAX_ENDPOINTS} webhooks already; remove one first`)
  const id = ctx.newId('whk')
  const secret = newSecret()
  const sealed = await seal(ctx.config.encryptionKeys, placeOf('secret', id, ctx.actor.userId), secret)
  const [row] = await ctx.db
    .insert(webhookEndpoints)
    .values({ ...input, id, userId: ownerId(ctx.actor), secret: sealed })
    .returning({ webhook: shown(webhookEndpoints) })
  if (!row) throw new Error('an insert returned no row')
  return { ...row.webhook, secret }
}

export async function getWebhook(ctx: ReadCtx, id: string): Promise<Webhook> {
  const [row] = await ctx.db
    .select({ webhook: shown(webhookEndpoints) })
    .from(webhookEndpoints)
    .where(mine(ctx, id))
  if (!row) throw missing()
  return row.webhook
}

/** The person's webhooks, newest first. One trip. */
export async function listWebhooks(ctx: ReadCtx, { limit, cursor }: { limit: number; cursor?: string | undefined }) {
  const [after] = cursor ? decodeCursor(LIST, cursor, CursorKey) : []
  const rows = await ctx.db
    .select({ webhook: shown(webhookEndpoints) })
    .from(webhookEndpoints)
    .where(
      and(
        ownedBy(ctx.actor, webhookEndpoints.userId),
        after === undefined ? undefined : lt(webhookEndpoints.id, after),
      ),
    )
    .orderBy(desc(webhookEndpoints.id))
    .limit(limit + 1)
  return toPage(
    rows.map(({ webhook }) => webhook),
    limit,
    (last) => encodeCursor(LIST, [last.id]),
  )
}

/** Changes what is given; switched on, it is no longer held to have failed. One trip; asks for a fresh sign-in. */
export async function updateWebhook(
  ctx: WriteCtx,
  id: string,
  patch: WebhookPatch,
  version: number | '*',
): Promise<Webhook> {
  requireFresh(ctx)
  if (patch.url !== undefined) requireUrl(ctx, patch.url)
  const { db } = ctx
  const w = webhookEndpoints
  const current = db.$with('current').as(db.select({ id: w.id }).from(w).where(mine(ctx, id)))
  const changed = db.$with('changed').as(
    db
      .update(w)
      .set({
        ...patch,
        ...(patch.enabled && { disabledReason: null }),
        version: sql`${w.version} + 1`,
        updatedAt: sql`now()`,
      })
      .where(and(mine(ctx, id), version === '*' ? undefined : eq(w.version, version)))
      .returning(),
  )
  const [row] = await db
    .with(current, changed)
    .select({ changed: changed.id, webhook: shown(changed) })
    .from(current)
    .leftJoin(changed, eq(changed.id, current.id))
  if (!row) throw missing()
  if (row.changed === null) throw stale()
  return row.webhook
}

/** Removes it with what was still to be sent to it. One trip. */
export async function removeWebhook(ctx: ReadCtx, id: string): Promise<void> {
  const gone = await ctx.db.delete(webhookEndpoints).where(mine(ctx, id)).returning({ id: webhookEndpoints.id })
  if (gone.length === 0) throw missing()
}

/** A new secret; the one before signs too until the overlap is over. Two trips; asks for a fresh sign-in. */
export async function rotateSecret(
  ctx: WriteCtx,
  id: string,
  { overlapSeconds }: SecretRotation,
): Promise<WebhookWithSecret> {
  const w = webhookEndpoints
  const [row] = await ctx.db.select().from(w).where(mine(ctx, id))
  if (!row) throw missing()
  requireFresh(ctx)
  const { encryptionKeys } = ctx.config
  const secret = newSecret()
  const before = await unseal(encryptionKeys, placeOf('secret', id, row.userId), row.secret)
  const [changed] = await ctx.db
    .update(w)
    .set({
      secret: await seal(encryptionKeys, placeOf('secret', id, row.userId), secret),
      previousSecret: await seal(encryptionKeys, placeOf('previous_secret', id, row.userId), before),
      previousUntil: sql`now() + ${overlapSeconds} * interval '1 second'`,
      version: sql`${w.version} + 1`,
      updatedAt: sql`now()`,
    })
    // Of two rotations at once the second begins again: its overlap would be with a secret that was never given.
    .where(and(mine(ctx, id), eq(w.version, row.version)))
    .returning({ webhook: shown(w) })
  if (!changed) throw stale()
  return { ...changed.webhook, secret }
}

/** The secrets that sign for this endpoint now, the newest first. */
export async function secretsOf(
  { config, now }: Pick<WriteCtx, 'config' | 'now'>,
  { id, userId, ...row }: Pick<Row, 'id' | 'userId' | 'secret' | 'previousSecret' | 'previousUntil'>,
): Promise<string[]> {
  const keys = config.encryptionKeys
  const newest = await unseal(keys, placeOf('secret', id, userId), row.secret)
  if (!row.previousSecret || !row.previousUntil || row.previousUntil <= now()) return [newest]
  return [newest, await unseal(keys, placeOf('previous_secret', id, userId), row.previousSecret)]
}

/** Removes every endpoint of the person `userId`, as a CTE of the statement that gives the reason. */
export const removeWebhooks = (db: Ctx['db'], userId: SQL) =>
  db.$with('removed_webhooks', {}).as(sql`delete from ${webhookEndpoints} where user_id = ${userId}`)
