import { sql } from 'drizzle-orm'
import { z } from 'zod'
import { AppError, type Fate, type UserCtx } from '#core'
import { fatesOf, isQueued, sendLetter } from '#email'
import { kick } from '#queue'
import { getMe } from '#users'
import { markSent } from './drafts.ts'
import type { NewMail } from './schema.ts'

const HandedOn = z.object({ ids: z.array(z.string()), to: z.array(z.string()), refused: z.array(z.string()) })

/** Whom it was handed on to, and who took none. */
type Sent = z.infer<typeof HandedOn>

/**
 * Sends mail to others as the person's assistant, to each alone; answers come to the person, whose address must be
 * confirmed. Three trips; the same ids again are the same mail.
 */
export async function sendNewMail(ctx: UserCtx, { to, subject, text }: NewMail, draftId?: string): Promise<Sent> {
  const { config, db, actor } = ctx
  const me = await getMe(ctx)
  if (!config.mail) throw new AppError('forbidden', 'No mail is sent from here: no provider is set up')
  if (!me.emailVerified) throw new AppError('forbidden', 'Confirm your own address first: answers go there')
  const key = letterKey(ctx)
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
    letters.map(({ job }, n) => (isTaken(n) ? job : null)),
  )
  const ids = letters.flatMap(({ id }, n) => (id !== null && isTaken(n) ? [id] : []))
  return { ids, to: to.filter((_, n) => isTaken(n)), refused: to.filter((_, n) => !isTaken(n)) }
}

const letterKey = ({ newId }: Pick<UserCtx, 'newId'>) => `letter:${newId('req')}`

/** Whether mail was handed on under the ids that this context draws, as a condition of a statement. */
export const isHandedOn = (ctx: Pick<UserCtx, 'actor' | 'newId'>) => isQueued(ctx, `${letterKey(ctx)}:`)

/** What became of mail that was handed on, once all of it is known; what one of them took is done. One trip. */
export async function fateOfMail(ctx: UserCtx, sent: unknown): Promise<Fate | null> {
  const { ids, refused } = HandedOn.parse(sent)
  const letters = await fatesOf(ctx, ids)
  if (letters.some(({ status }) => status === 'queued' || status === 'sending')) return null
  const of = (...fates: string[]) => letters.filter(({ status }) => fates.includes(status))
  const taken = of('sent')
  const [maybe, not] = [of('maybe_sent'), of('failed', 'refused')]
  const to = (some: typeof letters) => some.map((one) => one.to)
  const output = { ids, to: to(taken), refused: [...refused, ...to(not)], maybe: to(maybe) }
  const evidence = {
    id: taken[0] ? (taken[0].providerId ?? taken[0].id) : null,
    provider: ctx.config.mail?.provider ?? null,
  }
  const isUnknown = maybe.length > 0 || letters.length === 0
  const status = taken.length > 0 ? 'done' : isUnknown ? 'unknown' : 'failed'
  const detail = status === 'unknown' ? 'It may have been sent: nobody can say' : `Not taken: ${not[0]?.error ?? ''}`
  return { status, detail, output, evidence }
}
