import { and, eq, inArray, sql } from 'drizzle-orm'
import type { UserCtx } from '#core'
import { ownedBy, ownerId } from '#database'
import { embeddings } from './tables.ts'
import { checkedQuery, checkedRows, keyOf, type VectorMatch, type VectorStore } from './vectors.ts'

type Ctx = Pick<UserCtx, 'actor' | 'db'>

// In the migration that waits for the extension, and so in no schema of drizzle's.
const vector = sql`${sql.identifier('vector')}`

/** Vectors in Postgres: exact, and over as soon as the statement is. Each verb is one trip. */
export function pgvectorStore({ actor, db }: Ctx): VectorStore {
  return {
    async upsert(given) {
      if (given.length === 0) return
      const rows = checkedRows(given).map((row) => ({
        ...row,
        key: keyOf(actor.userId, row.kind, row.id),
        meta: row.meta ?? {},
        vector: JSON.stringify(row.vector),
      }))
      await db.execute(sql`
        insert into ${embeddings} (key, user_id, kind, id, space, meta, vector)
        select r.key, ${ownerId(actor)}, r.kind, r.id, r.space, r.meta, r.vector::vector
        from json_to_recordset(${JSON.stringify(rows)}::json)
          as r(key text, kind text, id text, space text, meta jsonb, vector text)
        on conflict (key) do update set
          space = excluded.space, meta = excluded.meta, vector = excluded.vector, updated_at = now()
        where ${embeddings.userId} = excluded.user_id`)
    },
    async query(given) {
      const query = checkedQuery(given)
      // Postgres may compare before it filters: vectors of two lengths are only kept apart by the case.
      const score = sql<number>`case when vector_dims(${vector}) = ${query.vector.length}
        then 1 - (${vector} <=> ${JSON.stringify(query.vector)}::vector) end`
      const scored = db
        .select({ id: embeddings.id, meta: embeddings.meta, score: score.as('score') })
        .from(embeddings)
        .where(
          and(
            ownedBy(actor, embeddings.userId),
            eq(embeddings.kind, query.kind),
            eq(embeddings.space, query.space),
            sql`${vector} is not null`,
          ),
        )
        .as('scored')
      const rows: VectorMatch[] = await db
        .select({ id: scored.id, meta: scored.meta, score: scored.score })
        .from(scored)
        .where(sql`${scored.score} >= ${query.minScore}`)
        .orderBy(sql`${scored.score} desc`, scored.id)
        .limit(query.limit)
      return rows
    },
    async remove({ kind, ids }) {
      await db
        .delete(embeddings)
        .where(
          and(
            ownedBy(actor, embeddings.userId),
            kind === undefined ? undefined : eq(embeddings.kind, kind),
            ids === undefined ? undefined : inArray(embeddings.id, ids),
          ),
        )
    },
  }
}
