import { and, eq, inArray, isNotNull, lt, sql } from 'drizzle-orm'
import type { PgUpdateSetSource } from 'drizzle-orm/pg-core'
import { AppError, type Ctx } from '#core'
import { type JobHandler, kick } from '#queue'
import { unseal } from '#security'
import { tellLetters } from './letters.ts'
import { Content, Mail, type Outcome } from './message.ts'
import { handOver } from './provider.ts'
import { placeOf } from './send.ts'
import { emailMessages } from './tables.ts'
import { TEMPLATES } from './templates/all.ts'

// Longer than a consumer may take: after it whoever claimed the mail is gone.
const LEASE_S = 20
const HEADERS = { 'Auto-Submitted': 'auto-generated', 'X-Auto-Response-Suppress': 'All' }
const REPEATABLE = Object.entries(TEMPLATES).flatMap(([kind, { isRepeatable }]) => (isRepeatable ? [kind] : []))

type DeliverCtx = Pick<Ctx, 'db' | 'config' | 'env' | 'log' | 'waitUntil'>
type Row = typeof emailMessages.$inferSelect

/** Sends the mail a job is about. A second attempt finds the row sent; one that broke off in between goes by its kind. */
export const sendQueuedMail: JobHandler = (ctx, { ref }) => deliver(ctx, ref)

async function deliver(ctx: DeliverCtx, id: string): Promise<void> {
  const row = await claim(ctx, id)
  if (!row) return await requireSettled(ctx, id)
  if (row.status !== 'sending') return ctx.log.warn('email.maybe_sent', { emailId: id, kind: row.kind })
  await settle(ctx, row, await attempt(ctx, row))
}

/** The mail for this attempt alone, or what it came to when an earlier one never said. */
async function claim({ db }: DeliverCtx, id: string): Promise<Row | undefined> {
  const e = emailMessages
  const isLost = sql`${e.status} = 'sending'`
  const isOver = sql`${isLost} and not ${inArray(e.kind, REPEATABLE)}`
  const changed = db.$with('changed').as(
    db
      .update(e)
      .set({
        status: sql`case when ${isOver} then 'maybe_sent' else 'sending' end`,
        content: sql`case when ${isOver} then null else ${e.content} end`,
        attempts: sql`${e.attempts} + 1`,
        claimedAt: sql`now()`,
      })
      .where(
        and(
          eq(e.id, id),
          sql`(${e.status} = 'queued' or (${isLost} and ${e.claimedAt} < now() - ${LEASE_S} * interval '1 second'))`,
        ),
      )
      .returning(),
  )
  const [row] = await db
    .with(changed, ...tellLetters(db, changed))
    .select()
    .from(changed)
  return row
}

async function requireSettled({ db }: DeliverCtx, id: string): Promise<void> {
  const [row] = await db.select({ status: emailMessages.status }).from(emailMessages).where(eq(emailMessages.id, id))
  if (row?.status !== 'sending') return
  throw new AppError('unavailable', 'This mail is being sent, or was and nobody heard', { retryAfterS: LEASE_S })
}

async function attempt(ctx: DeliverCtx, row: Row): Promise<Outcome> {
  let mail: Mail
  try {
    const plain = await unseal(ctx.config.encryptionKeys, placeOf(row.id, row.userId), row.content ?? '')
    const { id, toAddress: to, kind } = row
    mail = Mail.parse({ ...Content.parse(JSON.parse(plain)), id, to, kind, headers: HEADERS })
  } catch {
    return { kind: 'refused', reason: 'its content cannot be read' }
  }
  return await handOver(ctx, mail)
}

async function settle(ctx: DeliverCtx, row: Row, outcome: Outcome): Promise<void> {
  const { id, kind, attempts } = row
  const mark = async (set: PgUpdateSetSource<typeof emailMessages>) => {
    // Only this attempt's claim: after its lease the mail may be another's.
    const mine = and(
      eq(emailMessages.id, id),
      eq(emailMessages.status, 'sending'),
      eq(emailMessages.attempts, attempts),
    )
    const { db } = ctx
    const changed = db.$with('changed').as(db.update(emailMessages).set(set).where(mine).returning())
    const [letters, told] = tellLetters(db, changed)
    const events = await db.with(changed, letters, told).select({ id: told.id }).from(told)
    kick(
      ctx,
      events.map(({ id: eventId }) => eventId),
    )
  }
  const again = async (reason: string, retryAfterS = 0) => {
    await mark({ status: 'queued', error: reason })
    throw new AppError('unavailable', `Mail is not taken now: ${reason}`, { retryAfterS })
  }
  switch (outcome.kind) {
    case 'sent': {
      const sent = { status: 'sent', providerId: outcome.providerId, content: null, error: null } as const
      return await mark({ ...sent, sentAt: sql`now()` })
    }
    case 'refused':
      ctx.log.error('email.failed', { emailId: id, kind, reason: outcome.reason })
      return await mark({ status: 'failed', error: outcome.reason, content: null })
    case 'unknown':
      if (REPEATABLE.includes(kind)) return await again(outcome.reason)
      ctx.log.warn('email.maybe_sent', { emailId: id, kind, reason: outcome.reason })
      return await mark({ status: 'maybe_sent', error: outcome.reason, content: null })
    case 'later':
      return await again(outcome.reason, outcome.retryAfterS)
  }
}

/** Drops what was to be sent and was not in a day, whose links have long ended, and every row after a month. */
export async function pruneMail({ db }: Pick<Ctx, 'db'>): Promise<void> {
  const { content, createdAt } = emailMessages
  const changed = db.$with('changed').as(
    db
      .update(emailMessages)
      .set({ status: 'failed', content: null, error: 'not sent within a day' })
      .where(and(isNotNull(content), lt(createdAt, sql`now() - interval '1 day'`)))
      .returning(),
  )
  await db.batch([
    db
      .with(changed, ...tellLetters(db, changed))
      .select({ id: changed.id })
      .from(changed),
    db.delete(emailMessages).where(lt(createdAt, sql`now() - interval '30 days'`)),
  ])
}
