import { and, asc, type Column, inArray, isNull, lte, type SQL, sql, type WithSubquery } from 'drizzle-orm'
import type { Ctx, EventKind } from '#core'
import type { Envelope } from './schema.ts'
import { outbox } from './tables.ts'

const RELAY_BATCH = 100
const PRUNE_BATCH = 5000

type Value = SQL | Column | SQL.Aliased
type Told = { kind: EventKind; userId: Value | string; key: Value; version: Value; data: Value }

/** `task_….3.task.updated`: what changed, to which version, how. Telling it twice is telling it once. */
function eventId(event: Told): SQL<string> {
  return sql<string>`${event.key} || '.' || ${event.version} || '.' || ${event.kind.type}::text`
}

/**
 * The event's row as a CTE fed by the CTE that made the change: no change, no event, one statement.
 * A row of `from` is a change; `data` is the event's content as JSON.
 */
export function tell(db: Ctx['db'], name: string, from: WithSubquery, event: Told) {
  const fields = {
    id: eventId(event).as('event_id'),
    type: sql<string>`${event.kind.type}::text`.as('event_type'),
    userId: sql<string>`${event.userId}`.as('event_user'),
    room: sql<string | null>`${event.kind.room}::text`.as('event_room'),
    key: sql<string>`${event.key}`.as('event_key'),
    version: sql<number>`${event.version}::bigint`.as('event_version'),
    data: sql`(${event.data})::jsonb`.as('event_data'),
    createdAt: sql<Date>`now()`.as('event_created'),
    // The sender's own kick goes first; the relay takes what was not heard of ten seconds later.
    availableAt: sql<Date>`now() + interval '10 seconds'`.as('event_available'),
    attempts: sql<number>`0`.as('event_attempts'),
    dispatchedAt: sql<Date | null>`null::timestamptz`.as('event_dispatched'),
  }
  const rows = db.select(fields).from(from)
  return db.$with(name).as(db.insert(outbox).select(rows).onConflictDoNothing().returning({ id: outbox.id }))
}

type KickCtx = Pick<Ctx, 'env' | 'waitUntil' | 'log'>

/** Hurries events to the queue after their commit; only a speed-up, the relay sends what this loses. */
export function kick(ctx: KickCtx, ids: (string | null | undefined)[]): void {
  const messages = ids.flatMap((id) => (id ? [{ body: envelope(id) }] : []))
  if (messages.length === 0) return
  ctx.waitUntil(
    ctx.env.EVENTS.sendBatch(messages).catch((error: unknown) =>
      ctx.log.warn('outbox.kick_failed', { reason: String(error) }),
    ),
  )
}

function envelope(outboxId: string): Envelope {
  return { v: 1, kind: 'event', outboxId }
}

type RelayCtx = Pick<Ctx, 'db' | 'env' | 'log'>

/** Sends what waits in the outbox, soonest first; answers how many. Each send is leased, so two relays share the work. */
export async function relay(ctx: RelayCtx): Promise<number> {
  const due = ctx.db
    .select({ id: outbox.id })
    .from(outbox)
    .where(and(isNull(outbox.dispatchedAt), lte(outbox.availableAt, sql`now()`)))
    .orderBy(asc(outbox.availableAt), asc(outbox.id))
    .limit(RELAY_BATCH)
    .for('update', { skipLocked: true })
  let sent = 0
  for (;;) {
    const leased = await ctx.db
      .update(outbox)
      .set({
        attempts: sql`${outbox.attempts} + 1`,
        availableAt: sql`now() + least(900, 30 * power(2, ${outbox.attempts})) * interval '1 second'`,
      })
      .where(inArray(outbox.id, due))
      .returning({ id: outbox.id })
    if (leased.length === 0) return sent
    await ctx.env.EVENTS.sendBatch(leased.map(({ id }) => ({ body: envelope(id) })))
    sent += leased.length
    if (leased.length < RELAY_BATCH) {
      ctx.log.info('outbox.relayed', { sent })
      return sent
    }
  }
}

/** Drops what was dispatched a week ago and what the inbox remembers longer than a queue keeps a message. */
export async function pruneQueueTables(ctx: Pick<Ctx, 'db'>): Promise<void> {
  await ctx.db.execute(sql`
    with old_events as (
      delete from outbox where id in (select id from outbox where dispatched_at < now() - interval '7 days' limit ${PRUNE_BATCH}))
    delete from inbox where (consumer, message_id) in
      (select consumer, message_id from inbox where done_at < now() - interval '30 days' limit ${PRUNE_BATCH})`)
}
