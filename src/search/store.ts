import { eq, inArray, isNull, sql } from 'drizzle-orm'
import type { Config } from '#config'
import type { Ctx, UserCtx } from '#core'
import { pgvectorStore } from './pgvector.ts'
import { embeddings } from './tables.ts'
import { drop, vectorizeStore } from './vectorize.ts'
import type { VectorStore } from './vectors.ts'

type SystemCtx = Pick<Ctx, 'config' | 'db' | 'env' | 'now'>
export type SearchCtx = SystemCtx & Pick<UserCtx, 'actor'>

const ASK_AGAIN_MS = 60_000
const SWEEP_BATCH = 1000

const columns = new WeakMap<Config, { exists: boolean; askedMs: number }>()

// Asked once an isolate: a database has the extension or has it not, until somebody installs it.
async function hasColumn({ config, db, now }: SystemCtx): Promise<boolean> {
  const known = columns.get(config)
  if (known && (known.exists || now().getTime() - known.askedMs < ASK_AGAIN_MS)) return known.exists
  const { rows } = await db.execute<{ exists: string }>(sql`
    select count(*) as exists from information_schema.columns
    where table_schema = 'public' and table_name = 'embeddings' and column_name = 'vector'`)
  const exists = Number(rows[0]?.exists) > 0
  columns.set(config, { exists, askedMs: now().getTime() })
  return exists
}

/** Where the person's vectors are kept, as configured; null where nothing here can keep any. */
export async function vectorStore(ctx: SearchCtx): Promise<VectorStore | null> {
  if (ctx.config.ai.vectors === 'vectorize') return ctx.env.VECTORIZE ? vectorizeStore(ctx, ctx.env.VECTORIZE) : null
  return (await hasColumn(ctx)) ? pgvectorStore(ctx) : null
}

/** Lets go of a person's vectors, and of those that were left by people who are gone. */
export async function eraseVectors(ctx: SystemCtx, userId: string): Promise<void> {
  const store = await vectorStore({ ...ctx, actor: { kind: 'person', userId, sessionId: null } })
  await store?.remove({})
  await ctx.db.update(embeddings).set({ userId: null }).where(eq(embeddings.userId, userId))
  await sweepErased(ctx)
}

/** How many vectors are a person's. */
export async function countVectors({ db }: Pick<Ctx, 'db'>, userId: string): Promise<number> {
  return await db.$count(embeddings, eq(embeddings.userId, userId))
}

/** For `/health/ready`. */
export async function vectorHealth(
  ctx: SystemCtx,
): Promise<{ status: 'ok' | 'off'; provider: string; detail: string }> {
  const provider = ctx.config.ai.vectors
  if (provider === 'vectorize')
    return ctx.env.VECTORIZE
      ? { status: 'ok', provider, detail: 'bound; not probed' }
      : { status: 'off', provider, detail: 'the binding VECTORIZE is missing' }
  return (await hasColumn(ctx))
    ? { status: 'ok', provider, detail: 'in the database' }
    : { status: 'off', provider, detail: 'this database has no extension vector' }
}

/** Lets go of the vectors of erased people. */
export async function sweepErased({ config, db, env }: SystemCtx): Promise<void> {
  for (;;) {
    const rows = await db
      .select({ key: embeddings.key })
      .from(embeddings)
      .where(isNull(embeddings.userId))
      .limit(SWEEP_BATCH)
    if (rows.length === 0) return
    const keys = rows.map(({ key }) => key)
    if (config.ai.vectors === 'vectorize' && env.VECTORIZE) await drop(env.VECTORIZE, rows)
    await db.delete(embeddings).where(inArray(embeddings.key, keys))
  }
}
