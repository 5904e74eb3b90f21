import { and, eq, isNull, or, type SQL, sql } from 'drizzle-orm'
import type { UserCtx } from '#core'
import { settleRun } from '#proactivity'
import { kick } from '#queue'
import { Definition } from './definition.ts'
import type { Begun, Mark } from './ports.ts'
import { silence, step, tellUpdated } from './row.ts'
import { changingRun, eventOf, held, shownRun, tellRun } from './run-row.ts'
import type { Doing, Finding, RunEnd } from './run-schema.ts'
import { runSteps, workflowRuns, workflows, workflowVersions } from './tables.ts'

type RecordCtx = Pick<UserCtx, 'actor' | 'db' | 'env' | 'now' | 'waitUntil' | 'log'>
/** Which run, and which instance of it writes. */
export type Holder = { runId: string; instanceId: string }

/** A run that says nothing for so long has been lost. */
const SILENCE = sql`interval '15 minutes'`
/** So many failures in a row and a workflow is paused. */
export const PAUSE_AFTER = 5

/** Takes a run for this instance, with all that was found out before; null: it is over, or another's. One trip. */
export async function beginRun(ctx: RecordCtx, { runId, instanceId }: Holder): Promise<Begun | null> {
  const { db } = ctx
  const isFree = or(isNull(workflowRuns.instanceId), eq(workflowRuns.instanceId, instanceId))
  const set = {
    instanceId,
    status: 'running' as const,
    startedAt: sql`coalesce(${workflowRuns.startedAt}, now())`,
    deadlineAt: sql`now() + ${SILENCE}`,
  }
  const changed = changingRun(ctx, runId, set, and(isNull(workflowRuns.endedAt), isFree))
  const told = tellRun(db, runId, changed)
  const kept = sql<Record<string, string> | null>`(select json_object_agg(k.step, k.output::text) from ${runSteps} k
    where k.run_id = ${changed.id} and k.output is not null)`
  const [row] = await db
    .with(changed, told)
    .select({
      run: shownRun(changed),
      params: changed.params,
      trigger: changed.trigger,
      triggerKind: changed.triggerKind,
      name: workflows.name,
      definition: workflowVersions.definition,
      deletedAt: workflows.deletedAt,
      kept,
    })
    .from(changed)
    .innerJoin(workflows, eq(workflows.id, changed.workflowId))
    .innerJoin(
      workflowVersions,
      and(eq(workflowVersions.workflowId, changed.workflowId), eq(workflowVersions.version, changed.definitionVersion)),
    )
  if (!row) return null
  kick(ctx, [eventOf(row.run)])
  if (row.deletedAt !== null) {
    await endRun(ctx, { runId, instanceId }, DELETED)
    await settleRun(ctx, runId, { status: 'failed', detail: 'The workflow was deleted' })
    return null
  }
  const { id, workflowId, priority, tainted } = row.run
  return {
    ...{ id, workflowId, priority, name: row.name, isTainted: tainted, triggerKind: row.triggerKind },
    definition: Definition().parse(row.definition),
    params: recordOf(row.params),
    trigger: recordOf(row.trigger),
    kept: row.kept ?? {},
  }
}

const DELETED: RunEnd = {
  ...{ status: 'cancelled', outcome: 'cancelled', reason: 'workflow_deleted' },
  ...{ evidence: [], error: null, parked: [], isAccepted: null },
}

const recordOf = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null ? { ...value } : {}

const exists = (from: string) => sql`exists (select 1 from ${sql.identifier(from)})`
const json = (value: unknown) => sql`${value == null ? null : JSON.stringify(value)}::jsonb`

/** Writes a step's row, as a CTE; what was found first stays, and what is over is not begun again in words. `where` is asked beside whose run it is. */
function upsertStep({ db, actor }: RecordCtx, runId: string, doing: Doing, found: string | null, where: SQL) {
  const { step: name, kind, status, says = null, effectId = null, evidence, error } = doing
  const isOpen = status === 'running' || status === 'waiting'
  return step(
    db,
    'done',
    sql`insert into ${runSteps} as s (id, run_id, step, user_id, kind, status, attempts, says, output, effect_id, evidence, error,
        ended_at)
      select r.id || '.' || ${name}::text, r.id, ${name}, r.user_id, ${kind}, ${status}, ${status === 'running' ? 1 : 0}::int,
        ${says}, ${found}::jsonb, ${effectId}, ${json(evidence)}, ${json(error)}, ${isOpen ? sql`null::timestamptz` : sql`now()`}
      from ${workflowRuns} r where r.id = ${runId} and r.user_id = ${actor.userId} and ${where}
      on conflict (run_id, step) do update set kind = excluded.kind, status = excluded.status, says = excluded.says,
        attempts = s.attempts + excluded.attempts, output = coalesce(s.output, excluded.output),
        effect_id = excluded.effect_id, evidence = excluded.evidence, error = excluded.error, ended_at = excluded.ended_at
      where excluded.status <> 'running' or s.output is null
      returning s.run_id, s.output::text as found`,
  )
}

/** Says where a run is. False: it is over, or another instance has it. One trip. */
export async function markRun(ctx: RecordCtx, { runId, instanceId }: Holder, mark: Mark): Promise<boolean> {
  const { db } = ctx
  const { status, until, suggestionId, doing } = mark
  const wakes = until === undefined ? sql`now()` : sql`greatest(now(), ${until}::timestamptz)`
  const set = { status, deadlineAt: sql`${wakes} + ${SILENCE}`, ...(suggestionId && { suggestionId }) }
  const changed = changingRun(ctx, runId, set, held(instanceId))
  const told = tellRun(db, runId, changed)
  const ctes = doing ? [upsertStep(ctx, runId, doing, null, exists('changed'))] : []
  const [row] = await db
    .with(changed, told, ...ctes)
    .select({ id: changed.id, version: changed.version })
    .from(changed)
  if (row) kick(ctx, [eventOf(row)])
  return row !== undefined
}

/**
 * Keeps what a step found out and shows how it went; answers what was found first, or null where the run is over or
 * another's. That an effect was done is written in any case. One trip.
 */
export async function keepStep(ctx: RecordCtx, { runId, instanceId }: Holder, doing: Doing, found: string) {
  const { db } = ctx
  const changed = changingRun(ctx, runId, { deadlineAt: sql`now() + ${SILENCE}` }, held(instanceId))
  const done = upsertStep(ctx, runId, doing, found, sql`(${doing.effectId != null}::boolean or ${exists('changed')})`)
  const told = tellRun(db, runId, changed)
  const [row] = await db
    .with(changed, done, told)
    .select({ id: changed.id, version: changed.version, found: sql<string>`done.found` })
    .from(changed)
    .innerJoin(done, sql`done.run_id = ${changed.id}`)
  if (row) kick(ctx, [eventOf(row)])
  return row?.found ?? null
}

/** How a step ended that was kept before: as `keepStep`. One trip. */
export async function amendStep(ctx: RecordCtx, { runId, instanceId }: Holder, doing: Doing): Promise<void> {
  const { status, says, evidence, error } = doing
  const isOpen = status === 'running' || status === 'waiting'
  const isOurs = sql`(${doing.effectId != null}::boolean or exists (select 1 from ${workflowRuns}
    where ${workflowRuns.id} = ${runSteps.runId} and ${held(instanceId)}))`
  await ctx.db
    .update(runSteps)
    .set({
      ...{ status, endedAt: isOpen ? null : sql`now()` },
      ...(says !== undefined && { says }),
      ...(evidence && { evidence }),
      ...(error && { error }),
    })
    .where(and(eq(runSteps.runId, runId), eq(runSteps.step, doing.step), eq(runSteps.userId, ctx.actor.userId), isOurs))
}

export type Analysis = { findings: Finding[]; costMicros: number }

/** Shows what was found. One trip. */
export async function noteFindings(ctx: RecordCtx, { runId, instanceId }: Holder, { findings, costMicros }: Analysis) {
  const confidence = findings.length === 0 ? null : Math.max(...findings.map((one) => one.confidence))
  const changed = changingRun(ctx, runId, { findings, confidence, costMicros }, held(instanceId))
  await ctx.db.with(changed).select({ id: changed.id }).from(changed)
}

/**
 * Ends a run, once; a workflow that failed so many times in a row is paused. Whoever hears of it tells the person
 * (`alarm.ts`). False: it had ended, or is another's. One trip.
 */
export async function endRun(ctx: RecordCtx, { runId, instanceId }: Holder, end: RunEnd): Promise<boolean> {
  const { db } = ctx
  const { status, outcome, reason, evidence, error, parked, isAccepted } = end
  const saved = sql`coalesce((select w.saves_minutes from ${workflows} w where w.id = ${workflowRuns.workflowId}), 0)`
  const set = {
    ...{ status, outcome, reason: reason?.slice(0, 300) ?? null, evidence, error, parked, accepted: isAccepted },
    savedMinutes: outcome === 'acted' ? saved : 0,
    endedAt: sql`now()`,
    deadlineAt: null,
  }
  const changed = changingRun(ctx, runId, set, held(instanceId))
  const told = tellRun(db, runId, changed)
  const hasFailed = status === 'failed' || status === 'compensated'
  const failures = hasFailed ? sql`${workflows.failuresInRow} + 1` : sql`0`
  const pauses = sql`(${workflows.status} = 'enabled' and ${failures} >= ${PAUSE_AFTER})`
  const counted = db.$with('counted').as(
    db
      .update(workflows)
      .set({
        failuresInRow: failures,
        status: sql`case when ${pauses} then 'paused' else ${workflows.status} end`,
        pausedReason: sql`case when ${pauses} then 'failing' else ${workflows.pausedReason} end`,
        version: sql`${workflows.version} + ${pauses}::int`,
        updatedAt: sql`case when ${pauses} then now() else ${workflows.updatedAt} end`,
      })
      .where(sql`${workflows.id} in (select c.workflow_id from changed c)`)
      .returning(),
  )
  const isNow = sql`${counted.status} = 'paused' and ${counted.pausedReason} = 'failing' and ${counted.failuresInRow} = ${PAUSE_AFTER}`
  const paused = db.$with('paused').as(db.select().from(counted).where(sql`${isNow} and ${hasFailed}::boolean`))
  const pausedTold = tellUpdated(db, 'paused_told', paused)
  const [row] = await db
    .with(changed, told, counted, paused, silence(db, 'paused'), pausedTold)
    .select({ id: changed.id, version: changed.version, pausedId: pausedTold.id })
    .from(changed)
    .leftJoin(pausedTold, sql`true`)
  if (row) kick(ctx, [eventOf(row), row.pausedId])
  return row !== undefined
}

/** Steps of a run that are written by others than its instance. */
export const decisionStep = (suggestionId: string) => `:decided:${suggestionId}`
export const answerStep = (of: string) => `${of}:answer`

/** What somebody said to a run, by the name of the step that waits for it; the first word stands. One trip. */
export async function saidTo(ctx: Pick<UserCtx, 'db' | 'actor'>, runId: string, step: string): Promise<unknown> {
  const [row] = await ctx.db
    .select({ output: runSteps.output })
    .from(runSteps)
    .where(and(eq(runSteps.runId, runId), eq(runSteps.step, step), eq(runSteps.userId, ctx.actor.userId)))
  return row?.output ?? null
}
