import { and, eq, type SQL, sql } from 'drizzle-orm'
import { AppError, defineEvent, type UserCtx } from '#core'
import { type ColumnsOf, iso, jsonObject, ownedBy } from '#database'
import { kick, tell } from '#queue'
import { Commitment } from './schema.ts'
import { commitments } from './tables.ts'

export type ReadCtx = Pick<UserCtx, 'actor' | 'db'>
export type WriteCtx = ReadCtx & Pick<UserCtx, 'now' | 'env' | 'waitUntil' | 'log'>

export const commitmentCreated = defineEvent('commitment.created', 'suggestions', Commitment)
const commitmentUpdated = defineEvent('commitment.updated', 'suggestions', Commitment)

const t = commitments

export function shown(c: ColumnsOf<typeof commitments>): SQL<Commitment> {
  return jsonObject<Commitment>({
    id: c.id,
    quote: c.quote,
    what: c.what,
    due: c.due,
    status: c.status,
    source: jsonObject({ kind: c.source, id: c.sourceId }),
    endedBy: c.endedBy,
    suggestionId: c.suggestionId,
    taskId: c.taskId,
    endedAt: iso(c.endedAt),
    version: c.version,
    createdAt: iso(c.createdAt),
    updatedAt: iso(c.updatedAt),
  })
}

type Row = typeof commitments.$inferInsert
type Changes = { [K in keyof Row]?: Row[K] | SQL }

/** Changes those of the person's that are meant, with their events. One trip. */
export async function change(ctx: WriteCtx, where: SQL | undefined, set: Changes): Promise<Commitment[]> {
  const { db, actor } = ctx
  const changed = db.$with('changed').as(
    db
      .update(t)
      .set({ ...set, version: sql`${t.version} + 1`, updatedAt: sql`now()` })
      .where(and(ownedBy(actor, t.userId), where))
      .returning(),
  )
  const { userId, id: key, version } = changed
  const told = tell(db, 'told', changed, { kind: commitmentUpdated, userId, key, version, data: shown(changed) })
  const rows = await db
    .with(changed, told)
    .select({ commitment: shown(changed) })
    .from(changed)
  kick(
    ctx,
    rows.map(({ commitment: { id, version: to } }) => `${id}.${to}.${commitmentUpdated.type}`),
  )
  return rows.map(({ commitment }) => commitment)
}

/** One of the person's. One trip. */
export async function readCommitment(ctx: ReadCtx, id: string): Promise<Commitment> {
  const [row] = await ctx.db
    .select({ commitment: shown(t) })
    .from(t)
    .where(and(eq(t.id, id), ownedBy(ctx.actor, t.userId)))
  if (!row) throw new AppError('not_found', 'There is no such commitment')
  return row.commitment
}
