import { and, desc, eq, ilike, isNotNull, isNull, lt, type SQL, sql } from 'drizzle-orm'
import { z } from 'zod'
import { AppError, decodeCursor, defineEvent, encodeCursor, s, toPage, type UserCtx } from '#core'
import { type ColumnsOf, containing, finding, iso, jsonObject, ownedBy, ownerId, type Sought } from '#database'
import { kick, tell } from '#queue'
import { Memory, type MemoryPatch, type NewMemory } from './schema.ts'
import { memories } from './tables.ts'

const memoryCreated = defineEvent('memory.created', 'memories', Memory)
const memoryUpdated = defineEvent('memory.updated', 'memories', Memory)
const memoryDeleted = defineEvent('memory.deleted', 'memories', Memory)

const LIST = 'memories'
const CursorKey = z.tuple([s.id('mem')])
const MAX_IN_PROMPT = 24
const MAX_PREFERENCES = 8

function shown(m: ColumnsOf<typeof memories>) {
  return jsonObject<Memory>({
    id: m.id,
    kind: m.kind,
    text: m.text,
    sourceMessageId: m.sourceMessageId,
    tainted: m.tainted,
    version: m.version,
    createdAt: iso(m.createdAt),
    updatedAt: iso(m.updatedAt),
  })
}

type ReadCtx = Pick<UserCtx, 'actor' | 'db'>
type WriteCtx = ReadCtx & Pick<UserCtx, 'newId' | 'env' | 'waitUntil' | 'log'>

const mine = (ctx: ReadCtx, id: string) => and(eq(memories.id, id), ownedBy(ctx.actor, memories.userId))

/** Keeps a fact, a preference or a person; `sourceMessageId` is where it was said. One trip. */
export async function remember(
  ctx: WriteCtx,
  input: NewMemory,
  sourceMessageId: string | null = null,
): Promise<Memory> {
  const { db, actor } = ctx
  const id = ctx.newId('mem')
  const made = db.$with('made').as(
    db
      .insert(memories)
      .values({ ...input, id, userId: ownerId(actor), sourceMessageId })
      .onConflictDoNothing()
      .returning(),
  )
  const told = tell(db, 'told', made, {
    kind: memoryCreated,
    userId: actor.userId,
    key: made.id,
    version: made.version,
    data: shown(made),
  })
  const [row] = await db
    .with(made, told)
    .select({ memory: shown(made), eventId: told.id })
    .from(made)
    .leftJoin(told, sql`true`)
  if (!row) return await getMemory(ctx, id)
  kick(ctx, [row.eventId])
  return row.memory
}

export async function getMemory(ctx: ReadCtx, id: string): Promise<Memory> {
  const [row] = await ctx.db
    .select({ memory: shown(memories) })
    .from(memories)
    .where(and(mine(ctx, id), isNull(memories.deletedAt)))
  if (!row) throw new AppError('not_found', 'Nothing is remembered under this id')
  return row.memory
}

/** A memory as it is now, forgotten or not, as one value. */
export function memoryState(ctx: ReadCtx, id: string): SQL<Memory> {
  return sql`(select ${shown(memories)} from ${memories} where ${mine(ctx, id)})`
}

/** What is remembered, newest first; `text` filters by words in it. One trip. */
export async function listMemories(
  ctx: ReadCtx,
  query: { limit: number; cursor?: string | undefined; text?: string | undefined; kind?: Memory['kind'] },
) {
  const [after] = query.cursor ? decodeCursor(LIST, query.cursor, CursorKey) : []
  const rows = await ctx.db
    .select({ memory: shown(memories) })
    .from(memories)
    .where(
      and(
        ownedBy(ctx.actor, memories.userId),
        isNull(memories.deletedAt),
        query.kind && eq(memories.kind, query.kind),
        query.text ? ilike(memories.text, containing(query.text)) : undefined,
        after === undefined ? undefined : lt(memories.id, after),
      ),
    )
    .orderBy(desc(memories.id))
    .limit(query.limit + 1)
  return toPage(
    rows.map((row) => row.memory),
    query.limit,
    (last) => encodeCursor(LIST, [last.id]),
  )
}

/** Those that say it, for a union over kinds. */
export function memoriesSaying({ actor }: Pick<ReadCtx, 'actor'>, sought: Sought): SQL {
  const { id, text, updatedAt, tainted } = memories
  const where = and(ownedBy(actor, memories.userId), isNull(memories.deletedAt))
  return finding({ area: 'memories', from: memories, id, title: text, body: text, updatedAt, tainted, where }, sought)
}

type Changed = { before: Memory; after: Memory }

async function change(
  ctx: WriteCtx,
  id: string,
  version: number | '*',
  kind: typeof memoryUpdated,
  set: Record<string, unknown>,
  from: SQL | undefined,
): Promise<Changed> {
  const { db } = ctx
  const current = db.$with('current').as(
    db
      .select()
      .from(memories)
      .where(and(mine(ctx, id), from)),
  )
  const changed = db.$with('changed').as(
    db
      .update(memories)
      .set({ ...set, version: sql`${memories.version} + 1`, updatedAt: sql`now()` })
      .where(and(mine(ctx, id), from, version === '*' ? undefined : eq(memories.version, version)))
      .returning(),
  )
  const told = tell(db, 'told', changed, {
    kind,
    userId: ctx.actor.userId,
    key: changed.id,
    version: changed.version,
    data: shown(changed),
  })
  const [row] = await db
    .with(current, changed, told)
    .select({ before: shown(current), changed: changed.id, after: shown(changed), eventId: told.id })
    .from(current)
    .leftJoin(changed, eq(changed.id, current.id))
    .leftJoin(told, sql`true`)
  if (!row) throw new AppError('not_found', 'Nothing is remembered under this id')
  if (row.changed === null) throw new AppError('version_stale', 'This memory has changed since you read it')
  kick(ctx, [row.eventId])
  return { before: row.before, after: row.after }
}

/** Corrects what is remembered. One trip; 412 when it has moved on. */
export async function updateMemory(
  ctx: WriteCtx,
  id: string,
  patch: MemoryPatch,
  version: number | '*',
): Promise<Changed> {
  if (Object.keys(patch).length > 0)
    return await change(ctx, id, version, memoryUpdated, patch, isNull(memories.deletedAt))
  const same = await getMemory(ctx, id)
  if (version !== '*' && version !== same.version)
    throw new AppError('version_stale', 'This memory has changed since you read it')
  return { before: same, after: same }
}

/** Forgets: nothing shows or uses it any more. `recall` brings it back while the erasing job has not passed. */
export async function forget(ctx: WriteCtx, id: string): Promise<Memory> {
  return (await change(ctx, id, '*', memoryDeleted, { deletedAt: sql`now()` }, isNull(memories.deletedAt))).before
}

export async function recall(ctx: WriteCtx, id: string): Promise<Memory> {
  return (await change(ctx, id, '*', memoryUpdated, { deletedAt: null }, isNotNull(memories.deletedAt))).after
}

/** The words of what was said, as `memoriesForPrompt` looks for them. */
export function wordsIn(said: string): string {
  return [...new Set(said.toLowerCase().match(/[\p{L}\p{N}]{3,}/gu) ?? [])].slice(0, 24).join(' | ')
}

/** Up to 24 memories for a prompt: at most 8 preferences first, the rest by the words they share with what was said. */
export function memoriesForPrompt(ctx: ReadCtx, words: string) {
  const query = sql`to_tsquery('simple', nullif(${words}::text, ''))`
  const likeness = sql`coalesce(ts_rank(to_tsvector('simple', ${memories.text}), ${query}), 0)`
  const order = sql`(${likeness}) desc, ${memories.updatedAt} desc`
  const among = sql`row_number() over (partition by ${memories.kind} order by ${order})`
  return ctx.db
    .select({ id: memories.id, text: memories.text, tainted: memories.tainted })
    .from(memories)
    .where(and(ownedBy(ctx.actor, memories.userId), isNull(memories.deletedAt)))
    .orderBy(desc(sql`(${memories.kind} = 'preference' and ${among} <= ${MAX_PREFERENCES})`), order)
    .limit(MAX_IN_PROMPT)
}

/** Erases for good what was forgotten a month ago. */
export async function eraseForgotten(ctx: Pick<UserCtx, 'db'>): Promise<void> {
  await ctx.db.delete(memories).where(lt(memories.deletedAt, sql`now() - interval '30 days'`))
}
