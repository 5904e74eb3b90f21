import { and, eq, isNull, lt, sql } from 'drizzle-orm'
import { z } from 'zod'
import { type Ctx, type DomainEvent, describeError, type PersonActor, type UserCtx } from '#core'
import { acting } from '#database'
import { suggestionDecided } from '#proactivity'
import type { Subscriber } from '#queue'
import { runRequested } from './fire.ts'
import { endRun } from './record.ts'
import { wakeRun } from './runs.ts'
import { runSteps, workflowRuns } from './tables.ts'
import { decisionStep, standingOf, tell } from './world.ts'

const r = workflowRuns
const SWEEP_LIMIT = 50
const MAX_INSTANCES = 6
/** What was asked for and not begun, or said nothing past its deadline, has been lost. */
const LOST_AFTER = sql`interval '1 minute'`
const BEGINS_WITHIN = sql`interval '2 minutes'`

/** Begins runs that are asked for, and tells them what was decided. */
export const runSubscriber: Subscriber = {
  name: 'runs',
  wants: (type) => type === runRequested.type || type === suggestionDecided.type,
  handle: async (ctx, events) => {
    for (const event of events) {
      if (event.type === runRequested.type) await begin(ctx, event.userId, runRequested.data.parse(event.data).id)
      else await hear(ctx, event)
    }
  },
}

type BeginCtx = Pick<Ctx, 'env' | 'log'>

/** Its instance has the run's own id: asked for again, there is one. */
async function begin({ env }: BeginCtx, userId: string, runId: string, instanceId = runId): Promise<void> {
  try {
    await env.TASA_RUN.create({ id: instanceId, params: { runId, userId } })
  } catch (error) {
    if (!(await exists(env, instanceId))) throw error
  }
}

async function exists(env: Env, instanceId: string): Promise<boolean> {
  try {
    await (await env.TASA_RUN.get(instanceId)).status()
    return true
  } catch {
    return false
  }
}

const Said = z.object({
  id: z.string(),
  decision: z.string(),
  actions: z.array(z.unknown()),
  source: z.looseObject({ kind: z.string(), runId: z.string().optional() }),
})
const FINAL = new Set(['approved', 'dismissed', 'expired'])

/** Writes down what the person decided, and wakes the run; one that had given up is begun again for a yes. */
async function hear(ctx: Ctx, event: DomainEvent): Promise<void> {
  const { id, decision, actions, source } = Said.parse(event.data)
  const { kind, runId } = source
  if (kind !== 'run' || runId === undefined || !FINAL.has(decision)) return
  const { db } = ctx
  const step = decisionStep(id)
  const said = db.$with('said', {}).as(sql`
    insert into ${runSteps} (id, run_id, step, user_id, kind, status, says, output, ended_at)
    select id || '.' || ${step}::text, id, ${step}, user_id, 'decision', 'done', ${decision},
      ${JSON.stringify({ decision, actions })}::jsonb, now()
    from ${r} where ${and(eq(r.id, runId), eq(r.userId, event.userId))} on conflict do nothing`)
  const isNothing = sql`${r.endedAt} is not null and ${r.outcome} in ('nothing', 'expired')`
  const reopened = db.$with('reopened').as(
    db
      .update(r)
      .set({
        ...{ status: 'running', outcome: null, reason: null, endedAt: null },
        instanceId: nextInstance,
        deadlineAt: sql`now() + ${BEGINS_WITHIN}`,
        version: sql`${r.version} + 1`,
      })
      .where(and(eq(r.id, runId), eq(r.userId, event.userId), sql`${decision} = 'approved'`, isNothing))
      .returning({ id: r.id, instanceId: r.instanceId }),
  )
  const [row] = await db
    .with(said, reopened)
    .select({ open: r.instanceId, endedAt: r.endedAt, again: reopened.instanceId })
    .from(r)
    .leftJoin(reopened, eq(reopened.id, r.id))
    .where(and(eq(r.id, runId), eq(r.userId, event.userId)))
  if (row?.again) await begin(ctx, event.userId, runId, row.again)
  else if (row?.endedAt === null) await wakeRun(ctx, row.open ?? runId, 'decided')
}

// run_x, run_x-2, run_x-3: whoever had it finds that it is another's.
const nextInstance = sql<string>`${r.id} || '-' ||
  (coalesce(nullif(split_part(coalesce(${r.instanceId}, ''), '-', 2), '')::int, 1) + 1)::text`

type SweepCtx = Ctx

/** Begins again what was lost, where it had got to; what is lost again and again is ended, with notice. */
export async function sweepRuns(ctx: SweepCtx): Promise<number> {
  const { db } = ctx
  const lost = db
    .select({ id: r.id })
    .from(r)
    .where(and(isNull(r.endedAt), lt(sql`coalesce(${r.deadlineAt}, ${r.createdAt} + ${LOST_AFTER})`, sql`now()`)))
    .limit(SWEEP_LIMIT)
    .for('update', { skipLocked: true })
  const found = await db
    .update(r)
    .set({ instanceId: nextInstance, deadlineAt: sql`now() + ${BEGINS_WITHIN}` })
    .where(sql`${r.id} in ${lost}`)
    .returning({ id: r.id, userId: r.userId, instanceId: r.instanceId })
  for (const { id, userId, instanceId } of found) {
    try {
      const holder = { runId: id, instanceId: instanceId ?? id }
      if (Number(holder.instanceId.split('-')[1] ?? 1) > MAX_INSTANCES) await giveUp(personOf(ctx, userId), holder)
      else await begin(ctx, userId, id, holder.instanceId)
    } catch (error) {
      ctx.log.error('run.sweep_failed', { runId: id, userId, ...describeError(error) })
    }
  }
  if (found.length > 0) ctx.log.warn('runs.swept', { found: found.length })
  return found.length
}

function personOf(ctx: Ctx, userId: string): UserCtx {
  const actor: PersonActor = { kind: 'person', userId, sessionId: null }
  const own = { ...ctx, actor }
  return Object.assign(acting(own, ctx.operation), { actor })
}

async function giveUp(ctx: UserCtx, holder: { runId: string; instanceId: string }): Promise<void> {
  const standing = await standingOf(ctx, holder.runId)
  const parked = standing.map(({ step, effectId, says }) => ({ step, effectId, says, reason: 'Nobody took it back' }))
  const detail = 'The run was lost again and again'
  const ended = await endRun(ctx, holder, {
    ...{ status: 'failed', outcome: 'failed', reason: 'stuck', evidence: [], isAccepted: null, parked },
    error: { code: 'stuck', detail, step: null },
  })
  if (!ended) return
  const left = parked.map(({ says }) => says).join('; ')
  const body = left === '' ? 'Nothing it did is left.' : `Left as it is: ${left}`
  await tell(ctx, holder.runId, {
    key: `run-stuck:${holder.runId}`,
    title: `"${ended.name}" got stuck and was ended`,
    body,
    isAlert: true,
  })
}
