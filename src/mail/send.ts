import { and, eq, isNull, sql } from 'drizzle-orm'
import { AppError, type Evidence, type UserCtx } from '#core'
import { ownedBy } from '#database'
import { sendLetter } from '#email'
import { kick } from '#queue'
import { getMe } from '#users'
import type { NewMail } from './schema.ts'
import { mailDrafts } from './tables.ts'

/** Whom it was handed on to, and who took none. */
type Sent = { ids: string[]; to: string[]; refused: string[]; evidence: Evidence }

/**
 * Sends mail to others as the person's assistant, to each alone; answers come to the person, whose address must be
 * confirmed. Three trips; the same ids again are the same mail.
 */
export async function sendNewMail(ctx: UserCtx, { to, subject, text }: NewMail, draftId?: string): Promise<Sent> {
  const { config, db, actor } = ctx
  const me = await getMe(ctx)
  if (!config.mail) throw new AppError('conflict', 'No mail is sent from here: no provider is set up')
  if (!me.emailVerified) throw new AppError('forbidden', 'Confirm your own address first: answers go there')
  const key = `letter:${ctx.newId('req')}`
  const letter = { userId: actor.userId, subject, text, name: me.displayName, replyTo: me.email }
  const letters = await Promise.all(to.map((one) => sendLetter(ctx, { ...letter, to: one, key: `${key}:${one}` })))
  const [first, ...rest] = letters.flatMap(({ statements }) => statements)
  if (first) await db.batch([first, ...rest])
  const taken = sql.join(
    letters.map(({ isTaken }) => isTaken),
    sql`, `,
  )
  const [fate] = await db.select({ taken: sql<boolean[]>`json_build_array(${taken})` }).from(sql`(select 1) one`)
  const isTaken = (n: number) => fate?.taken[n] === true
  if (!fate?.taken.includes(true)) throw new AppError('rate_limited', 'Nobody of them takes more mail this hour')
  if (draftId !== undefined) await markSent(ctx, draftId)
  kick(
    ctx,
    letters.map(({ eventId }, n) => (isTaken(n) ? eventId : null)),
  )
  const ids = letters.flatMap(({ id }, n) => (id !== null && isTaken(n) ? [id] : []))
  const evidence = { id: ids[0] ?? null, provider: config.mail.provider }
  return { ids, to: to.filter((_, n) => isTaken(n)), refused: to.filter((_, n) => !isTaken(n)), evidence }
}

async function markSent({ db, actor }: UserCtx, id: string): Promise<void> {
  const d = mailDrafts
  await db
    .update(d)
    .set({ sentAt: sql`now()`, version: sql`${d.version} + 1`, updatedAt: sql`now()` })
    .where(and(eq(d.id, id), ownedBy(actor, d.userId), isNull(d.sentAt)))
}
