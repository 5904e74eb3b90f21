import { and, desc, eq, inArray, isNotNull, lt, ne, or, sql } from 'drizzle-orm'
import { z } from 'zod'
import { decodeCursor, encodeCursor, s, toPage } from '#core'
import { finding, ownedBy, type Sought } from '#database'
import { LIVE, mine, missing, type ReadCtx, shown } from './row.ts'
import type { SuggestionQuery, Why } from './schema.ts'
import { suggestions } from './tables.ts'

const CursorKey = z.tuple([s.id('sug')])
const RankKey = z.tuple([z.number(), s.id('sug')])
const t = suggestions
const rows = ({ db }: ReadCtx) => db.select({ suggestion: shown(t) }).from(t)
type Found = { suggestion: { id: string; rank: number } }

// What a model was yet to be asked was never offered.
const wasOffered = sql`${t.source}->>'kind' <> 'analysis'`

/** What was offered, newest first; with `open` what is to be decided, the best first. One trip. */
export async function listSuggestions(ctx: ReadCtx, { open, ...query }: SuggestionQuery) {
  const own = and(
    ownedBy(ctx.actor, t.userId),
    query.status ? eq(t.status, query.status) : ne(t.status, 'withheld'),
    query.status === 'withheld' ? undefined : wasOffered,
    query.kind ? eq(t.kind, query.kind) : undefined,
  )
  return open ? await listOpen(ctx, query, own) : await listNewest(ctx, 'suggestions', query, own)
}

/** Of what was offered that which says it, for a union over kinds. */
export function suggestionsSaying({ actor }: Pick<ReadCtx, 'actor'>, sought: Sought) {
  const { id, title, body, updatedAt, tainted } = t
  const where = and(ownedBy(actor, t.userId), ne(t.status, 'withheld'), wasOffered)
  return finding({ area: 'suggestions', from: t, id, title, body, updatedAt, tainted, where }, sought)
}

type Page = Pick<SuggestionQuery, 'limit' | 'cursor'>
type Where = ReturnType<typeof and>

async function listNewest(ctx: ReadCtx, list: string, { limit, cursor }: Page, where: Where) {
  const [after] = cursor ? decodeCursor(list, cursor, CursorKey) : []
  const found = await rows(ctx)
    .where(and(where, after === undefined ? undefined : lt(t.id, after)))
    .orderBy(desc(t.id))
    .limit(limit + 1)
  return toPage(found.map(only), limit, ({ id }) => encodeCursor(list, [id]))
}

async function listOpen(ctx: ReadCtx, { limit, cursor }: Page, where: Where) {
  const list = 'suggestions.open'
  const after = cursor ? decodeCursor(list, cursor, RankKey) : undefined
  const { rank } = t
  const beyond = after && or(lt(rank, after[0]), and(eq(rank, after[0]), lt(t.id, after[1])))
  const found = await rows(ctx)
    .where(and(where, inArray(t.status, [...LIVE]), beyond))
    .orderBy(desc(rank), desc(t.id))
    .limit(limit + 1)
  return toPage(found.map(only), limit, ({ rank: last, id }) => encodeCursor(list, [last, id]))
}

const only = <F extends Found>({ suggestion }: F): F['suggestion'] => suggestion

/** What the person decided about, the newest suggestion first. One trip. */
export async function listDecided(ctx: ReadCtx, { kind, limit }: { kind?: string | undefined; limit: number }) {
  const own = and(ownedBy(ctx.actor, t.userId), ne(t.status, 'withheld'), wasOffered, isNotNull(t.decidedAt))
  const found = await rows(ctx)
    .where(and(own, kind === undefined ? undefined : eq(t.kind, kind)))
    .orderBy(desc(t.id))
    .limit(limit)
  return found.map(only)
}

/** What was thought of and not said, newest first, each with its reason. One trip. */
export async function listWithheld(ctx: ReadCtx, page: Page) {
  const where = and(ownedBy(ctx.actor, t.userId), eq(t.status, 'withheld'))
  return await listNewest(ctx, 'suggestions.withheld', page, where)
}

/** Why it was thought of. One trip. */
export async function explainSuggestion(ctx: ReadCtx, id: string): Promise<Why> {
  const [row] = await ctx.db
    .select({ why: sql<Why>`${t.why}` })
    .from(t)
    .where(mine(ctx, id))
  if (!row) throw missing()
  return row.why
}
