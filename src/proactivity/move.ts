import { and, eq, inArray, type SQL, sql } from 'drizzle-orm'
import { AppError } from '#core'
import { jsonObject } from '#database'
import { kick, tell } from '#queue'
import {
  type Columns,
  Decided,
  type Decision,
  mine,
  missing,
  type ReadCtx,
  shown,
  suggestionCreated,
  suggestionDecided,
  suggestionUpdated,
  type WriteCtx,
} from './row.ts'
import type { Status, Suggestion } from './schema.ts'
import { suggestionDecisions, suggestions } from './tables.ts'

type Row = typeof suggestions.$inferInsert
type Changes = { [K in keyof Row]?: Row[K] | SQL }
/** `teaches`: whether it is learned from, where it was offered. */
type Decide = { decision: Decision; isEdited?: boolean; reason?: string | undefined; teaches?: boolean }
/** `offers`: it is told as one that was not there before. */
export type Move = { from: readonly Status[]; set: Changes; where?: SQL; decide?: Decide; offers?: boolean }

/** Moves one on with its events, or answers null: it is in none of these states. One trip; 404 where there is none. */
export async function tryMove(
  ctx: WriteCtx,
  id: string,
  { from, set, where, decide, offers }: Move,
): Promise<Suggestion | null> {
  const { db } = ctx
  const s = suggestions
  const current = db.$with('current').as(db.select({ id: s.id }).from(s).where(mine(ctx, id)))
  const changed = db.$with('changed').as(
    db
      .update(s)
      .set({ ...set, version: sql`${s.version} + 1`, updatedAt: sql`now()` })
      .where(and(mine(ctx, id), inArray(s.status, [...from]), where))
      .returning(),
  )
  const { userId, id: key, version } = changed
  const kind = offers ? suggestionCreated : suggestionUpdated
  const told = tell(db, 'told', changed, { kind, userId, key, version, data: shown(changed) })
  const chosen = decide ?? null
  const decided = db.$with('decided').as(
    db
      .select()
      .from(changed)
      .where(chosen ? sql`true` : sql`false`),
  )
  const noted = db.$with('noted', {}).as(noteOf(chosen))
  const heard = tell(db, 'heard', decided, {
    kind: suggestionDecided,
    ...{ userId: decided.userId, key: decided.id, version: decided.version, data: decidedOf(decided, chosen) },
  })
  const [row] = await db
    .with(current, changed, decided, noted, told, heard)
    .select({
      moved: changed.id,
      suggestion: shown(changed),
      toldId: sql<string | null>`(select id from told)`,
      heardId: sql<string | null>`(select id from heard)`,
    })
    .from(current)
    .leftJoin(changed, eq(changed.id, current.id))
  if (!row) throw missing()
  if (row.moved === null) return null
  kick(ctx, [row.toldId, row.heardId])
  return row.suggestion
}

function noteOf(decide: Decide | null): SQL {
  const { decision = '', isEdited = false, reason = null } = decide ?? {}
  return sql`insert into ${suggestionDecisions} (id, suggestion_id, user_id, kind, decision, is_edited, reason)
    select d.id || '.' || d.version, d.id, d.user_id, d.kind, ${decision}, ${isEdited}::boolean, ${reason} from decided d`
}

function decidedOf(d: Columns, decide: Decide | null): SQL {
  const { decision = '', isEdited = false, teaches = true } = decide ?? {}
  return jsonObject({
    id: d.id,
    kind: d.kind,
    decision: sql`${decision}::text`,
    actions: sql`coalesce(${d.agreed}, '[]')`,
    source: d.source,
    isEdited: sql`${isEdited}::boolean`,
    teaches: sql`${teaches}::boolean and ${d.proposedAt} is not null`,
    moment: d.moment,
    title: d.title,
  })
}

/** The same; where it is there already it is answered as it is, and where it cannot go there, 409. */
export async function move(ctx: WriteCtx, id: string, { already, ...to }: Move & { already: readonly Status[] }) {
  const moved = await tryMove(ctx, id, to)
  if (moved) return moved
  const found = await readSuggestion(ctx, id)
  if (already.includes(found.status)) return found
  throw new AppError('conflict', `The suggestion is ${found.status}`)
}

/** One of the person's, whatever became of it. One trip. */
export async function readSuggestion(ctx: ReadCtx, id: string): Promise<Suggestion> {
  const [row] = await ctx.db
    .select({ suggestion: shown(suggestions) })
    .from(suggestions)
    .where(mine(ctx, id))
  if (!row) throw missing()
  return row.suggestion
}

export const readDecided = (data: unknown) => Decided().parse(data)
