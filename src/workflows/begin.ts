import { and, eq, isNull, lt, sql } from 'drizzle-orm'
import { z } from 'zod'
import { aiAnswered } from '#ai'
import { type Ctx, type DomainEvent, describeError, type PersonActor, type UserCtx } from '#core'
import { acting } from '#database'
import { settleRun, suggestionDecided } from '#proactivity'
import type { Subscriber } from '#queue'
import { STUCK, tellFailed } from './alarm.ts'
import { withdrawLeft } from './analyse.ts'
import { runRequested } from './fire.ts'
import { heed, lookAgain } from './heed.ts'
import { BEGINS_WITHIN, begin, nextInstance, wakeRun } from './instances.ts'
import { endRun, type Holder } from './record.ts'
import { RUN_UPDATED } from './run-row.ts'
import { runSteps, workflowRuns } from './tables.ts'
import { cancelHeld, standingOf } from './world.ts'

const r = workflowRuns
const SWEEP_LIMIT = 50
const MAX_INSTANCES = 6
/** What was asked for and not begun, or said nothing past its deadline, has been lost. */
const LOST_AFTER = sql`interval '1 minute'`

/** Begins runs that are asked for, tells them what was decided and what a batch answered, and the person what failed. */
export const runSubscriber: Subscriber = {
  name: 'runs',
  wants: (type) => HEARD.has(type),
  handle: async (ctx, events) => {
    for (const event of events) {
      if (event.type === runRequested.type) await begin(ctx, event.userId, runRequested.data.parse(event.data).id)
      else if (event.type === suggestionDecided.type) await hear(ctx, event)
      else if (event.type === aiAnswered.type) await wakeAnalysed(ctx, event)
      else await tellFailed(personOf(ctx, event.userId), event.data)
    }
  },
}

const HEARD: ReadonlySet<string> = new Set([runRequested.type, suggestionDecided.type, aiAnswered.type, RUN_UPDATED])

/** Wakes the run that left its analysis to this call. */
async function wakeAnalysed(ctx: Ctx, { userId, data }: DomainEvent): Promise<void> {
  const { id, feature } = aiAnswered.data.parse(data)
  if (feature !== 'workflows') return
  const isLeft = and(eq(runSteps.step, ':leave'), sql`${runSteps.output}->>'callId' = ${id}`)
  const [run] = await ctx.db
    .select({ id: r.id, instanceId: r.instanceId })
    .from(r)
    .innerJoin(runSteps, and(eq(runSteps.runId, r.id), isLeft))
    .where(and(eq(r.userId, userId), isNull(r.endedAt)))
  if (run) await wakeRun(ctx, run.instanceId ?? run.id, 'analysed')
}

const Said = z.object({
  id: z.string(),
  decision: z.string(),
  actions: z.array(z.unknown()),
  source: z.looseObject({ kind: z.string(), runId: z.string().optional() }),
})
const FINAL = new Set(['approved', 'dismissed', 'expired'])

/** Has the run heed what the person decided. */
async function hear(ctx: Ctx, event: DomainEvent): Promise<void> {
  const { source, ...said } = Said.parse(event.data)
  const { kind, runId } = source
  if (runId === undefined || !FINAL.has(said.decision)) return
  const theirs = personOf(ctx, event.userId)
  if (kind === 'run') await heed(theirs, runId, said)
  else if (kind === 'analysis' && said.decision === 'approved') await lookAgain(theirs, runId, said.id)
}

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

async function giveUp(ctx: UserCtx, holder: Holder): Promise<void> {
  await cancelHeld(ctx, holder.runId)
  await withdrawLeft(ctx, holder.runId)
  const standing = await standingOf(ctx, holder.runId)
  const parked = standing.map(({ step, effectId, says }) => ({ step, effectId, says, reason: 'Nobody took it back' }))
  const detail = 'The run was lost again and again'
  const isEnded = await endRun(ctx, holder, {
    ...{ status: 'failed', outcome: 'failed', reason: STUCK, evidence: [], isAccepted: null, parked },
    error: { code: STUCK, detail, step: null },
  })
  if (isEnded) await settleRun(ctx, holder.runId, { status: 'failed', detail })
}
