import { type Column, eq, inArray, lte, sql } from 'drizzle-orm'
import { signStatement } from '#auth'
import { AppError, type Ctx, findAppError, inTime, newId, requireFresh, type UserCtx } from '#core'
import { iso, jsonObject } from '#database'
import { sendMail } from '#email'
import { kick } from '#queue'
import { hashToken } from '#security'
import { dueDeletions, getDeletion, getMe, holdPerson, type Me, setDeletion } from '#users'
import type { Deletion, Receipt } from './schema.ts'
import { STORES, type Store } from './stores.ts'
import { erasureReceipts, erasures } from './tables.ts'

const DAY_MS = 86_400_000
const RECEIPT_TYPE = 'erasure-receipt+jwt'
const AT_ONCE = 100
const BEGIN_MS = 5000
// Longer than a run with all of its retries: whoever holds it that long was killed.
const LEASE = sql`now() + interval '15 minutes'`

/** The steps of an erasure: a store each, and the one that looks at all of them again and signs. */
export const ERASURE_STEPS: readonly string[] = [...STORES.map(({ name }) => name), 'receipt']

const begun = (userId: string | Column) => sql`exists (select 1 from ${erasures} e where e.user_id = ${userId})`

/** Asks for everything of the person's to be erased once the grace is over. Asked twice, the first day stands. */
export async function scheduleDeletion(ctx: UserCtx): Promise<Deletion> {
  requireFresh(ctx)
  const { me, erasureId } = await getDeletion(ctx)
  if (me.deletionAt !== null) return { deletionAt: me.deletionAt, receiptId: erasureId ?? '' }
  const at = new Date(ctx.now().getTime() + ctx.config.erasureGraceDays * DAY_MS)
  const receiptId = ctx.newId('era')
  const mail = await deletionMail(ctx, me, at)
  const asked = setDeletion(ctx, { at, erasureId: receiptId }, begun(me.id))
  const [, [row]] = await ctx.db.batch([holdPerson(ctx), asked, ...mail.statements])
  // Whoever asked at the same moment was first.
  if (!row) return await scheduleDeletion(ctx)
  kick(ctx, [row.eventId, mail.job])
  return { deletionAt: at.toISOString(), receiptId }
}

function deletionMail(ctx: UserCtx, { id, email, displayName, preferences, version }: Me, at: Date) {
  const { locale, timeZone } = preferences
  const when = new Intl.DateTimeFormat([locale, 'en'], { timeZone, dateStyle: 'long' }).format(at)
  return sendMail(ctx, {
    userId: id,
    to: email,
    template: 'deletion_scheduled',
    data: { name: displayName, when, url: ctx.config.publicUrl },
    key: `deletion-scheduled:${id}:${version}`,
  })
}

/** Takes it back, as long as the grace lasts. `conflict` once the erasure has begun. */
export async function cancelDeletion(ctx: UserCtx): Promise<Me> {
  const me = (await takeBack(ctx)) ?? (await getMe(ctx))
  if (me.deletionAt !== null) throw new AppError('conflict', 'The erasure has begun')
  return me
}

/** Takes back what was asked for by then, unless it has begun. */
export async function callOffDeletion(ctx: UserCtx, until: Date): Promise<void> {
  const found = await getDeletion(ctx).catch((error: unknown) => {
    if (findAppError(error)?.code === 'not_found') return null
    throw error
  })
  const erasureId = found?.erasureId ?? null
  // Ids are sorted by when they were made.
  if (erasureId === null || erasureId > newId('era', until)) return
  await takeBack(ctx)
}

// Undefined: there was nothing to take back, or it has begun.
async function takeBack(ctx: UserCtx): Promise<Me | undefined> {
  const [, [row]] = await ctx.db.batch([holdPerson(ctx), setDeletion(ctx, null, begun(ctx.actor.userId))])
  if (row) kick(ctx, [row.eventId])
  return row?.me
}

/** Starts the erasures whose day has come, and again those that were left by whoever had them. */
export async function startErasures(ctx: Ctx): Promise<void> {
  const { db, env } = ctx
  await db.execute(
    sql`insert into ${erasures} (id, user_id) ${dueDeletions(ctx, AT_ONCE, begun)} on conflict do nothing`,
  )
  const free = db.select({ id: erasures.id }).from(erasures).where(lte(erasures.leaseUntil, sql`now()`)).limit(AT_ONCE)
  const taken = await db
    .update(erasures)
    .set({ leaseUntil: LEASE, attempts: sql`${erasures.attempts} + 1` })
    .where(inArray(erasures.id, free))
    .returning({ id: erasures.id, attempts: erasures.attempts })
  for (const { id, attempts } of taken)
    await inTime(BEGIN_MS, () => env.ERASE_PERSON.create({ id: `${id}-${attempts}`, params: { id } }))
}

/**
 * One step of an erasure, any number of times; does nothing once it is over. A store that is not empty afterwards is a
 * failure, to be tried again.
 */
export async function eraseStep(ctx: Ctx, id: string, step: string): Promise<void> {
  const [row] = await ctx.db.select().from(erasures).where(eq(erasures.id, id))
  if (!row) return
  const { userId } = row
  const store = STORES.find(({ name }) => name === step)
  if (!store) return await finish(ctx, id, userId)
  // What it held is told by the first who looked: after them it is empty.
  const held = await store.verify(ctx, userId)
  const progress = sql`jsonb_build_object(${step}::text, ${held}::int) || ${erasures.progress}`
  await ctx.db.update(erasures).set({ progress, leaseUntil: LEASE }).where(eq(erasures.id, id))
  await empty(ctx, store, userId)
}

async function empty(ctx: Ctx, store: Store, userId: string): Promise<void> {
  await store.erase(ctx, userId)
  const left = await store.verify(ctx, userId)
  if (left > 0) throw new Error(`${left} of a person's are left in ${store.name}`)
}

/** What was written on the way goes too; then who they were is forgotten, and that they were erased is signed. */
async function finish(ctx: Ctx, id: string, userId: string): Promise<void> {
  const { db } = ctx
  for (const store of STORES) if ((await store.verify(ctx, userId)) > 0) await empty(ctx, store, userId)
  const [row] = await db.select({ stores: erasures.progress }).from(erasures).where(eq(erasures.id, id))
  if (!row) return
  const erasedAt = ctx.now()
  const subjectHash = await hashToken(userId)
  const receipt = await signStatement(ctx, RECEIPT_TYPE, { jti: id, subject_hash: subjectHash, stores: row.stores })
  await db.batch([
    db.insert(erasureReceipts).values({ id, subjectHash, receipt, erasedAt }).onConflictDoNothing(),
    db.delete(erasures).where(eq(erasures.id, id)),
  ])
  ctx.log.info('person.erased', { receipt: id })
}

/** The receipt of an erasure, for whoever has its id: it names nobody. `not_found` until it is over. */
export async function getReceipt({ db }: Pick<Ctx, 'db'>, id: string): Promise<Receipt> {
  const r = erasureReceipts
  const receipt = jsonObject<Receipt>({ id: r.id, receipt: r.receipt, erasedAt: iso(r.erasedAt) })
  const [row] = await db.select({ receipt }).from(r).where(eq(r.id, id))
  if (!row) throw new AppError('not_found', 'Nobody was erased under this id, or not yet')
  return row.receipt
}
