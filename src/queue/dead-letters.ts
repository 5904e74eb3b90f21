import { and, eq, isNull, sql } from 'drizzle-orm'
import { z } from 'zod'
import { AppError, type Ctx, decodeCursor, encodeCursor, s, toPage } from '#core'
import { iso, jsonObject } from '#database'
import type { Message } from './consume.ts'
import { kick } from './outbox.ts'
import { type DeadLetter, Envelope, JobMessage } from './schema.ts'
import { deadLetters, outbox } from './tables.ts'

const LIST = 'dead-letters'
const CursorKey = z.tuple([s.instant, s.text(200)])
// By then the relay sends it every quarter of an hour: about five hours after the first time.
const MOST_SENDS = 24

/**
 * What to do with messages that failed every attempt. The relay sends an event again as long as nobody has handled it, so
 * that an outage heals by itself; one that it sent for hours, and whatever is no event, is kept and waits for `redrive`.
 * A message that asks for jobs is not kept: their rows are what waits.
 */
export async function keepDeadLetters(ctx: Ctx, queue: string, messages: readonly Message[]): Promise<void> {
  const letters = new Map<string, { id: string; messageId: string; outboxId: string | null; body: string }>()
  for (const { id, body } of messages) {
    if (JobMessage.safeParse(body).success) continue
    const outboxId = Envelope.safeParse(body).data?.outboxId ?? null
    letters.set(outboxId ?? id, { id: `dlq_${id}`, messageId: id, outboxId, body: JSON.stringify(body ?? null) })
  }
  const kept = letters.size > 0 ? await keep(ctx, queue, JSON.stringify([...letters.values()])) : new Set<string>()
  for (const message of messages) {
    const about = { queue, messageId: message.id, attempts: message.attempts }
    if (kept.has(message.id)) ctx.log.error('queue.dead_letter', about)
    else ctx.log.warn('queue.put_off', about)
    message.ack()
  }
}

/** Which of them were kept, by their message. */
async function keep({ db }: Ctx, queue: string, letters: string): Promise<Set<string>> {
  const { rows } = await db.execute<{ messageId: string }>(sql`
    with given as (
      select * from jsonb_to_recordset(${letters}::jsonb) as g (id text, "messageId" text, "outboxId" text, body text)),
    given_up as (
      update ${outbox} set dispatched_at = now() where id in (select g."outboxId" from given g)
        and dispatched_at is null and attempts >= ${MOST_SENDS}::int
      returning id)
    insert into ${deadLetters} (id, queue, message_id, outbox_id, body)
    select g.id, ${queue}, g."messageId", g."outboxId", g.body from given g
    where g."outboxId" is null or g."outboxId" in (select u.id from given_up u)
    on conflict do nothing returning message_id as "messageId"`)
  return new Set(rows.map(({ messageId }) => messageId))
}

/**
 * Lets a dead letter's event be sent again, once for each letter: its row waits for the relay, and is hurried there.
 * `not_found` when no such letter waits, `gone` when its event was erased with its person.
 */
export async function redrive(ctx: Pick<Ctx, 'db' | 'env' | 'waitUntil' | 'log'>, id: string): Promise<void> {
  const { db } = ctx
  const letter = db.$with('letter').as(
    db
      .update(deadLetters)
      .set({ redrivenAt: sql`now()` })
      .where(and(eq(deadLetters.id, id), isNull(deadLetters.redrivenAt)))
      .returning(),
  )
  const woken = db
    .$with('woken')
    .as(
      db
        .update(outbox)
        .set({ dispatchedAt: null, availableAt: sql`now()`, attempts: 0 })
        .where(sql`${outbox.id} in (select outbox_id from letter)`)
        .returning(),
    )
  const [row] = await db
    .with(letter, woken)
    .select({ eventId: woken.id })
    .from(letter)
    .leftJoin(woken, eq(woken.id, letter.outboxId))
  if (!row) throw new AppError('not_found', 'No dead letter waits under this id')
  if (row.eventId === null) throw new AppError('gone', 'What this letter told of is no longer there')
  kick(ctx, [row.eventId])
}

/** Dead letters that wait for somebody, oldest first. */
export async function listDeadLetters(ctx: Pick<Ctx, 'db'>, page: { limit: number; cursor?: string | undefined }) {
  const after = page.cursor ? decodeCursor(LIST, page.cursor, CursorKey) : undefined
  const letter = jsonObject<DeadLetter>({
    id: deadLetters.id,
    queue: deadLetters.queue,
    outboxId: deadLetters.outboxId,
    failedAt: iso(deadLetters.failedAt),
  })
  // As exact as a cursor tells it.
  const failedAt = sql`date_trunc('milliseconds', ${deadLetters.failedAt})`
  const isAfter = after && sql`(${failedAt}, ${deadLetters.id}) > (${after[0]}::timestamptz, ${after[1]})`
  const rows = await ctx.db
    .select({ letter })
    .from(deadLetters)
    .where(and(isNull(deadLetters.redrivenAt), isAfter))
    .orderBy(failedAt, deadLetters.id)
    .limit(page.limit + 1)
  return toPage(
    rows.map((row) => row.letter),
    page.limit,
    (last) => encodeCursor(LIST, [last.failedAt, last.id]),
  )
}
