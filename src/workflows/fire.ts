import { type SQL, sql, type WithSubquery } from 'drizzle-orm'
import { z } from 'zod'
import { type Ctx, defineEvent, s } from '#core'
import { kick, tell } from '#queue'
import { nowIn } from './cel-functions.ts'
import type { Definition } from './definition.ts'
import { newWork, openExpressions } from './expression.ts'
import { step } from './row.ts'
import { workflowRuns, workflows } from './tables.ts'
import type { Params } from './when-of.ts'

const MINUTE_MS = 60_000
// Whatever its author said: what runs away is stopped within the hour.
const MOST_IN_AN_HOUR = { count: 100, perMinutes: 60 }
/** How many workflows may call each other in a row. */
export const MAX_DEPTH = 5

/** Somebody or something wants a run: the engine begins it. */
export const runRequested = defineEvent('run.requested', null, z.strictObject({ id: s.id('run'), version: z.number() }))

export type FireCtx = Pick<Ctx, 'db' | 'env' | 'now' | 'newId' | 'waitUntil' | 'log'>
/** A workflow as what sets it off sees it. */
export type Ready = {
  workflowId: string
  userId: string
  definition: Definition
  params: Params
  zone: string
}
/** `cause`: the same again is the same run. `subject`: what it is about, where it is about one thing. */
export type Firing = {
  kind: string
  triggerId: string | null
  /** What expressions see as `trigger`. */
  trigger: Record<string, unknown>
  cause: string
  subject: string | null
  tainted: boolean
  depth: number
  /** When it was to be, where that was planned. */
  at?: Date
  /** By hand also one that is switched off. */
  isByHand?: boolean
}
export type Fired = { runId: string; isNew: boolean } | { runId: null; isNew: false }

/** What expressions read before anything is gathered. `work`: what all that are asked of one event share. */
export async function openScope(
  { now }: Pick<Ctx, 'now'>,
  { params, zone }: Ready,
  trigger: Record<string, unknown>,
  work = newWork(),
) {
  const cel = await openExpressions()
  return { cel, scope: cel.scope({ params, trigger, now: nowIn(now(), zone) }, work) }
}

/** The window in which it runs once, as a key; null: as often as it is set off. */
function onceKeyOf(now: Date, { definition, zone }: Ready, { subject, cause, at }: Firing): string | null {
  const { date } = nowIn(at ?? now, zone)
  switch (definition.oncePer) {
    case 'day':
      return `day:${date}`
    case 'week': {
      const day = new Date(`${date}T00:00:00Z`)
      day.setUTCDate(day.getUTCDate() - ((day.getUTCDay() + 6) % 7))
      return `week:${day.toISOString().slice(0, 10)}`
    }
    case 'subject':
      return `subject:${subject ?? cause}`
    case undefined:
      return null
  }
}

async function concurrencyKeyOf(ctx: FireCtx, ready: Ready, firing: Firing): Promise<string | null> {
  const { concurrencyKey } = ready.definition
  if (concurrencyKey === undefined) return null
  const { cel, scope } = await openScope(ctx, ready, firing.trigger)
  const made = cel.evaluate(concurrencyKey, scope)
  // Of what has no key all have the same one.
  return made.ok ? String(made.value).slice(0, 200) : ''
}

/**
 * Makes the run that a trigger asks for and the event that begins it, in one statement with what is written of the
 * trigger. Once per cause, per window and per open key, and no oftener than its throttle says; else no run.
 * `once_moved`: only where `trigger`, which may read its workflow as `held`, wrote a row.
 */
export async function fire(
  ctx: FireCtx,
  ready: Ready,
  firing: Firing,
  trigger?: SQL,
  unless?: 'once_moved',
): Promise<Fired> {
  const { db } = ctx
  const now = ctx.now()
  const at = sql`${now.toISOString()}::timestamptz`
  const { count, perMinutes } = ready.definition.throttle ?? MOST_IN_AN_HOUR
  const isOver = sql`(w.window_at is null or w.window_at <= ${new Date(now.getTime() - perMinutes * MINUTE_MS).toISOString()}::timestamptz)`
  const onceKey = firing.isByHand ? null : onceKeyOf(now, ready, firing)
  const key = await concurrencyKeyOf(ctx, ready, firing)
  const isFree = firing.isByHand ? sql`true` : sql`(${isOver} or w.window_used < ${count}::int)`
  const isOn = firing.isByHand ? sql`true` : sql`w.status = 'enabled'`
  // Workflows are locked before their triggers.
  const held = step(db, 'held', sql`select id from ${workflows} where id = ${ready.workflowId} for update`)
  const isMoved = unless ? sql`exists (select 1 from moved)` : sql`true`
  const gate = step(
    db,
    'gate',
    sql`update ${workflows} w set window_at = case when ${isOver} then ${at} else w.window_at end,
        window_used = case when ${isOver} then 1 else w.window_used + 1 end
      where w.id = ${ready.workflowId} and w.user_id = ${ready.userId} and w.deleted_at is null and ${isOn} and ${isFree} and ${isMoved}
        and not exists (select 1 from ${workflowRuns} r where r.workflow_id = w.id and (r.cause = ${firing.cause}
          or r.once_key = ${onceKey}::text or (r.concurrency_key = ${key}::text and r.ended_at is null)))
      returning w.id, w.user_id, w.definition_version, w.params`,
  )
  const made = step(
    db,
    'made',
    sql`insert into ${workflowRuns} (id, user_id, workflow_id, definition_version, params, trigger_id, trigger_kind, trigger,
        cause, once_key, concurrency_key, priority, tainted, depth)
      select ${ctx.newId('run')}, g.user_id, g.id, g.definition_version, g.params, ${firing.triggerId}, ${firing.kind},
        ${JSON.stringify(firing.trigger)}::jsonb, ${firing.cause}, ${onceKey}, ${key}, ${ready.definition.priority},
        ${firing.tainted}, ${firing.depth}
      from gate g on conflict do nothing returning id, user_id, version`,
  )
  const told = tell(db, 'told', made, {
    kind: runRequested,
    userId: sql`made.user_id`,
    key: sql`made.id`,
    version: sql`made.version`,
    data: sql`jsonb_build_object('id', made.id, 'version', made.version)`,
  })
  const moved: WithSubquery[] = trigger ? [step(db, 'moved', trigger)] : []
  const [row] = await db
    .with(...(unless ? [held, ...moved, gate] : [gate, ...moved]), made, told)
    .select({ runId: sql<string>`made.id`, eventId: told.id })
    .from(made)
    .leftJoin(told, sql`true`)
  if (row) {
    kick(ctx, [row.eventId])
    return { runId: row.runId, isNew: true }
  }
  return await knownRun(ctx, ready, firing)
}

async function knownRun({ db, log }: FireCtx, ready: Ready, { cause, kind }: Firing): Promise<Fired> {
  const { rows } = await db.execute<{ id: string }>(
    sql`select id from ${workflowRuns} where workflow_id = ${ready.workflowId} and cause = ${cause}`,
  )
  const [known] = rows
  if (known) return { runId: known.id, isNew: false }
  log.info('workflow.not_run', { workflowId: ready.workflowId, userId: ready.userId, kind })
  return { runId: null, isNew: false }
}
