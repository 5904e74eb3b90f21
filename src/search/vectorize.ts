import { and, eq, inArray, sql } from 'drizzle-orm'
import { z } from 'zod'
import { AppError, inTime, s, type UserCtx } from '#core'
import { ownedBy, ownerId } from '#database'
import { embeddings } from './tables.ts'
import { checkedQuery, checkedRows, keyOf, MAX_MATCHES, scopeOf, type VectorStore } from './vectors.ts'

type Ctx = Pick<UserCtx, 'actor' | 'db'>
export type Index = Pick<Vectorize, 'upsert' | 'query' | 'deleteByIds'>

// What one call to the binding takes: developers.cloudflare.com/vectorize/platform/limits, and error 40007 for deletes.
const UPSERT_BATCH = 1000
const DELETE_BATCH = 100
// What was removed may still be in the index for some seconds, and takes places among the nearest.
const SPARE_MATCHES = 20
const TIMEOUT_MS = 8000
const Matches = s.later(() => z.object({ matches: z.array(z.object({ id: z.string(), score: z.number() })) }))

async function asked<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await inTime(TIMEOUT_MS, work)
  } catch (cause) {
    throw new AppError('unavailable', 'The index of vectors does not answer', { cause })
  }
}

/**
 * Vectors in Cloudflare's index, and a row of each in Postgres: the index forgets late, cannot be asked what it has,
 * and deletes by id alone; Postgres knows at once what is there and whose it is. The index has metric cosine and a
 * metadata index on `scope`.
 */
export function vectorizeStore({ actor, db }: Ctx, index: Index): VectorStore {
  return {
    async upsert(given) {
      const rows = checkedRows(given).map((row) => ({ ...row, key: keyOf(actor.userId, row.kind, row.id) }))
      for (const batch of inBatches(rows, UPSERT_BATCH)) {
        // Ours first: a vector without its row could never be found again to be deleted.
        await db
          .insert(embeddings)
          .values(batch.map(({ vector: _, meta = {}, ...row }) => ({ ...row, meta, userId: ownerId(actor) })))
          .onConflictDoUpdate({
            target: embeddings.key,
            set: { space: sql`excluded.space`, meta: sql`excluded.meta`, updatedAt: sql`now()` },
            setWhere: sql`${embeddings.userId} = excluded.user_id`,
          })
        const vectors = batch.map(({ key, kind, space, vector }) => ({
          id: key,
          values: vector,
          metadata: { scope: scopeOf(actor.userId, kind, space) },
        }))
        await asked(() => index.upsert(vectors))
      }
    },
    async query(given) {
      const { kind, space, vector, limit, minScore } = checkedQuery(given)
      const topK = Math.min(MAX_MATCHES, limit + SPARE_MATCHES)
      const filter = { scope: scopeOf(actor.userId, kind, space) }
      const { matches } = await asked(async () => Matches().parse(await index.query(vector, { topK, filter })))
      const near = matches.filter(({ score }) => score >= minScore)
      if (near.length === 0) return []
      const rows = await db
        .select({ key: embeddings.key, id: embeddings.id, meta: embeddings.meta })
        .from(embeddings)
        .where(
          and(
            ownedBy(actor, embeddings.userId),
            eq(embeddings.kind, kind),
            eq(embeddings.space, space),
            inArray(
              embeddings.key,
              near.map(({ id }) => id),
            ),
          ),
        )
      const known = new Map(rows.map(({ key, ...row }) => [key, row]))
      return near
        .flatMap(({ id: key, score }) => {
          const row = known.get(key)
          return row ? [{ ...row, score }] : []
        })
        .sort((a, b) => b.score - a.score)
        .slice(0, limit)
    },
    async remove({ kind, ids }) {
      const where = and(
        ownedBy(actor, embeddings.userId),
        kind === undefined ? undefined : eq(embeddings.kind, kind),
        ids === undefined ? undefined : inArray(embeddings.id, ids),
      )
      const rows = await db.select({ key: embeddings.key }).from(embeddings).where(where)
      await drop(index, rows)
      await db.delete(embeddings).where(where)
    },
  }
}

/** Deletes from the index; asked twice it is the same. */
export async function drop(index: Index, rows: { key: string }[]): Promise<void> {
  for (const batch of inBatches(rows, DELETE_BATCH)) {
    const keys = batch.map(({ key }) => key)
    await asked(() => index.deleteByIds(keys))
  }
}

function inBatches<T>(items: T[], size: number): T[][] {
  const count = Math.ceil(items.length / size)
  return Array.from({ length: count }, (_, i) => items.slice(i * size, (i + 1) * size))
}
