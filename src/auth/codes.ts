import { and, eq, gt, isNotNull, lt, type SQL, sql } from 'drizzle-orm'
import { z } from 'zod'
import { AppError, type Ctx, defineEvent, randomToken } from '#core'
import { jsonObject } from '#database'
import { type DataOf, type MailKind, sendMail } from '#email'
import { kick, tell } from '#queue'
import { hashToken } from '#security'
import { hasAddress } from '#users'
import { authCodes, type Registrant } from './tables.ts'

const CODE_MINUTES = 15
const PRUNE_BATCH = 5000
/** How often a password may be wrong beside a right code. */
const MAX_TRIES = 10

export type CodeKind = (typeof authCodes.$inferSelect)['kind']
/** A code was asked for by somebody who is not signed in; whether anybody has the address is looked up later. */
export const codeAsked = defineEvent('code.asked', null, z.strictObject({ id: z.string() }))

const lifeOf = (now: Date) => new Date(now.getTime() + CODE_MINUTES * 60_000)
const newCode = () => `ac_${randomToken()}`

/** Fails where no mail is sent: a code would reach nobody. */
export function requireMail({ config }: Pick<Ctx, 'config'>): void {
  if (!config.mail) throw new AppError('unavailable', 'No mail is sent from here, so nothing can be confirmed by mail')
}

type AskCtx = Pick<Ctx, 'db' | 'config' | 'now' | 'newId' | 'env' | 'waitUntil' | 'log'>

/**
 * Writes down that a code was asked for, and no more: nothing in the request depends on whether the address is
 * known, so neither its answer nor its duration can tell. One trip.
 */
export async function askCode(ctx: AskCtx, kind: CodeKind, email: string, registrant?: Registrant): Promise<void> {
  requireMail(ctx)
  const { db } = ctx
  const row = { id: ctx.newId('cod'), kind, email, registrant: registrant ?? null, expiresAt: lifeOf(ctx.now()) }
  const asked = db.$with('asked').as(db.insert(authCodes).values(row).returning())
  const told = tell(db, 'told', asked, {
    kind: codeAsked,
    userId: asked.id,
    key: asked.id,
    version: sql`1`,
    data: jsonObject({ id: asked.id }),
  })
  const [event] = await db.with(asked, told).select({ id: told.id }).from(told)
  kick(ctx, [event?.id])
}

type IssueCtx = Pick<Ctx, 'db' | 'config' | 'now' | 'newId'>
/** Who reads the mail: their name, how they write a time, and whether nobody has confirmed that they read it. */
export type Reader = { name: string; locale: string; timeZone: string; unconfirmed?: boolean }
type Issue = { id: string; kind: CodeKind; userId: string | null; email: string; reader: Reader }
type LinkMail = { [K in MailKind]: DataOf<K> extends { expires: string } ? K : never }[MailKind]

const MAILS: Record<CodeKind, LinkMail> = {
  register: 'verify_address',
  verify: 'verify_address',
  email: 'new_address',
  reset: 'password_reset',
  link: 'magic_link',
}

/**
 * A code and the mail that bears it, as statements of a batch. Only mail that goes out voids the earlier code of the
 * kind: whoever asks too often in another's name does not take theirs away. A registration voids none: each has its own
 * password, and anybody may begin one. Issuing one of the same id again does nothing.
 */
export async function issueCode(ctx: IssueCtx, { id, kind, userId, email, reader }: Issue) {
  const { db } = ctx
  if (!ctx.config.mail) return { statements: [], job: null }
  const code = newCode()
  const hash = await hashToken(code)
  const expiresAt = lifeOf(ctx.now())
  const { name, unconfirmed } = reader
  const data = { name, unconfirmed, url: linkOf(ctx, kind, code), expires: inWords(expiresAt, reader) }
  const mail = await sendMail(ctx, { userId, to: email, template: MAILS[kind], data, key: `code:${id}` })
  const made = sql`
    insert into ${authCodes} (id, kind, user_id, email, hash, expires_at)
    select ${id}::text, ${kind}::text, ${userId}::text, ${email}::text, ${hash}::text, ${expiresAt.toISOString()}::timestamptz
    where ${mail.isQueued}
    on conflict (id) do update set user_id = excluded.user_id, hash = excluded.hash, expires_at = excluded.expires_at
    where ${authCodes.hash} is null`
  const isEarlier = sql`${authCodes.kind} = ${kind} and lower(${authCodes.email}) = lower(${email}) and ${authCodes.id} <> ${id}`
  const voided = db.delete(authCodes).where(and(isEarlier, isNotNull(authCodes.hash), mail.isQueued))
  const voids = kind === 'register' ? [] : [voided]
  return { statements: [...mail.statements, db.execute(made), ...voids], job: mail.job }
}

// In the fragment, which no browser sends: the code is in no log on the way, and in no Referer.
const linkOf = ({ config }: Pick<Ctx, 'config'>, kind: CodeKind, code: string) =>
  `${config.publicUrl}/v1/auth/confirm#${kind}=${code}`

function inWords(at: Date, { locale, timeZone }: Reader): string {
  return new Intl.DateTimeFormat([locale, 'en'], { timeZone, dateStyle: 'long', timeStyle: 'short' }).format(at)
}

/** The code of this kind that works now. */
export function isLive(ctx: Pick<Ctx, 'now'>, kind: CodeKind, hash: string): SQL | undefined {
  return and(eq(authCodes.kind, kind), eq(authCodes.hash, hash), gt(authCodes.expiresAt, ctx.now()))
}

/** The code, for whoever shows a password beside it: the try is counted before it is made, so that many at once are too. */
export async function tryCode(ctx: Pick<Ctx, 'db' | 'now'>, kind: CodeKind, hash: string) {
  const [code] = await ctx.db
    .update(authCodes)
    .set({ tries: sql`${authCodes.tries} + 1` })
    .where(and(isLive(ctx, kind, hash), lt(authCodes.tries, MAX_TRIES)))
    .returning()
  if (!code) throw badCode()
  return code
}

/** Uses a code up, as a CTE: of many at once one has the row. `also`: what else must hold of it. */
export function takeCode(ctx: Pick<Ctx, 'db' | 'now'>, kind: CodeKind, hash: string, also?: SQL) {
  return ctx.db.$with('taken').as(
    ctx.db
      .delete(authCodes)
      .where(and(isLive(ctx, kind, hash), also))
      .returning(),
  )
}
/** What a code opens is of the address as it is now: what was asked for by the one before works no more. */
export const isTheirs = hasAddress(authCodes.userId, authCodes.email)

/** Whose a code is that is not yet taken. */
export function holderOf(ctx: Pick<Ctx, 'db' | 'now'>, kind: CodeKind, hash: string): SQL {
  const live = and(isLive(ctx, kind, hash), isTheirs)
  return sql`${ctx.db.select({ userId: authCodes.userId }).from(authCodes).where(live)}`
}

export const TAKEN = { userId: sql`(select user_id from taken)`, email: sql`(select email from taken)` }

/** `subject`: whose it was, if that is known. */
export const badCode = (subject?: string) =>
  new AppError('invalid_token', 'This link was used, has expired, or was replaced by a newer one; ask for another', {
    subject,
  })

/** Drops codes that nobody used. */
export async function pruneCodes(ctx: Pick<Ctx, 'db' | 'now'>): Promise<void> {
  const old = ctx.db
    .select({ id: authCodes.id })
    .from(authCodes)
    .where(lt(authCodes.expiresAt, new Date(ctx.now().getTime() - 3600_000)))
    .limit(PRUNE_BATCH)
  await ctx.db.delete(authCodes).where(sql`${authCodes.id} in ${old}`)
}
