import { and, asc, type Column, eq, gte, inArray, isNull, lte, type SQL, sql, type WithSubquery } from 'drizzle-orm'
import { type Ctx, type DomainEvent, type EventKind, type UserCtx, within } from '#core'
import { ownedBy } from '#database'
import { type QueuedJob, sendJobs } from './jobs.ts'
import type { Envelope } from './schema.ts'
import { deadLetters, inbox, outbox } from './tables.ts'

const RELAY_BATCH = 100
const SEND_TIMEOUT_MS = 10_000
const MAX_PER_TICK = 2000
const PRUNE_BATCH = 5000
const MAX_PRUNE_PASSES = 20

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

/** Hurries events, by id, and jobs to their queues after their commit; only a speed-up, the relays send what this loses. */
export function kick(ctx: KickCtx, ids: (string | QueuedJob | null | undefined)[]): void {
  const messages = ids.flatMap((id) => (typeof id === 'string' ? [{ body: envelope(id) }] : []))
  const jobs = ids.flatMap((id) => (typeof id === 'object' && id !== null ? [id] : []))
  if (messages.length + jobs.length === 0) return
  const sent = [messages.length > 0 && ctx.env.EVENTS.sendBatch(messages), sendJobs(ctx.env, jobs)]
  ctx.waitUntil(
    Promise.all(sent).catch((error: unknown) => ctx.log.warn('outbox.kick_failed', { reason: String(error) })),
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
  while (sent < MAX_PER_TICK) {
    const leased = await ctx.db
      .update(outbox)
      .set({
        attempts: sql`${outbox.attempts} + 1`,
        availableAt: sql`now() + least(900, 30 * power(2, ${outbox.attempts})) * interval '1 second'`,
      })
      .where(inArray(outbox.id, due))
      .returning({ id: outbox.id })
    const ids = leased.map(({ id }) => id)
    if (ids.length > 0) await send(ctx, ids)
    sent += ids.length
    if (ids.length < RELAY_BATCH) break
  }
  if (sent > 0) ctx.log.info('outbox.relayed', { sent })
  return sent
}

// A queue that takes nothing is no fault of the events: their lease is given back, and they wait no longer for it.
async function send(ctx: RelayCtx, ids: string[]): Promise<void> {
  try {
    const bodies = ids.map((id) => ({ body: envelope(id) }))
    await within(SEND_TIMEOUT_MS, ctx.env.EVENTS.sendBatch(bodies))
  } catch (error) {
    const back = { attempts: sql`greatest(0, ${outbox.attempts} - 1)`, availableAt: sql`now()` }
    await ctx.db.update(outbox).set(back).where(inArray(outbox.id, ids))
    throw error
  }
}

/** What happened to the person since then, the oldest first: of a type, or of all its family (`task.*`). One trip. */
export async function happenedSince(
  { actor, db }: Pick<UserCtx, 'actor' | 'db'>,
  pattern: string,
  since: Date,
  limit: number,
): Promise<DomainEvent[]> {
  const { id, type, userId, room, key, version, data, createdAt } = outbox
  const family = pattern.endsWith('.*') ? pattern.slice(0, -1) : null
  const rows = await db
    .select({ id, type, userId, room, key, version, data, at: createdAt })
    .from(outbox)
    .where(
      and(
        ownedBy(actor, userId),
        gte(createdAt, since),
        family === null ? eq(type, pattern) : sql`starts_with(${type}, ${family})`,
      ),
    )
    .orderBy(asc(createdAt), asc(id))
    .limit(limit)
  return rows.map(({ at, ...row }) => ({ ...row, at: at.toISOString() }))
}

/** Drops what was handled a week ago with what the inbox remembers of it, and dead letters: sent again a month ago, or left for three. */
export async function pruneQueueTables(ctx: Pick<Ctx, 'db'>, consumers: string[]): Promise<void> {
  // By its whole key: of its two columns the consumer comes first.
  const names = JSON.stringify(consumers)
  for (let pass = 0; pass < MAX_PRUNE_PASSES; pass++) {
    const { rows } = await ctx.db.execute<{ gone: string }>(sql`
      with old as (
        delete from ${outbox} where id in (
          select o.id from ${outbox} o where o.dispatched_at < now() - interval '7 days' and not exists (
            select 1 from ${deadLetters} d where d.outbox_id = o.id and d.redriven_at is null)
          limit ${PRUNE_BATCH})
        returning id),
      forgotten as (delete from ${inbox} where (consumer, message_id) in (
          select c.name, o.id from old o, json_array_elements_text(${names}::json) as c(name))),
      letters as (delete from ${deadLetters}
        where redriven_at < now() - interval '30 days' or failed_at < now() - interval '90 days')
      select count(*) as gone from old`)
    if (Number(rows[0]?.gone ?? 0) < PRUNE_BATCH) return
  }
}
