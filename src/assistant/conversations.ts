import { and, asc, type Column, desc, eq, gt, type SQL, sql } from 'drizzle-orm'
import { z } from 'zod'
import { AppError, decodeCursor, encodeCursor, s, toPage, type UserCtx } from '#core'
import { type ColumnsOf, finding, iso, jsonObject, ownedBy, ownerId, type Sought, saysAll } from '#database'
import type { Conversation, Message, NewConversation } from './schema.ts'
import { conversations, messages } from './tables.ts'

const LIST = 'conversations'
const MESSAGES = 'messages'
const SEARCHED = 200
const ConversationKey = z.tuple([s.instant, s.id('cnv')])
const MessageKey = z.tuple([s.id('msg')])

function shownConversation(c: ColumnsOf<typeof conversations>) {
  return jsonObject<Conversation>({
    id: c.id,
    title: c.title,
    version: c.version,
    createdAt: iso(c.createdAt),
    updatedAt: iso(c.updatedAt),
  })
}

const textOf = (parts: Column) =>
  sql`coalesce((select string_agg(p->>'text', '' order by n) from jsonb_array_elements(${parts}) with ordinality as x(p, n) where p->>'type' = 'text'), '')`

export function shownMessage(m: ColumnsOf<typeof messages>) {
  return jsonObject<Message>({
    id: m.id,
    conversationId: m.conversationId,
    turnId: m.turnId,
    role: m.role,
    status: m.status,
    text: textOf(m.parts),
    parts: m.parts,
    model: m.model,
    provider: m.provider,
    inputTokens: m.inputTokens,
    outputTokens: m.outputTokens,
    cacheReadTokens: m.cacheReadTokens,
    cacheWriteTokens: m.cacheWriteTokens,
    costMicros: m.costMicros,
    callId: m.callId,
    firstTokenMs: m.firstTokenMs,
    totalMs: m.totalMs,
    errorCode: m.errorCode,
    createdAt: iso(m.createdAt),
    updatedAt: iso(m.updatedAt),
  })
}

type ReadCtx = Pick<UserCtx, 'actor' | 'db'>
type Page = { limit: number; cursor?: string | undefined }

const mine = (ctx: ReadCtx, id: string) => and(eq(conversations.id, id), ownedBy(ctx.actor, conversations.userId))

/** Opens a conversation. One trip; under an Idempotency-Key the same one again. */
export async function createConversation(
  ctx: ReadCtx & Pick<UserCtx, 'newId'>,
  input: NewConversation,
): Promise<Conversation> {
  const id = ctx.newId('cnv')
  const values = { id, userId: ownerId(ctx.actor), title: input.title }
  const [row] = await ctx.db
    .insert(conversations)
    .values(values)
    .onConflictDoNothing()
    .returning({ conversation: shownConversation(conversations) })
  return row?.conversation ?? (await getConversation(ctx, id))
}

export async function getConversation(ctx: ReadCtx, id: string): Promise<Conversation> {
  const [row] = await ctx.db
    .select({ conversation: shownConversation(conversations) })
    .from(conversations)
    .where(mine(ctx, id))
  if (!row) throw new AppError('not_found', 'No such conversation')
  return row.conversation
}

/** The person's conversations, the one last spoken in first. One trip. */
export async function listConversations(ctx: ReadCtx, page: Page) {
  const [at, id] = page.cursor ? decodeCursor(LIST, page.cursor, ConversationKey) : []
  const after =
    at === undefined
      ? undefined
      : sql`(date_trunc('milliseconds', ${conversations.updatedAt}), ${conversations.id}) < (${at}::timestamptz, ${id}::text)`
  const rows = await ctx.db
    .select({ conversation: shownConversation(conversations) })
    .from(conversations)
    .where(and(ownedBy(ctx.actor, conversations.userId), after))
    .orderBy(desc(sql`date_trunc('milliseconds', ${conversations.updatedAt})`), desc(conversations.id))
    .limit(page.limit + 1)
  return toPage(
    rows.map((row) => row.conversation),
    page.limit,
    (last) => encodeCursor(LIST, [last.updatedAt, last.id]),
  )
}

/** Of the two hundred last spoken in those that say it, with the newest message that does, for a union over kinds. */
export function conversationsSaying({ actor }: Pick<ReadCtx, 'actor'>, sought: Sought): SQL {
  const { id, title, updatedAt, userId } = conversations
  const says = saysAll(sought.words, sql`text`)
  // `offset 0`: each message's words are put together once, and not anew for each word that is looked for.
  const from = sql`(select c.*, m.text, coalesce(m.tainted, false) as tainted
    from (select ${id}, ${title}, ${updatedAt} from ${conversations} where ${ownedBy(actor, userId)}
      order by ${updatedAt} desc, ${id} desc limit ${SEARCHED}::int) c
    left join lateral (select s.text, s.tainted from (select ${messages.id}, ${messages.tainted}, ${textOf(messages.parts)} as text
      from ${messages} where ${messages.conversationId} = c.id offset 0) s where ${says} order by s.id desc limit 1) m on true) f`
  const columns = { id: sql`f.id`, title: sql`f.title`, body: sql`f.text`, updatedAt: sql`f.updated_at` }
  return finding({ area: 'conversations', from, ...columns, tainted: sql`f.tainted`, where: undefined }, sought)
}

/** Renames. One trip; 412 when it has changed since it was read. */
export async function renameConversation(
  ctx: ReadCtx,
  id: string,
  title: string,
  version: number | '*',
): Promise<Conversation> {
  const { db } = ctx
  const current = db.$with('current').as(db.select({ id: conversations.id }).from(conversations).where(mine(ctx, id)))
  const changed = db.$with('changed').as(
    db
      .update(conversations)
      .set({ title, version: sql`${conversations.version} + 1`, updatedAt: sql`now()` })
      .where(and(mine(ctx, id), version === '*' ? undefined : eq(conversations.version, version)))
      .returning(),
  )
  const [row] = await db
    .with(current, changed)
    .select({ changed: changed.id, conversation: shownConversation(changed) })
    .from(current)
    .leftJoin(changed, eq(changed.id, current.id))
  if (!row) throw new AppError('not_found', 'No such conversation')
  if (row.changed === null) throw new AppError('version_stale', 'This conversation has changed since you read it')
  return row.conversation
}

/** Deletes the conversation and what was said in it; what was remembered from it stays. */
export async function deleteConversation(ctx: ReadCtx, id: string): Promise<void> {
  const gone = await ctx.db.delete(conversations).where(mine(ctx, id)).returning({ id: conversations.id })
  if (gone.length === 0) throw new AppError('not_found', 'No such conversation')
}

/** What was said, oldest first. One trip; `not_found` for a conversation that is not the person's. */
export async function listMessages(ctx: ReadCtx, conversationId: string, page: Page) {
  const { db } = ctx
  const list = `${MESSAGES}:${conversationId}`
  const [after] = page.cursor ? decodeCursor(list, page.cursor, MessageKey) : []
  const said = db
    .select({ id: messages.id, message: shownMessage(messages).as('message') })
    .from(messages)
    .where(and(eq(messages.conversationId, conversationId), after === undefined ? undefined : gt(messages.id, after)))
    .orderBy(asc(messages.id))
    .limit(page.limit + 1)
    .as('said')
  const rows = await db
    .select({ message: said.message, id: said.id })
    .from(conversations)
    .leftJoin(said, sql`true`)
    .where(mine(ctx, conversationId))
    .orderBy(asc(said.id))
  if (rows.length === 0) throw new AppError('not_found', 'No such conversation')
  return toPage(
    rows.flatMap(({ message }) => message ?? []),
    page.limit,
    (last) => encodeCursor(list, [last.id]),
  )
}
