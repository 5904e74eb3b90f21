import { and, eq, isNull, type SQL, sql } from 'drizzle-orm'
import type { PgUpdateSetSource } from 'drizzle-orm/pg-core'
import { type Ctx, defineEvent, type UserCtx } from '#core'
import { type ColumnsOf, iso, jsonObject, ownedBy } from '#database'
import { tell } from '#queue'
import { Run, type RunStep } from './run-schema.ts'
import { type runSteps, workflowRuns } from './tables.ts'

type RunColumns = ColumnsOf<typeof workflowRuns>
type Asking = Pick<UserCtx, 'actor' | 'db'>

/** Whoever listens to `run:<id>` is told each turn it takes. */
const runUpdated = (id: string) => defineEvent('run.updated', `run:${id}`, Run)
export const RUN_UPDATED = runUpdated('').type

/** The chosen columns of a run, as JSON made by Postgres. */
export function shownRun(r: RunColumns): SQL<Run> {
  return jsonObject<Run>({
    id: r.id,
    workflowId: r.workflowId,
    definitionVersion: r.definitionVersion,
    status: r.status,
    trigger: jsonObject({ kind: r.triggerKind }),
    priority: r.priority,
    tainted: r.tainted,
    retryOf: r.retryOf,
    outcome: r.outcome,
    reason: r.reason,
    evidence: r.evidence,
    findings: r.findings,
    error: r.error,
    parked: r.parked,
    suggestionId: r.suggestionId,
    accepted: r.accepted,
    savedMinutes: r.savedMinutes,
    costMicros: r.costMicros,
    startedAt: iso(r.startedAt),
    endedAt: iso(r.endedAt),
    version: r.version,
    createdAt: iso(r.createdAt),
    updatedAt: iso(r.updatedAt),
  })
}

export function shownStep(one: ColumnsOf<typeof runSteps>): SQL<RunStep> {
  return jsonObject<RunStep>({
    step: one.step,
    kind: one.kind,
    status: one.status,
    attempts: one.attempts,
    says: one.says,
    effectId: one.effectId,
    evidence: one.evidence,
    error: one.error,
    startedAt: iso(one.startedAt),
    endedAt: iso(one.endedAt),
  })
}

type Changes = PgUpdateSetSource<typeof workflowRuns>

/** A CTE that changes one run of the person's and returns it whole. */
export function changingRun({ db, actor }: Asking, id: string, set: Changes, where: SQL | undefined) {
  return db.$with('changed').as(
    db
      .update(workflowRuns)
      .set({ ...set, version: sql`${workflowRuns.version} + 1`, updatedAt: sql`now()` })
      .where(and(eq(workflowRuns.id, id), ownedBy(actor, workflowRuns.userId), where))
      .returning(),
  )
}

/** The event of what a CTE made of a run, as a CTE. */
export function tellRun(db: Ctx['db'], id: string, from: ReturnType<typeof changingRun>) {
  const { userId, version } = from
  return tell(db, 'told', from, { kind: runUpdated(id), userId, key: from.id, version, data: shownRun(from) })
}

export const eventOf = ({ id, version }: { id: string; version: number }) => `${id}.${version}.${RUN_UPDATED}`

/** It has not ended, and this instance has it. */
export const held = (instanceId: string): SQL | undefined =>
  and(isNull(workflowRuns.endedAt), eq(workflowRuns.instanceId, instanceId))
