import { and, eq, sql } from 'drizzle-orm'
import { type Ctx, type DomainEvent, holdsOthersWords } from '#core'
import { actBehind, WorkflowRequested } from '#effects'
import type { Subscriber } from '#queue'
import { armAt, armWorkflows } from './arm.ts'
import { lookAt } from './condition.ts'
import { firingOf, followZone, type Pending } from './due.ts'
import { newWork, type Work } from './expression.ts'
import { fire, MAX_DEPTH, openScope } from './fire.ts'
import { type Armed, readTriggers } from './ready.ts'
import { triggers, workflowRuns } from './tables.ts'
import { FAMILIES } from './validate.ts'

export const familyOf = (type: string) => type.split('.')[0] ?? ''
// What others wrote comes with these.
export const TAINTED = new Set(['mail', 'file'])

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
    if (saved.length > 0) await begin(ctx, userId, [...new Set(saved.map(({ key }) => key))])
    for (const event of events) if (event.type === 'workflow.requested') await runCalled(ctx, event)
    if (events.some(({ type }) => type === 'me.updated')) await followZone(ctx, userId)
    const happened = events.filter(({ type }) => FAMILIES.has(familyOf(type)))
    if (happened.length > 0) await runWaiting(ctx, userId, happened)
  },
}

// What is looked at when something changes is looked at first now: it may hold, and time alone may change it.
async function begin(ctx: Ctx, userId: string, ids: string[]): Promise<void> {
  await armWorkflows(ctx, userId, ids)
  const listed = sql`(select jsonb_array_elements_text(${JSON.stringify(ids)}::jsonb))`
  const isWatched = sql`t.kind = 'condition' and t.patterns <> '{}'`
  const watched = await readTriggers(ctx, sql`t.user_id = ${userId} and t.workflow_id in ${listed} and ${isWatched}`)
  if (watched.length > 0) await lookAt(ctx, userId, watched, null)
}

async function runWaiting(ctx: Ctx, userId: string, events: DomainEvent[]): Promise<void> {
  const types = [...new Set(events.flatMap(({ type }) => [type, `${familyOf(type)}.*`]))]
  const waiting = await readTriggers(
    ctx,
    sql`t.user_id = ${userId} and t.kind in ('event', 'condition')
      and t.patterns && array(select jsonb_array_elements_text(${JSON.stringify(types)}::jsonb))`,
  )
  const works = new Map(events.map(({ id }) => [id, newWork()]))
  for (const armed of waiting)
    for (const event of events) if (isMeant(armed, event.type)) await happen(ctx, armed, event, works.get(event.id))
  const conditions = waiting.filter(({ config }) => config.kind === 'condition')
  const last = events.at(-1)
  if (conditions.length > 0 && last)
    await lookAt(ctx, userId, conditions, { type: last.type, id: last.id, subject: last.key })
}

const isMeant = ({ config }: Armed, type: string): boolean =>
  config.kind === 'event' && (config.type === type || config.type === `${familyOf(type)}.*`)

async function happen(ctx: Ctx, armed: Armed, event: DomainEvent, work?: Work): Promise<void> {
  const { config } = armed
  // What was told late is no news to what was made since.
  if (Date.parse(event.at) < Date.parse(armed.since)) return
  const trigger = { kind: 'event', type: event.type, id: event.id, at: event.at, subject: event.key, data: event.data }
  if (config.kind === 'event' && config.when !== undefined) {
    const { cel, scope } = await openScope(ctx, armed, trigger, work)
    const made = cel.holds(config.when, scope)
    // What cannot be said of this event does not hold of it.
    if (!made.ok || !made.value) return
  }
  const pending = {
    trigger,
    cause: `event:${event.id}`,
    subject: event.key,
    tainted: TAINTED.has(familyOf(event.type)) || holdsOthersWords(event.data),
    toldAt: event.at,
  }
  await fireOrHold(ctx, armed, pending)
}

/** Fires, or where it is to be debounced, waits until nothing more has happened for so long. */
export async function fireOrHold(ctx: Ctx, armed: Armed, pending: Pending) {
  const { debounceSeconds } = armed.definition
  const fired = sql`update ${triggers} set last_fired_at = ${ctx.now().toISOString()}::timestamptz where id = ${armed.id} returning id`
  if (debounceSeconds === undefined) return await fire(ctx, armed, firingOf(armed, pending), fired)
  const at = new Date(ctx.now().getTime() + debounceSeconds * 1000)
  await ctx.db.execute(sql`update ${triggers} set pending_at = ${at.toISOString()}::timestamptz,
    pending = ${JSON.stringify(pending)}::jsonb where id = ${armed.id} and ${isNews(pending)}`)
  await armAt(ctx, armed.userId, [{ id: armed.id, at }])
  return null
}

// What is brought again is no news: something later is held back already, or has fired.
function isNews({ toldAt }: Pending) {
  const at = sql`${toldAt ?? null}::timestamptz`
  return sql`(pending is null or (pending->>'toldAt')::timestamptz <= ${at}) and (last_fired_at is null or last_fired_at < ${at})`
}

/** Asks of the act itself what it was done on, and how deep its run was called: what it says of itself might be made. */
async function runCalled(ctx: Ctx, { id: eventId, userId, at, data }: DomainEvent): Promise<void> {
  const { workflowId, input, effectId } = WorkflowRequested.parse(data)
  // Nobody knows what led another's assistant to ask.
  const { tainted, runId } = (await actBehind(ctx, userId, effectId)) ?? { tainted: true, runId: null }
  const [by] = await ctx.db
    .select({ depth: workflowRuns.depth })
    .from(workflowRuns)
    .where(and(eq(workflowRuns.id, runId ?? ''), eq(workflowRuns.userId, userId)))
  const depth = by?.depth ?? 0
  if (depth >= MAX_DEPTH) return ctx.log.warn('workflow.call_refused', { eventId, userId })
  const where = sql`t.user_id = ${userId} and t.workflow_id = ${workflowId} and t.kind = 'workflow'`
  const [armed] = await readTriggers(ctx, where)
  if (!armed) return
  await fire(ctx, armed, {
    ...{ kind: 'workflow', triggerId: armed.id, trigger: { kind: 'workflow', id: eventId, at, data: input } },
    ...{ cause: `event:${eventId}`, subject: null, tainted, depth: depth + 1 },
  })
}
