import { and, arrayOverlaps, eq, gt, inArray, lte, type SQL, sql } from 'drizzle-orm'
import { type Ctx, describeError, inTime, type PersonActor, type UserCtx, withTimeout } from '#core'
import { databaseFailure, ownedBy, ownerId } from '#database'
import type { Subscriber } from '#queue'
import { type SearchCtx, type VectorStore, vectorStore } from '#search'
import { cacheability, frameOf, keyOf } from './cacheable.ts'
import type { Call } from './call.ts'
import { embed } from './embed.ts'
import { cachedAnswers, changedSources, type KeptAnswer } from './tables.ts'
import type { WholeCtx } from './whole.ts'

export type CacheCtx = WholeCtx & SearchCtx & Pick<UserCtx, 'newId' | 'log'>

/** Where an answer belongs that was not found; only `keepCached` reads it. */
export type Place = {
  key: string
  frame: string
  text: string
  sources: string[]
  askedAt: string
  vector: { space: string; values: number[] } | null
}

/** `reason` is told with the decision, whatever the outcome. */
export type Found =
  | { state: 'off'; reason: string }
  | { state: 'miss'; reason: string; place: Place }
  | { state: 'exact' | 'semantic'; reason: string; answer: KeptAnswer }

// Measured on half of cache-pairs.json: the highest that loses nothing which `isAlike` lets through.
export const MIN_COSINE = 0.8
const EXACT_HOURS = 48
const SEMANTIC_HOURS = 72
const MAX_MEANT_CHARS = 500
const MAX_ANSWER_CHARS = 100_000
const CANDIDATES = 5
const PATIENCE_MS = 1500
const KIND = 'answer'
const PRUNE_BATCH = 500
// What fed a request was read before it came here, and its change may be told late.
const READ_BEFORE = sql`interval '5 minutes'`
const REMEMBERED = sql`interval '1 hour'`

const hours = (count: number) => sql`now() - ${count} * interval '1 hour'`

/** An answer this person was given before to the same request, or to one that asks the same; or why there is none. */
export async function findCached(ctx: CacheCtx, call: Call): Promise<Found> {
  const { actor } = ctx
  const may = cacheability(call, actor.userId)
  if (!may.ok) return { state: 'off', reason: may.reason }
  const frame = frameOf(call)
  const { text } = may
  const key = keyOf(frame, text)
  const exact = await take(ctx, and(eq(cachedAnswers.key, key), gt(cachedAnswers.createdAt, hours(EXACT_HOURS))))
  if (exact.answer)
    return { state: 'exact', reason: `asked before in the same words, ${exact.keptAt}`, answer: exact.answer }
  const place = { key, frame, text, sources: call.share?.sources ?? [], askedAt: exact.askedAt, vector: null }
  return await findMeant(ctx, place)
}

async function findMeant(ctx: CacheCtx, bare: Place): Promise<Found> {
  const miss = (reason: string, place = bare): Found => ({ state: 'miss', reason, place })
  if (bare.text.length > MAX_MEANT_CHARS) return miss('not asked before; too long to compare by meaning')
  if (!ctx.config.ai.embeddings) return miss('not asked before; no embeddings are configured')
  const store = await vectorStore(ctx)
  if (!store) return miss('not asked before; no store of vectors is there')
  const values = await embedded(ctx, bare.text)
  if (!values) return miss('not asked before; the embeddings do not answer')
  const space = `${ctx.config.ai.embeddings.model.name} ${bare.frame}`
  const place = { ...bare, vector: { space, values } }
  const near = await nearest(ctx, store, { kind: KIND, space, vector: values, limit: CANDIDATES, minScore: MIN_COSINE })
  if (!near) return miss('not asked before; the store of vectors does not answer', place)
  if (near.length === 0) return miss('nothing kept means nearly the same', place)
  const rows = await ctx.db
    .select({ id: cachedAnswers.id, text: cachedAnswers.text })
    .from(cachedAnswers)
    .where(
      and(
        mine(ctx.actor, hours(SEMANTIC_HOURS)),
        eq(cachedAnswers.frame, bare.frame),
        inArray(
          cachedAnswers.id,
          near.map(({ id }) => id),
        ),
      ),
    )
  const { isAlike } = await import('./alike.ts')
  let refusal = 'the nearest was no longer kept'
  for (const { id, score } of near) {
    const row = rows.find((one) => one.id === id)
    if (!row) continue
    const alike = isAlike(place.text, row.text)
    if (!alike.ok) {
      refusal = `the nearest differs (cosine ${score.toFixed(2)}): ${alike.reason}`
      continue
    }
    const { answer, keptAt } = await take(ctx, eq(cachedAnswers.id, id))
    if (answer)
      return { state: 'semantic', reason: `asks what was asked ${keptAt} (cosine ${score.toFixed(2)})`, answer }
  }
  return miss(refusal, place)
}

// A cache that makes a request wait, or fail, is none.
async function embedded(ctx: CacheCtx, text: string): Promise<number[] | undefined> {
  try {
    const answer = await withTimeout(PATIENCE_MS, (signal) => embed(ctx, { texts: [text], feature: 'cache', signal }))
    return answer.ok ? answer.vectors[0] : undefined
  } catch (error) {
    ctx.log.warn('cache.not_embedded', describeError(error))
    return undefined
  }
}

async function nearest(ctx: CacheCtx, store: VectorStore, query: Parameters<VectorStore['query']>[0]) {
  try {
    return await inTime(PATIENCE_MS, () => store.query(query))
  } catch (error) {
    if (databaseFailure(error)) throw error
    ctx.log.warn('cache.not_compared', describeError(error))
    return undefined
  }
}

const mine = (actor: PersonActor, since: SQL) =>
  and(ownedBy(actor, cachedAnswers.userId), gt(cachedAnswers.createdAt, since), gt(cachedAnswers.expiresAt, sql`now()`))

async function take({ actor, db }: Pick<UserCtx, 'actor' | 'db'>, which: SQL | undefined) {
  const hit = db.$with('hit').as(
    db
      .update(cachedAnswers)
      .set({ hits: sql`${cachedAnswers.hits} + 1` })
      .where(and(mine(actor, hours(SEMANTIC_HOURS)), which))
      .returning(),
  )
  const minute = sql<string | null>`to_char(${hit.createdAt} at time zone 'UTC', 'YYYY-MM-DD HH24:MI "UTC"')`
  const [row] = await db
    .with(hit)
    .select({ askedAt: sql<string>`now()::text`, keptAt: minute, answer: hit.answer })
    .from(sql`(select 1) as one`)
    .leftJoin(hit, sql`true`)
  return { askedAt: row?.askedAt ?? '', keptAt: row?.keptAt ?? '', answer: row?.answer ?? null }
}

/**
 * Keeps an answer that was whole, in the place `findCached` told; false where it was too long, or where something that
 * fed it has changed since. Two trips.
 */
export async function keepCached(ctx: CacheCtx, place: Place, answer: KeptAnswer): Promise<boolean> {
  const { db, actor } = ctx
  const { key, frame, text, sources } = place
  if (answer.text.trim() === '' || answer.text.length > MAX_ANSWER_CHARS) return false
  const list = sql`array(select json_array_elements_text(${JSON.stringify(sources)}::json))`
  const changed = sql`select 1 from ${changedSources} where ${changedSources.userId} = ${actor.userId}
    and ${changedSources.source} = any(${list}) and ${changedSources.changedAt} > ${place.askedAt}::timestamptz - ${READ_BEFORE}`
  const { rows } = await db.execute<{ id: string }>(sql`
    insert into ${cachedAnswers} (id, user_id, key, frame, text, answer, sources, expires_at)
    select ${ctx.newId('ans')}, ${ownerId(actor)}, ${key}, ${frame}, ${text}, ${JSON.stringify(answer)}::jsonb, ${list},
      now() + ${SEMANTIC_HOURS} * interval '1 hour'
    where not exists (${changed})
    on conflict (user_id, key) do update set answer = excluded.answer, sources = excluded.sources, hits = 0,
      created_at = now(), expires_at = excluded.expires_at
    returning id`)
  const id = rows[0]?.id
  if (id === undefined) return false
  const store = place.vector && (await vectorStore(ctx))
  if (place.vector && store)
    await store.upsert([{ kind: KIND, id, space: place.vector.space, vector: place.vector.values }])
  return true
}

/** Forgets every answer that was kept for this person. */
export async function clearCache(ctx: SearchCtx): Promise<void> {
  await ctx.db.delete(cachedAnswers).where(ownedBy(ctx.actor, cachedAnswers.userId))
  await (await vectorStore(ctx))?.remove({ kind: KIND })
}

/** Gives no more what something fed that has changed, nor keeps what is being made of it; pruning erases it. One trip. */
async function forgetFedBy({ db, actor }: Pick<UserCtx, 'actor' | 'db'>, source: string): Promise<void> {
  await db.batch([
    db
      .insert(changedSources)
      .values({ userId: actor.userId, source })
      .onConflictDoUpdate({ target: [changedSources.userId, changedSources.source], set: { changedAt: sql`now()` } }),
    db
      .update(cachedAnswers)
      .set({ expiresAt: sql`now()` })
      .where(and(ownedBy(actor, cachedAnswers.userId), arrayOverlaps(cachedAnswers.sources, [source]))),
  ])
}

const ofPerson = (ctx: Ctx, userId: string) => ({
  ...ctx,
  actor: { kind: 'person' as const, userId, sessionId: null },
})

// What may feed an answer that is kept: the key of its event is its id. Nothing was made of what is new.
const FEEDS = /^(?:me|memory)\.(?!created$)/

export const cacheSubscriber: Subscriber = {
  name: 'answers',
  wants: (type) => FEEDS.test(type),
  async handle(ctx, events) {
    for (const { userId, key } of events) await forgetFedBy(ofPerson(ctx, userId), key)
  },
}

/** Erases what is too old to be given: the vectors first, so that a failure leaves none behind. */
export async function pruneAnswers(ctx: Ctx): Promise<void> {
  const { db } = ctx
  await db.delete(changedSources).where(lte(changedSources.changedAt, sql`now() - ${REMEMBERED}`))
  const old = lte(cachedAnswers.expiresAt, sql`now()`)
  const rows = await db
    .select({ id: cachedAnswers.id, userId: cachedAnswers.userId })
    .from(cachedAnswers)
    .where(old)
    .limit(PRUNE_BATCH)
  for (const [userId, theirs] of Map.groupBy(rows, (row) => row.userId)) {
    const ids = theirs.map(({ id }) => id)
    await (await vectorStore(ofPerson(ctx, userId)))?.remove({ kind: KIND, ids })
    await db.delete(cachedAnswers).where(and(eq(cachedAnswers.userId, userId), inArray(cachedAnswers.id, ids), old))
  }
}
