import { and, asc, eq, gt, isNull, sql } from 'drizzle-orm'
import { z } from 'zod'
import { AppError, type Ctx, decodeCursor, encodeCursor, s, toPage } from '#core'
import { iso, jsonObject } from '#database'
import { type Message, markDispatched } from './consume.ts'
import { kick } from './outbox.ts'
import { type DeadLetter, Envelope, JobMessage } from './schema.ts'
import { deadLetters, outbox } from './tables.ts'

const LIST = 'dead-letters'
// A letter is named by what the queue named its message.
const CursorKey = z.tuple([s.text(200)])

/**
 * Keeps what failed every attempt and says so loudly; `redrive` sends it again. A message that asks for jobs is not kept:
 * their rows are what waits, and the relay sends another.
 */
export async function keepDeadLetters(ctx: Ctx, queue: string, messages: readonly Message[]): Promise<void> {
  const rows = messages.flatMap(({ id, body }) => {
    if (JobMessage.safeParse(body).success) return []
    const outboxId = Envelope.safeParse(body).data?.outboxId ?? null
    return [{ id: `dlq_${id}`, queue, messageId: id, outboxId, body: JSON.stringify(body ?? null) }]
  })
  const ids = rows.flatMap(({ outboxId }) => outboxId ?? [])
  if (rows.length > 0)
    await ctx.db.batch([ctx.db.insert(deadLetters).values(rows).onConflictDoNothing(), markDispatched(ctx, ids)])
  for (const message of messages) {
    ctx.log.error('queue.dead_letter', { queue, messageId: message.id, attempts: message.attempts })
    message.ack()
  }
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
  const [after] = page.cursor ? decodeCursor(LIST, page.cursor, CursorKey) : []
  const letter = jsonObject<DeadLetter>({
    id: deadLetters.id,
    queue: deadLetters.queue,
    outboxId: deadLetters.outboxId,
    failedAt: iso(deadLetters.failedAt),
  })
  const rows = await ctx.db
    .select({ letter })
    .from(deadLetters)
    .where(and(isNull(deadLetters.redrivenAt), after === undefined ? undefined : gt(deadLetters.id, after)))
    .orderBy(asc(deadLetters.id))
    .limit(page.limit + 1)
  return toPage(
    rows.map((row) => row.letter),
    page.limit,
    (last) => encodeCursor(LIST, [last.id]),
  )
}
