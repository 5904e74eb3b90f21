import { and, desc, eq, isNotNull, isNull, lt, type SQL, sql } from 'drizzle-orm'
import { z } from 'zod'
import { AppError, type Ctx, decodeCursor, encodeCursor, s, toPage, type UserCtx } from '#core'
import { type ColumnsOf, iso, jsonObject, ownedBy, ownerId } from '#database'
import { kick, tell } from '#queue'
import { draftCreated, draftDeleted, draftUpdated } from './events.ts'
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

type WriteCtx = ReadCtx & Pick<UserCtx, 'env' | 'waitUntil' | 'log'>
type Kind = typeof draftCreated
type Changed = Parameters<typeof tell>[2] & ColumnsOf<typeof mailDrafts>

/** What a CTE made of a draft, with its event; undefined: nothing. One trip. */
async function telling({ db, ...ctx }: WriteCtx, changed: Changed, kind: Kind): Promise<MailDraft | undefined> {
  const { id, userId, version } = changed
  const told = tell(db, 'told', changed, { kind, userId, key: id, version, data: shown(changed) })
  const [row] = await db
    .with(changed, told)
    .select({ draft: shown(changed), eventId: told.id })
    .from(changed)
    .leftJoin(told, sql`true`)
  if (row) kick(ctx, [row.eventId])
  return row?.draft
}

/** Writes mail down, unsent. One trip; the same id again answers the draft that is there. */
export async function draftMail(ctx: WriteCtx & Pick<UserCtx, 'newId'>, input: NewMail): Promise<MailDraft> {
  const { db, actor } = ctx
  const id = ctx.newId('mdr')
  const made = db.$with('made').as(
    db
      .insert(d)
      .values({ ...input, id, userId: ownerId(actor) })
      .onConflictDoNothing()
      .returning(),
  )
  return (await telling(ctx, made, draftCreated)) ?? (await getDraft(ctx, id))
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
export async function discardDraft(ctx: WriteCtx, id: string): Promise<MailDraft> {
  return await existing(change(ctx, id, { deletedAt: sql`now()` }, isNull(d.deletedAt), draftDeleted))
}

export async function keepDraft(ctx: WriteCtx, id: string): Promise<MailDraft> {
  return await existing(change(ctx, id, { deletedAt: null }, isNotNull(d.deletedAt), draftUpdated))
}

/** Notes that a draft was sent, where it was not before. One trip. */
export async function markSent(ctx: WriteCtx, id: string): Promise<void> {
  await change(ctx, id, { sentAt: sql`now()` }, isNull(d.sentAt), draftUpdated)
}

async function existing(changed: Promise<MailDraft | undefined>): Promise<MailDraft> {
  const draft = await changed
  if (!draft) throw missing()
  return draft
}

type Change = { deletedAt: SQL | null } | { sentAt: SQL }

async function change(ctx: WriteCtx, id: string, set: Change, from: SQL, kind: Kind): Promise<MailDraft | undefined> {
  const changed = ctx.db.$with('changed').as(
    ctx.db
      .update(d)
      .set({ ...set, version: sql`${d.version} + 1`, updatedAt: sql`now()` })
      .where(and(mine(ctx, id), from))
      .returning(),
  )
  return await telling(ctx, changed, kind)
}

/** Erases for good what was thrown away a month ago. */
export async function eraseDrafts(ctx: Pick<Ctx, 'db'>): Promise<void> {
  await ctx.db.delete(d).where(lt(d.deletedAt, sql`now() - interval '1 day' * ${KEPT_DAYS}`))
}
