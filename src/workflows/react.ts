import { sql } from 'drizzle-orm'
import { z } from 'zod'
import { type Ctx, type DomainEvent, holdsOthersWords } from '#core'
import type { Subscriber } from '#queue'
import { armAt, armWorkflows, type Pending } from './due.ts'
import { type Firing, fire, MAX_DEPTH, openScope } from './fire.ts'
import { type Armed, readTriggers } from './ready.ts'
import { triggers } from './tables.ts'
import { FAMILIES } from './validate.ts'

const familyOf = (type: string) => type.split('.')[0] ?? ''
// What others wrote comes with these.
const TAINTED = new Set(['mail', 'file'])

/** Sets off what waits for what happened, and keeps the timers of whatever was saved. */
export const triggerSubscriber: Subscriber = {
  name: 'triggers',
  wants: (type) => familyOf(type) === 'workflow' || FAMILIES.has(familyOf(type)),
  only: (userId) => sql`(exists (select 1 from ${triggers} t where t.user_id = ${userId} and t.active)
    or exists (select 1 from workflows w where w.user_id = ${userId} and w.paused_until is not null))`,
  async handle(ctx, events) {
    const userId = events[0]?.userId
    if (userId === undefined) return
    const saved = events.filter(({ type }) => type === 'workflow.created' || type === 'workflow.updated')
    if (saved.length > 0) await armWorkflows(ctx, userId, [...new Set(saved.map(({ key }) => key))])
    for (const event of events) if (event.type === 'workflow.requested') await runCalled(ctx, event)
    const happened = events.filter(({ type }) => FAMILIES.has(familyOf(type)))
    if (happened.length > 0) await runWaiting(ctx, userId, happened)
  },
}

async function runWaiting(ctx: Ctx, userId: string, events: DomainEvent[]): Promise<void> {
  const types = [...new Set(events.flatMap(({ type }) => [type, `${familyOf(type)}.*`]))]
  const waiting = await readTriggers(
    ctx,
    sql`t.user_id = ${userId} and t.kind = 'event'
      and t.patterns && array(select jsonb_array_elements_text(${JSON.stringify(types)}::jsonb))`,
  )
  for (const armed of waiting)
    for (const event of events) if (isMeant(armed, event.type)) await happen(ctx, armed, event)
}

const isMeant = ({ config }: Armed, type: string): boolean =>
  config.kind === 'event' && (config.type === type || config.type === `${familyOf(type)}.*`)

async function happen(ctx: Ctx, armed: Armed, event: DomainEvent): Promise<void> {
  const { config } = armed
  const trigger = { kind: 'event', type: event.type, id: event.id, at: event.at, subject: event.key, data: event.data }
  if (config.kind === 'event' && config.when !== undefined) {
    const { cel, scope } = await openScope(ctx, armed, trigger)
    const made = cel.holds(config.when, scope)
    // What cannot be said of this event does not hold of it.
    if (!made.ok || !made.value) return
  }
  const pending = {
    trigger,
    cause: `event:${event.id}`,
    subject: event.key,
    tainted: TAINTED.has(familyOf(event.type)) || holdsOthersWords(event.data),
  }
  await fireOrHold(ctx, armed, pending)
}

/** Fires, or where it is to be debounced, waits until nothing more has happened for so long. */
export async function fireOrHold(ctx: Ctx, armed: Armed, pending: Pending) {
  const { debounceSeconds } = armed.definition
  const firing: Firing = { ...pending, kind: armed.config.kind, triggerId: armed.id, depth: 0 }
  const fired = sql`update ${triggers} set last_fired_at = now() where id = ${armed.id} returning id`
  if (debounceSeconds === undefined) return await fire(ctx, armed, firing, fired)
  const at = new Date(ctx.now().getTime() + debounceSeconds * 1000)
  await ctx.db.execute(sql`update ${triggers} set pending_at = ${at.toISOString()}::timestamptz,
    pending = ${JSON.stringify(pending)}::jsonb where id = ${armed.id}`)
  await armAt(ctx, armed.userId, [{ id: armed.id, at }])
  return null
}

/** What asks for a run of another workflow says with its event. */
const Called = z.object({
  workflowId: z.string().max(40),
  input: z.record(z.string(), z.unknown()).default({}),
  tainted: z.boolean().default(false),
  depth: z.number().int().default(0),
})

async function runCalled(ctx: Ctx, event: DomainEvent): Promise<void> {
  const called = Called.safeParse(event.data)
  if (!called.success || called.data.depth >= MAX_DEPTH) {
    ctx.log.warn('workflow.call_refused', { eventId: event.id, userId: event.userId })
    return
  }
  const { workflowId, input: data, tainted, depth } = called.data
  const where = sql`t.user_id = ${event.userId} and t.workflow_id = ${workflowId} and t.kind = 'workflow'`
  const [armed] = await readTriggers(ctx, where)
  if (!armed) return
  const trigger = { kind: 'workflow', id: event.id, at: event.at, data }
  const cause = `event:${event.id}`
  await fire(ctx, armed, {
    kind: 'workflow',
    triggerId: armed.id,
    trigger,
    cause,
    subject: null,
    tainted,
    depth: depth + 1,
  })
}
