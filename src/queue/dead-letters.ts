import { and, asc, eq, gt, isNull, sql } from 'drizzle-orm'
import { AppError, type Ctx, decodeCursor, encodeCursor, toPage } from '#core'
import { iso, jsonObject } from '#database'
import { type Message, markDispatched } from './consume.ts'
import { type DeadLetter, Envelope } from './schema.ts'
import { deadLetters } from './tables.ts'

const LIST = 'dead-letters'

/** Keeps what failed every attempt and says so loudly; `redrive` sends it again. */
export async function keepDeadLetters(ctx: Ctx, queue: string, messages: readonly Message[]): Promise<void> {
  const rows = messages.map(({ id, body }) => ({ id: `dlq_${id}`, queue, messageId: id, body: body ?? null }))
  const ids = messages.flatMap(({ body }) => Envelope.safeParse(body).data?.outboxId ?? [])
  await ctx.db.batch([ctx.db.insert(deadLetters).values(rows).onConflictDoNothing(), markDispatched(ctx, ids)])
  for (const message of messages) {
    ctx.log.error('queue.dead_letter', { queue, messageId: message.id, attempts: message.attempts })
    message.ack()
  }
}

/** Sends a dead letter again, once for each call that finds it unsent; `not_found` otherwise. */
export async function redrive(ctx: Pick<Ctx, 'db' | 'env'>, id: string): Promise<void> {
  const [letter] = await ctx.db
    .update(deadLetters)
    .set({ redrivenAt: sql`now()` })
    .where(and(eq(deadLetters.id, id), isNull(deadLetters.redrivenAt)))
    .returning({ body: deadLetters.body })
  const parsed = letter && Envelope.safeParse(letter.body)
  if (!parsed?.success) throw new AppError('not_found', 'No dead letter waits under this id')
  await ctx.env.EVENTS.send(parsed.data)
}

/** Dead letters that wait for somebody, oldest first. */
export async function listDeadLetters(ctx: Pick<Ctx, 'db'>, page: { limit: number; cursor?: string | undefined }) {
  const [after] = page.cursor ? decodeCursor(LIST, page.cursor, 1) : []
  const letter = jsonObject<DeadLetter>({
    id: deadLetters.id,
    queue: deadLetters.queue,
    outboxId: sql`${deadLetters.body}->>'outboxId'`,
    failedAt: iso(deadLetters.failedAt),
  })
  const rows = await ctx.db
    .select({ letter })
    .from(deadLetters)
    .where(and(isNull(deadLetters.redrivenAt), after === undefined ? undefined : gt(deadLetters.id, String(after))))
    .orderBy(asc(deadLetters.id))
    .limit(page.limit + 1)
  return toPage(
    rows.map((row) => row.letter),
    page.limit,
    (last) => encodeCursor(LIST, [last.id]),
  )
}
