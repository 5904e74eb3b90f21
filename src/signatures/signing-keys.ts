import { and, desc, eq, inArray, lt, lte, sql } from 'drizzle-orm'
import { z } from 'zod'
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
import { kick, tell } from '#queue'
import { readPublicKey } from '#security'
import type { NewSigningKey, SignaturePolicy, SigningKey } from './schema.ts'
import { signatureNonces, signingKeys } from './tables.ts'

const LIST = 'signing_keys'
const CursorKey = z.tuple([s.id('sgk')])
const MAX_KEYS = 20
const PRUNE_BATCH = 5000

const Named = z.strictObject({ id: z.string(), name: z.string(), algorithm: z.string() })
const keyAdded = defineEvent('signing_key.added', null, Named)
const keyRemoved = defineEvent('signing_key.removed', null, Named)

type ReadCtx = Pick<UserCtx, 'actor' | 'db'>
type WriteCtx = ReadCtx & Pick<UserCtx, 'now' | 'env' | 'waitUntil' | 'log'>
type Columns = ColumnsOf<typeof signingKeys>

const shown = (k: Columns) =>
  jsonObject<SigningKey>({
    id: k.id,
    name: k.name,
    algorithm: k.algorithm,
    publicKey: k.publicKey,
    createdAt: iso(k.createdAt),
  })
const named = (k: Columns) => jsonObject({ id: k.id, name: k.name, algorithm: k.algorithm })
const mine = ({ actor }: ReadCtx) => ownedBy(actor, signingKeys.userId)

/** The person's keys, newest first. One trip. */
export async function listSigningKeys(ctx: ReadCtx, { limit, cursor }: { limit: number; cursor?: string | undefined }) {
  const [after] = cursor === undefined ? [] : decodeCursor(LIST, cursor, CursorKey)
  const rows = await ctx.db
    .select({ key: shown(signingKeys) })
    .from(signingKeys)
    .where(and(mine(ctx), after === undefined ? undefined : lt(signingKeys.id, after)))
    .orderBy(desc(signingKeys.id))
    .limit(limit + 1)
  return toPage(
    rows.map(({ key }) => key),
    limit,
    (last) => encodeCursor(LIST, [last.id]),
  )
}

/** Registers a public key; it is demanded where the others are. One trip; a sign-in of the last five minutes is asked for. */
export async function addSigningKey(
  ctx: WriteCtx & Pick<UserCtx, 'newId'>,
  { name, publicKey }: NewSigningKey,
): Promise<SigningKey> {
  requireFresh(ctx)
  const key = await readPublicKey(publicKey)
  if (!key) {
    const detail = 'must be a public key of Ed25519 or P-256'
    throw new AppError('invalid_request', `/publicKey: ${detail}`, { errors: [{ pointer: '/publicKey', detail }] })
  }
  const { db, actor } = ctx
  const held = db.$with('held').as(
    db
      .select({
        count: sql<number>`count(*)::int`.as('held_count'),
        demanded: sql<boolean>`coalesce(bool_or(${signingKeys.demanded}), false)`.as('held_demanded'),
      })
      .from(signingKeys)
      .where(mine(ctx)),
  )
  const row = {
    id: sql<string>`${ctx.newId('sgk')}::text`.as('new_id'),
    userId: sql<string>`${ownerId(actor)}::text`.as('new_user'),
    name: sql<string>`${name}::text`.as('new_name'),
    algorithm: sql<typeof key.algorithm>`${key.algorithm}::text`.as('new_algorithm'),
    publicKey: sql<string>`${key.raw}::text`.as('new_public_key'),
    demanded: held.demanded,
    createdAt: sql<Date>`now()`.as('new_created'),
  }
  const fits = db.select(row).from(held).where(lt(held.count, MAX_KEYS))
  const made = db.$with('made').as(db.insert(signingKeys).select(fits).onConflictDoNothing().returning())
  const told = tell(db, 'told', made, {
    kind: keyAdded,
    userId: sql`${made.userId}`,
    key: made.id,
    version: sql`1`,
    data: named(made),
  })
  const [found] = await db
    .with(held, made, told)
    .select({ count: held.count, id: made.id, key: shown(made), eventId: sql<string | null>`(select id from told)` })
    .from(held)
    .leftJoin(made, sql`true`)
  if (!found) throw new Error('an aggregate returned no row')
  if (found.id === null)
    throw new AppError(
      'conflict',
      found.count >= MAX_KEYS ? `A person has ${MAX_KEYS} signing keys at most` : 'This key is registered already',
    )
  kick(ctx, [found.eventId])
  return found.key
}

// All keys, locked by id: what is decided by the others holds until it is done.
const locked = (ctx: ReadCtx) =>
  ctx.db
    .$with('locked')
    .as(
      ctx.db
        .select({ id: signingKeys.id, demanded: signingKeys.demanded })
        .from(signingKeys)
        .where(mine(ctx))
        .orderBy(signingKeys.id)
        .for('update'),
    )

/** Ends a key: what it signed is refused from the next request on. The last one that is demanded stays. One trip. */
export async function removeSigningKey(ctx: WriteCtx, id: string): Promise<void> {
  const { db } = ctx
  const keys = locked(ctx)
  const tally = db.$with('tally').as(
    db
      .select({
        found: sql<boolean>`count(*) filter (where ${keys.id} = ${id}) > 0`.as('tally_found'),
        isLast: sql<boolean>`coalesce(bool_or(${keys.demanded}) filter (where ${keys.id} = ${id}), false)
          and count(*) filter (where ${keys.demanded} and ${keys.id} <> ${id}) = 0`.as('tally_last'),
      })
      .from(keys),
  )
  const removed = db.$with('removed').as(
    db
      .delete(signingKeys)
      .where(and(eq(signingKeys.id, id), sql`(select ${tally.found} and not ${tally.isLast} from ${tally})`))
      .returning(),
  )
  const told = tell(db, 'told', removed, {
    kind: keyRemoved,
    userId: sql`${removed.userId}`,
    key: removed.id,
    version: sql`2`,
    data: named(removed),
  })
  const [row] = await db
    .with(keys, tally, removed, told)
    .select({ isLast: tally.isLast, eventId: sql<string | null>`(select id from told)` })
    .from(tally)
  if (row?.isLast)
    throw new AppError('conflict', 'Signatures are demanded and this is the last key: add another, or demand none')
  if (!row?.eventId) throw new AppError('not_found', 'There is no such signing key')
  kick(ctx, [row.eventId])
}

/** Removes every key that was there by then, and with the last one that they are demanded. One trip. */
export async function removeSigningKeys(ctx: ReadCtx, until: Date): Promise<void> {
  await ctx.db.delete(signingKeys).where(and(mine(ctx), lte(signingKeys.createdAt, until)))
}

export async function readPolicy(ctx: ReadCtx): Promise<SignaturePolicy> {
  const { demanded } = signingKeys
  const [row] = await ctx.db
    .select({ demand: sql<boolean>`coalesce(bool_or(${demanded}), false)` })
    .from(signingKeys)
    .where(mine(ctx))
  return { demand: row?.demand ?? false }
}

/** Demands signatures on high-security routes, or no longer, from the next request on. One trip; asks for a fresh sign-in. */
export async function setPolicy(ctx: WriteCtx, { demand }: SignaturePolicy): Promise<SignaturePolicy> {
  requireFresh(ctx)
  const { db } = ctx
  const keys = locked(ctx)
  const changed = db.$with('changed').as(
    db
      .update(signingKeys)
      .set({ demanded: demand })
      .where(inArray(signingKeys.id, db.select({ id: keys.id }).from(keys)))
      .returning({ id: signingKeys.id }),
  )
  const [row] = await db.with(keys, changed).select({ count: sql<number>`count(*)::int` }).from(changed)
  if (demand && row?.count === 0) throw new AppError('conflict', 'Register a signing key before you demand signatures')
  return { demand }
}

/** Forgets what no signature could use again. */
export async function pruneNonces(ctx: Pick<Ctx, 'db'>): Promise<void> {
  await ctx.db.execute(sql`
    delete from ${signatureNonces} where (key_id, nonce) in (
      select key_id, nonce from ${signatureNonces} where kept_until < now() limit ${PRUNE_BATCH})`)
}
