import { type Column, type SQL, sql } from 'drizzle-orm'
import { type Ctx, type DomainEvent, describeError, findAppError, within } from '#core'
import { acting, iso, prepared } from '#database'
import { chance } from './jobs.ts'
import { Envelope } from './schema.ts'
import { inbox, outbox } from './tables.ts'

const MAX_BACKOFF_S = 600
// A Worker has six connections at once; one is left for the database and the queue.
const PEOPLE_AT_ONCE = 5
/** How long a subscriber may take over what it is given; then it is asked again later. */
export const DEADLINE_MS = 10_000

/**
 * Reacts to events of these types. `handle` gets events of one person, in the order they happened, and runs at least
 * once for each: it must be idempotent by their ids, or go to a Durable Object that remembers them. When it fails it
 * is asked again for each event alone.
 */
export type Subscriber = {
  name: string
  wants(type: string): boolean
  /** Whether an event is any of theirs, asked of its person as it is read: where not, it costs no trip. */
  only?(userId: Column): SQL<boolean>
  handle(ctx: Ctx, events: DomainEvent[]): Promise<void>
}

export type Message = {
  id: string
  body: unknown
  attempts: number
  ack(): void
  retry(options?: { delaySeconds?: number }): void
}

/**
 * Handles a batch, person by person: what fails is retried alone, what is done is not done again, and nobody waits for
 * an object that hangs. Two trips a batch.
 */
export async function consume(ctx: Ctx, messages: readonly Message[], subscribers: Subscriber[]): Promise<void> {
  const wanted = new Map<Message, string>()
  for (const message of messages) {
    const parsed = Envelope.safeParse(message.body)
    if (parsed.success) wanted.set(message, parsed.data.outboxId)
    else refuse(ctx, message, 'not an envelope')
  }
  const ids = [...new Set(wanted.values())]
  if (ids.length === 0) return
  const failed = await react(ctx, ids, subscribers)
  for (const [message, id] of wanted) {
    const retryAfterS = failed.get(id)
    if (retryAfterS === undefined) message.ack()
    else retry(message, retryAfterS)
  }
}

/** Never throws: while the database is away everything has failed, and is tried again later as anything that fails. */
async function react(ctx: Ctx, ids: string[], subscribers: Subscriber[]): Promise<Outcome['failed']> {
  const outcome: Outcome = { finished: [], failed: new Map() }
  const { finished, failed } = outcome
  try {
    const events = await load(ctx, ids, subscribers)
    const people = Map.groupBy(events, ({ userId }) => userId).values()
    // They take from one iterator: who is done takes the next person.
    const work = async () => {
      for (const theirs of people) for (const subscriber of subscribers) await deliver(ctx, subscriber, theirs, outcome)
    }
    await Promise.all(Array.from({ length: PEOPLE_AT_ONCE }, work))
    const dispatched = ids.filter((id) => !failed.has(id))
    if (dispatched.length > 0 || finished.length > 0)
      await record(ctx.db, { finished: JSON.stringify(finished), dispatched: JSON.stringify(dispatched) })
  } catch (error) {
    ctx.log.error('queue.batch_failed', { events: ids.length, ...describeError(error) })
    const atLeastS = findAppError(error)?.retryAfterS ?? 0
    for (const id of ids) failed.set(id, Math.max(failed.get(id) ?? 0, atLeastS))
  }
  return failed
}

/** `failed`: by id, the seconds that whoever failed wants to be left alone for. */
type Outcome = { finished: { consumer: string; messageId: string }[]; failed: Map<string, number> }

/** Never throws: what failed is told in the outcome. */
async function deliver(ctx: Ctx, subscriber: Subscriber, theirs: Loaded[], outcome: Outcome): Promise<void> {
  const events = theirs.filter(({ type, done }) => subscriber.wants(type) && !done.has(subscriber.name))
  if (events.length === 0) return
  try {
    await within(DEADLINE_MS, subscriber.handle(acting(ctx, subscriber.name), events))
    outcome.finished.push(...events.map(({ id }) => ({ consumer: subscriber.name, messageId: id })))
  } catch (error) {
    // One of them spoils no other; an object that hangs would for each of them.
    if (events.length > 1 && !isTimeout(error)) {
      for (const event of events) await deliver(ctx, subscriber, [event], outcome)
      return
    }
    for (const { id, type } of events) {
      outcome.failed.set(id, Math.max(outcome.failed.get(id) ?? 0, findAppError(error)?.retryAfterS ?? 0))
      ctx.log.error('event.failed', { consumer: subscriber.name, type, eventId: id, ...describeError(error) })
    }
  }
}

function isTimeout(error: unknown): boolean {
  return error instanceof Error && error.name === 'TimeoutError'
}

type Loaded = DomainEvent & { done: Set<string> }

const listed = (json: string) => sql`(select jsonb_array_elements_text(${json}::jsonb))`

// The consumers are named, or no index would find what they have done.
const readerOf = (subscribers: Subscriber[]) =>
  prepared((db, { ids, consumers }: { ids: string; consumers: string }) => {
    const spared = subscribers.flatMap(({ name, only }) =>
      only ? sql`case when not ${only(outbox.userId)} then ${name}::text end` : [],
    )
    const theirs = sql`${inbox.consumer} = any(array${listed(consumers)}) and ${inbox.messageId} = ${outbox.id}`
    return db
      .select({
        id: outbox.id,
        type: outbox.type,
        userId: outbox.userId,
        room: outbox.room,
        key: outbox.key,
        version: outbox.version,
        data: outbox.data,
        at: sql<string>`${iso(outbox.createdAt)}`,
        done: sql<string[]>`coalesce((select json_agg(${inbox.consumer}) from ${inbox} where ${theirs}), '[]')`,
        spared: sql<(string | null)[]>`json_build_array(${sql.join(spared, sql`, `)})`,
      })
      .from(outbox)
      .where(sql`${outbox.id} = any(array${listed(ids)})`)
      .orderBy(outbox.createdAt, outbox.version)
  })

// The statement is made once for those who subscribe, who are the same ones as long as the isolate lives.
const readers = new WeakMap<Subscriber[], ReturnType<typeof readerOf>>()

async function load({ db }: Ctx, ids: string[], subscribers: Subscriber[]): Promise<Loaded[]> {
  const consumers = JSON.stringify(subscribers.map(({ name }) => name))
  const read = readers.get(subscribers) ?? readerOf(subscribers)
  readers.set(subscribers, read)
  const rows = await read(db, { ids: JSON.stringify(ids), consumers })
  return rows.map(({ done, spared, ...event }) => ({
    ...event,
    done: new Set([...done, ...spared.flatMap((name) => name ?? [])]),
  }))
}

// Until this is set the relay sends the event again: a queue that lost it has not taken it. In the `set`, not in the
// `where`: there it would make the index of all that waits look like the shortest way to one row.
const MARKED = { dispatchedAt: sql`coalesce(${outbox.dispatchedAt}, now())` }

const record = prepared((db, { finished, dispatched }: { finished: string; dispatched: string }) => {
  const rows = sql`select consumer, "messageId" from jsonb_to_recordset(${finished}::jsonb) as f (consumer text, "messageId" text)`
  const done = sql`insert into ${inbox} (consumer, message_id) ${rows} on conflict do nothing returning 1`
  return db
    .with(db.$with('done', {}).as(done))
    .update(outbox)
    .set(MARKED)
    .where(sql`${outbox.id} = any(array${listed(dispatched)})`)
})

// By chance up to twice as long: what failed together does not come back together.
function retry(message: Message, atLeastS = 0): void {
  const delayS = 2 ** message.attempts * (1 + chance())
  message.retry({ delaySeconds: Math.min(MAX_BACKOFF_S, Math.ceil(Math.max(atLeastS, delayS))) })
}

function refuse(ctx: Ctx, message: Message, reason: string): void {
  ctx.log.error('queue.refused', { messageId: message.id, reason })
  retry(message)
}
