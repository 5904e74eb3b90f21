import { and, desc, eq, gt, lt, lte, ne, sql } from 'drizzle-orm'
import { z } from 'zod'
import { AppError, type Ctx, decodeCursor, encodeCursor, inTime, requireFresh, s, toPage, type UserCtx } from '#core'
import { duplicateOf, iso, jsonObject, ownedBy, ownerId } from '#database'
import { sendMail } from '#email'
import { kick } from '#queue'
import { getMe } from '#users'
import { archiveOf, partsOf, putPart, writeArchive } from './archive.ts'
import { dropUnder, folderOf, openFile, partOf } from './files.ts'
import type { DataExport } from './schema.ts'
import { SECTIONS } from './sections.ts'
import { dataExports } from './tables.ts'

const PER_DAY = 5
const KEPT_DAYS = 7
const MAX_ATTEMPTS = 5
const AT_ONCE = 50
const BEGIN_MS = 5000
const LIST = 'exports'
const CursorKey = z.tuple([s.id('exp')])
// Longer than a page with all of its retries: whoever holds it that long was killed.
const LEASE = sql`now() + interval '15 minutes'`

export const EXPORT_SECTIONS: readonly string[] = SECTIONS.map(({ name }) => name)

type ExportRow = typeof dataExports.$inferSelect
const shown = jsonObject<DataExport>({
  id: dataExports.id,
  state: dataExports.state,
  sizeBytes: dataExports.sizeBytes,
  createdAt: iso(dataExports.createdAt),
  readyAt: iso(dataExports.readyAt),
  expiresAt: iso(dataExports.expiresAt),
})
const folder = ({ userId, id }: Pick<ExportRow, 'userId' | 'id'>) => `${folderOf(userId)}${id}/`

/** Begins a copy of everything of the person's. `conflict` while one is made, `rate_limited` after five in a day. */
export async function startExport(ctx: UserCtx): Promise<DataExport> {
  requireFresh(ctx)
  const { db, actor, env } = ctx
  const since = gt(dataExports.createdAt, sql`now() - interval '1 day'`)
  const id = ctx.newId('exp')
  const recent = await db.$count(dataExports, and(ownedBy(actor, dataExports.userId), since, ne(dataExports.id, id)))
  if (recent >= PER_DAY * ctx.config.rateLimitFactor)
    throw new AppError('rate_limited', `No more than ${PER_DAY} exports a day`, { retryAfterS: 3600 })
  try {
    const values = { id, userId: ownerId(actor), leaseUntil: sql`now() + interval '1 minute'`, attempts: 1 }
    const [row] = await db.insert(dataExports).values(values).returning({ shown })
    if (!row) throw new Error('an insert returned no row')
    // What this loses, cron begins.
    const begun = inTime(BEGIN_MS, () => env.EXPORT_PERSON.create({ id: `${id}-1`, params: { id } }))
    await begun.catch((error: unknown) => ctx.log.warn('export.not_started', { id, reason: String(error) }))
    return row.shown
  } catch (error) {
    // The same request again, whose answer was lost: it is told what it would have been told.
    if (duplicateOf(error) === 'data_exports_pkey')
      return { ...(await getExport(ctx, id)), state: 'running', sizeBytes: null, readyAt: null, expiresAt: null }
    if (duplicateOf(error) === 'data_exports_running') throw new AppError('conflict', 'An export is being made already')
    throw error
  }
}

type ReadCtx = Pick<UserCtx, 'actor' | 'db'>

/** The person's exports, newest first. One trip. */
export async function listExports({ db, actor }: ReadCtx, page: { limit: number; cursor?: string | undefined }) {
  const [after] = page.cursor ? decodeCursor(LIST, page.cursor, CursorKey) : []
  const before = after === undefined ? undefined : lt(dataExports.id, after)
  const rows = await db
    .select({ shown })
    .from(dataExports)
    .where(and(ownedBy(actor, dataExports.userId), before))
    .orderBy(desc(dataExports.id))
    .limit(page.limit + 1)
  const items = rows.map((row) => row.shown)
  return toPage(items, page.limit, (last) => encodeCursor(LIST, [last.id]))
}

export async function getExport({ db, actor }: ReadCtx, id: string): Promise<DataExport> {
  const [row] = await db
    .select({ shown })
    .from(dataExports)
    .where(and(eq(dataExports.id, id), ownedBy(actor, dataExports.userId)))
  if (!row) throw new AppError('not_found', 'No such export')
  return row.shown
}

/** The archive's bytes. `not_found` until it is ready, and once it has expired. */
export async function openArchive(ctx: ReadCtx & Pick<Ctx, 'env' | 'now'>, id: string, range?: string) {
  const { state, expiresAt, sizeBytes } = await getExport(ctx, id)
  const part = partOf(range, sizeBytes ?? 0)
  const isThere = state === 'ready' && expiresAt !== null && Date.parse(expiresAt) > ctx.now().getTime()
  const object = isThere ? await openFile(ctx, archiveOf(folder({ id, userId: ctx.actor.userId })), part) : null
  if (!object) throw new AppError('not_found', 'There is no archive: it is not ready yet, or has expired')
  return { content: object.body, size: object.size, part }
}

const running = (id: string) => and(eq(dataExports.id, id), eq(dataExports.state, 'running'))

/** Keeps one page of a section; answers where the next one begins, null after the last. */
export async function exportPage(
  ctx: Ctx,
  id: string,
  { section: name, part, after }: { section: string; part: number; after: string | null },
): Promise<string | null> {
  const [row] = await ctx.db.select().from(dataExports).where(running(id))
  const section = SECTIONS.find((one) => one.name === name)
  if (!row || !section) return null
  const page = await section.page(ctx, row.userId, after)
  for (const form of section.forms) {
    const items = page.items.map(form.write).filter((text) => text !== '')
    await putPart(ctx, folder(row), form, part, items)
  }
  const set = ctx.db.update(dataExports).set({ leaseUntil: LEASE }).where(running(id))
  const [still] = await set.returning({ id: dataExports.id })
  // Whose person was erased meanwhile has written for nobody.
  if (!still) await dropUnder(ctx, folder(row))
  return still ? page.after : null
}

/** Makes the archive of the parts, and tells the person. */
export async function finishExport(ctx: Ctx, id: string): Promise<void> {
  const { db } = ctx
  const [row] = await db.select().from(dataExports).where(running(id))
  if (!row) return
  const { userId } = row
  const me = await getMe({ db, actor: { kind: 'person', userId, sessionId: null } })
  const createdAt = row.createdAt.toISOString()
  const sizeBytes = await writeArchive(ctx, folder(row), { exportId: id, userId, createdAt })
  await dropUnder(ctx, partsOf(folder(row)))
  const readyAt = ctx.now()
  const expiresAt = new Date(readyAt.getTime() + KEPT_DAYS * 86_400_000)
  const { locale, timeZone } = me.preferences
  const expires = new Intl.DateTimeFormat([locale, 'en'], { timeZone, dateStyle: 'long' }).format(expiresAt)
  const mail = await sendMail(ctx, {
    userId,
    to: me.email,
    template: 'data_ready',
    data: { name: me.displayName, url: `${ctx.config.publicUrl}/v1/me/exports/${id}/archive`, expires },
    key: `data-ready:${id}`,
  })
  const done = db.update(dataExports).set({ state: 'ready', sizeBytes, readyAt, expiresAt }).where(running(id))
  const [still] = await db.batch([done.returning({ id: dataExports.id }), ...mail.statements])
  kick(ctx, [mail.job])
  if (still.length === 0) await dropUnder(ctx, folder(row))
}

/** Goes on with exports that were left by whoever had them; gives up after some tries. */
export async function resumeExports({ db, env }: Ctx): Promise<void> {
  const left = and(eq(dataExports.state, 'running'), lte(dataExports.leaseUntil, sql`now()`))
  const again = sql`${dataExports.attempts} < ${MAX_ATTEMPTS}`
  const taken = await db
    .update(dataExports)
    .set({
      state: sql`case when ${again} then 'running' else 'failed' end`,
      expiresAt: sql`case when ${again} then null else now() + interval '1 day' * ${KEPT_DAYS}::int end`,
      leaseUntil: LEASE,
      attempts: sql`${dataExports.attempts} + 1`,
    })
    .where(left)
    .returning({ id: dataExports.id, state: dataExports.state, attempts: dataExports.attempts })
  for (const { id, state, attempts } of taken) {
    if (state !== 'running') continue
    await inTime(BEGIN_MS, () => env.EXPORT_PERSON.create({ id: `${id}-${attempts}`, params: { id } }))
  }
}

/** Deletes what has expired: the archive, then its row, so that none is left without one. */
export async function pruneExports(ctx: Ctx): Promise<void> {
  const { id, userId } = dataExports
  const expired = await ctx.db
    .select({ id, userId })
    .from(dataExports)
    .where(lte(dataExports.expiresAt, ctx.now()))
    .limit(AT_ONCE)
  for (const row of expired) {
    await dropUnder(ctx, folder(row))
    await ctx.db.delete(dataExports).where(eq(dataExports.id, row.id))
  }
}
