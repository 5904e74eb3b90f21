import { and, eq, sql } from 'drizzle-orm'
import type { Ctx, DomainEvent } from '#core'
import { enqueue, type JobHandler, kick, type Subscriber } from '#queue'
import { tellCalls } from './called.ts'
import { EVENTS } from './schema.ts'
import { sendDue } from './send.ts'
import { webhookDeliveries, webhookEndpoints } from './tables.ts'

// As many of one endpoint may wait.
const MAX_PENDING = 1000

const OFFERED = new Set<string>(EVENTS)

/** Writes down what is to be sent of each event, once for each endpoint that wants it, and the job that sends it. */
export const webhookSubscriber: Subscriber = {
  name: 'webhooks',
  wants: (type) => OFFERED.has(type),
  only: (userId) => sql`exists (select 1 from ${webhookEndpoints} w where w.user_id = ${userId} and w.enabled)`,
  async handle(ctx, events) {
    const [first] = events
    if (!first) return
    const w = webhookEndpoints
    const endpoints = await ctx.db
      .select({ id: w.id, events: w.events })
      .from(w)
      .where(and(eq(w.userId, first.userId), w.enabled))
    const deliveries = endpoints.flatMap((endpoint) =>
      events.flatMap((event) =>
        endpoint.events.length === 0 || endpoint.events.includes(event.type) ? rowOf(ctx, endpoint.id, event) : [],
      ),
    )
    if (deliveries.length === 0) return
    const { userId } = first
    const job = {
      queue: 'integrations',
      kind: 'send_webhooks',
      userId,
      ref: userId,
      key: `webhooks:${userId}:${first.id}`,
    } as const
    const [, , asked] = await ctx.db.batch([
      ctx.db.insert(webhookDeliveries).values(deliveries).onConflictDoNothing(),
      failOldest(ctx, first),
      enqueue(ctx.db, [{ id: ctx.newId('job'), ...job }]),
    ])
    kick(ctx, asked)
  },
}

/** Sends what is due of a person's; each delivery is claimed, and tried again, by its own row. */
export const sendWebhooks: JobHandler = async (ctx, { ref }) => void (await sendDue(ctx, ref))

/** Ends the oldest of what waits for each of the person's endpoints, where more wait than may. */
function failOldest({ db }: Pick<Ctx, 'db'>, { userId }: Pick<DomainEvent, 'userId'>) {
  const d = webhookDeliveries
  const ranked = sql`select id, row_number() over (partition by endpoint_id order by id desc) as place
    from ${d} where user_id = ${userId} and status = 'pending'`
  const changed = db
    .$with('changed')
    .as(
      db
        .update(d)
        .set({ status: 'failed', error: 'too many wait', endedAt: sql`now()` })
        .where(sql`${d.id} in (select id from (${ranked}) ranked where place > ${MAX_PENDING})`)
        .returning(),
    )
  return db
    .with(changed, ...tellCalls(db, changed))
    .select({ id: changed.id })
    .from(changed)
}

function rowOf(ctx: Ctx, endpointId: string, { id: eventId, type, userId, at, data }: DomainEvent) {
  const body = JSON.stringify({ type, timestamp: at, data })
  return { id: ctx.newId('whd'), userId, endpointId, eventId, type, body }
}
