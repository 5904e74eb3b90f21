import { and, inArray, isNull, sql } from 'drizzle-orm'
import { type Ctx, type DomainEvent, describeError } from '#core'
import { Envelope } from './schema.ts'
import { inbox, outbox } from './tables.ts'

const MAX_BACKOFF_S = 600

/**
 * Reacts to events of these types. `handle` runs at least once for each event and must be idempotent by its id:
 * either what it writes is keyed by it, or it goes to a Durable Object that remembers it.
 */
export type Subscriber = {
  name: string
  wants(type: string): boolean
  handle(ctx: Ctx, event: DomainEvent): Promise<void>
}

export type Message = {
  id: string
  body: unknown
  attempts: number
  ack(): void
  retry(options?: { delaySeconds?: number }): void
}

/** Handles a batch one by one: what fails is retried alone, what is done is not done again. Two trips a batch. */
export async function consume(ctx: Ctx, messages: readonly Message[], subscribers: Subscriber[]): Promise<void> {
  const wanted = new Map<Message, string>()
  for (const message of messages) {
    const parsed = Envelope.safeParse(message.body)
    if (parsed.success) wanted.set(message, parsed.data.outboxId)
    else refuse(ctx, message, 'not an envelope')
  }
  const ids = [...new Set(wanted.values())]
  if (ids.length === 0) return
  const events = await load(ctx, ids)
  const finished: { consumer: string; messageId: string }[] = []
  const failures = new Map<string, unknown>()
  for (const [id, event] of events) {
    for (const subscriber of subscribers) {
      if (!subscriber.wants(event.type) || event.done.has(subscriber.name)) continue
      try {
        await subscriber.handle(ctx, event)
        finished.push({ consumer: subscriber.name, messageId: id })
      } catch (error) {
        failures.set(id, error)
        ctx.log.error('event.failed', {
          consumer: subscriber.name,
          type: event.type,
          eventId: id,
          ...describeError(error),
        })
      }
    }
  }
  await record(
    ctx,
    finished,
    ids.filter((id) => !failures.has(id)),
  )
  for (const [message, id] of wanted) {
    if (failures.has(id)) retry(message)
    else message.ack()
  }
}

type Loaded = DomainEvent & { done: Set<string> }

async function load(ctx: Ctx, ids: string[]): Promise<Map<string, Loaded>> {
  const rows = await ctx.db
    .select({
      id: outbox.id,
      type: outbox.type,
      userId: outbox.userId,
      room: outbox.room,
      key: outbox.key,
      version: outbox.version,
      data: outbox.data,
      createdAt: outbox.createdAt,
      done: sql<
        string[]
      >`coalesce((select json_agg(${inbox.consumer}) from ${inbox} where ${inbox.messageId} = ${outbox.id}), '[]')`,
    })
    .from(outbox)
    .where(inArray(outbox.id, ids))
    .orderBy(outbox.createdAt, outbox.version)
  return new Map(
    rows.map(({ createdAt, done, ...row }) => [row.id, { ...row, at: createdAt.toISOString(), done: new Set(done) }]),
  )
}

async function record(
  ctx: Ctx,
  finished: { consumer: string; messageId: string }[],
  dispatched: string[],
): Promise<void> {
  const mark = markDispatched(ctx, dispatched)
  if (finished.length === 0) {
    if (dispatched.length > 0) await mark
    return
  }
  await ctx.db.batch([ctx.db.insert(inbox).values(finished).onConflictDoNothing(), mark])
}

// Until this is set the relay sends the event again: a queue that lost it has not taken it.
export function markDispatched(ctx: Pick<Ctx, 'db'>, ids: string[]) {
  const waiting = and(inArray(outbox.id, ids), isNull(outbox.dispatchedAt))
  return ctx.db.update(outbox).set({ dispatchedAt: sql`now()` }).where(waiting)
}

function retry(message: Message): void {
  message.retry({ delaySeconds: Math.min(MAX_BACKOFF_S, 2 ** message.attempts) })
}

function refuse(ctx: Ctx, message: Message, reason: string): void {
  ctx.log.error('queue.refused', { messageId: message.id, reason })
  retry(message)
}
