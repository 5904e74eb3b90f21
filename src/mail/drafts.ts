import { and, desc, eq, isNotNull, isNull, lt, type SQL, sql } from 'drizzle-orm'
import { z } from 'zod'
import { AppError, type Ctx, decodeCursor, encodeCursor, s, toPage, type UserCtx } from '#core'
import { type ColumnsOf, iso, jsonObject, ownedBy, ownerId } from '#database'
import type { MailDraft, NewMail } from './schema.ts'
import { mailDrafts } from './tables.ts'

const LIST = 'mail_drafts'
const CursorKey = z.tuple([s.id('mdr')])
const KEPT_DAYS = 30
const d = mailDrafts

type ReadCtx = Pick<UserCtx, 'actor' | 'db'>
const missing = () => new AppError('not_found', 'There is no such draft')
const mine = ({ actor }: ReadCtx, id: string) => and(eq(d.id, id), ownedBy(actor, d.userId))

function shown(of: ColumnsOf<typeof mailDrafts>): SQL<MailDraft> {
  return jsonObject<MailDraft>({
    id: of.id,
    to: of.to,
    subject: of.subject,
    text: of.text,
    sentAt: iso(of.sentAt),
    version: of.version,
    createdAt: iso(of.createdAt),
    updatedAt: iso(of.updatedAt),
  })
}

/** Writes mail down, unsent. One trip; the same id again answers the draft that is there. */
export async function draftMail(ctx: ReadCtx & Pick<UserCtx, 'newId'>, input: NewMail): Promise<MailDraft> {
  const { db, actor } = ctx
  const id = ctx.newId('mdr')
  const [row] = await db
    .insert(d)
    .values({ ...input, id, userId: ownerId(actor) })
    .onConflictDoNothing()
    .returning({ draft: shown(d) })
  return row?.draft ?? (await getDraft(ctx, id))
}

export async function getDraft(ctx: ReadCtx, id: string): Promise<MailDraft> {
  const [row] = await ctx.db
    .select({ draft: shown(d) })
    .from(d)
    .where(and(mine(ctx, id), isNull(d.deletedAt)))
  if (!row) throw missing()
  return row.draft
}

/** The person's drafts, newest first, sent ones too. One trip. */
export async function listDrafts(ctx: ReadCtx, { limit, cursor }: { limit: number; cursor?: string | undefined }) {
  const [before] = cursor === undefined ? [] : decodeCursor(LIST, cursor, CursorKey)
  const rows = await ctx.db
    .select({ draft: shown(d) })
    .from(d)
    .where(and(ownedBy(ctx.actor, d.userId), isNull(d.deletedAt), before === undefined ? undefined : lt(d.id, before)))
    .orderBy(desc(d.id))
    .limit(limit + 1)
  return toPage(
    rows.map(({ draft }) => draft),
    limit,
    (last) => encodeCursor(LIST, [last.id]),
  )
}

/** A draft as it is now, discarded or not, as one value. */
export function draftState(ctx: ReadCtx, id: string): SQL<MailDraft> {
  return sql`(select ${shown(d)} from ${d} where ${mine(ctx, id)})`
}

/** Throws a draft away; `keepDraft` brings it back for a month. One trip. */
export async function discardDraft(ctx: ReadCtx, id: string): Promise<MailDraft> {
  return await change(ctx, id, { deletedAt: sql`now()` }, isNull(d.deletedAt))
}

export async function keepDraft(ctx: ReadCtx, id: string): Promise<MailDraft> {
  return await change(ctx, id, { deletedAt: null }, isNotNull(d.deletedAt))
}

async function change(ctx: ReadCtx, id: string, set: { deletedAt: SQL | null }, from: SQL): Promise<MailDraft> {
  const [row] = await ctx.db
    .update(d)
    .set({ ...set, version: sql`${d.version} + 1`, updatedAt: sql`now()` })
    .where(and(mine(ctx, id), from))
    .returning({ draft: shown(d) })
  if (!row) throw missing()
  return row.draft
}

/** Erases for good what was thrown away a month ago. */
export async function eraseDrafts(ctx: Pick<Ctx, 'db'>): Promise<void> {
  await ctx.db.delete(d).where(lt(d.deletedAt, sql`now() - interval '1 day' * ${KEPT_DAYS}`))
}
