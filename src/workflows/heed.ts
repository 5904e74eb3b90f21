import { and, eq, type SQL, sql } from 'drizzle-orm'
import { AppError, type UserCtx } from '#core'
import { ownedBy } from '#database'
import { settleRun } from '#proactivity'
import { BEGINS_WITHIN, begin, nextInstance, wakeRun } from './instances.ts'
import { decisionStep } from './record.ts'
import { step } from './row.ts'
import { runSteps, workflowRuns, workflows } from './tables.ts'

const r = workflowRuns
type Said = { id: string; decision: string; actions: unknown[] }

// One that did what it was allowed and left the rest goes on for a yes; one that failed or was stopped does not.
const canGoOn = sql<boolean>`(${r.status} in ('done', 'expired') and ${r.outcome} in ('nothing', 'expired', 'acted'))`

/**
 * Writes down what the person decided, and wakes the run; one that had ended without it is begun again for a yes. What no
 * run carries out any more is settled. Heard again, it changes nothing. One trip, two where it has to be settled.
 */
export async function heed(ctx: UserCtx, runId: string, { id, decision, actions }: Said): Promise<void> {
  const { db, actor } = ctx
  const name = decisionStep(id)
  const own = and(eq(r.id, runId), ownedBy(actor, r.userId))
  // Locked: the run ends either before this, and is begun again here, or after it, and looks for late words itself.
  const run = step(db, 'run', sql`select ${r.id}, ${r.userId} from ${r} where ${own} for update`)
  const said = step(
    db,
    'said',
    sql`insert into ${runSteps} (id, run_id, step, user_id, kind, status, says, output, ended_at)
      select run.id || '.' || ${name}::text, run.id, ${name}, run.user_id, 'decision', 'done', ${decision},
        ${JSON.stringify({ decision, actions })}::jsonb, now()
      from run on conflict do nothing returning run_id`,
  )
  // Where nothing is left to be done, there is nothing to begin again for.
  const isYes = decision === 'approved' && actions.length > 0
  const reopened = reopening(ctx, sql`${r.id} in (select said.run_id from said) and ${isYes}::boolean`)
  const [row] = await db
    .with(run, said, reopened)
    .select({ open: r.instanceId, endedAt: r.endedAt, canGoOn, again: reopened.instanceId })
    .from(r)
    .leftJoin(reopened, eq(reopened.id, r.id))
    .where(own)
  if (row?.again) await begin(ctx, actor.userId, runId, row.again)
  else if (row?.endedAt === null) await wakeRun(ctx, row.open ?? runId, 'decided')
  else if (decision === 'approved' && !row?.canGoOn)
    await settleRun(ctx, runId, { status: 'failed', detail: 'The run had ended' }, [id])
}

// Found out before a model was asked, and to be found out as of then.
const STALE = [':gather', ':gate', ':leave', ':analyse'].map((name) => sql`${name}`)

/**
 * Begins a run again that ended before it could ask a model, with what is so by then; heard again, it changes nothing.
 * Throws while it has not ended. One trip.
 */
export async function lookAgain(ctx: UserCtx, runId: string, suggestionId: string): Promise<void> {
  const { db, actor } = ctx
  const name = `:again:${suggestionId}`
  const own = and(eq(r.id, runId), ownedBy(actor, r.userId))
  const isOn = sql`exists (select 1 from ${workflows} w where w.id = ${r.workflowId} and w.status = 'enabled' and w.deleted_at is null)`
  const said = step(
    db,
    'said',
    sql`insert into ${runSteps} (id, run_id, step, user_id, kind, status, ended_at)
      select ${r.id} || '.' || ${name}::text, ${r.id}, ${name}, ${r.userId}, 'again', 'done', now()
      from ${r} where ${own} and ${r.endedAt} is not null and ${canGoOn} and ${isOn}
      on conflict do nothing returning run_id`,
  )
  const these = sql`(select said.run_id from said)`
  const forgotten = step(
    db,
    'forgotten',
    sql`delete from ${runSteps} where run_id in ${these} and step in (${sql.join(STALE, sql`, `)}) returning run_id`,
  )
  const reopened = reopening(ctx, sql`${r.id} in ${these}`)
  const [row] = await db
    .with(said, forgotten, reopened)
    .select({
      endedAt: r.endedAt,
      again: reopened.instanceId,
      isHeard: sql<boolean>`exists (select 1 from ${runSteps} where run_id = ${runId} and step = ${name})`,
    })
    .from(r)
    .leftJoin(reopened, eq(reopened.id, r.id))
    .where(own)
  if (row?.again) await begin(ctx, actor.userId, runId, row.again)
  else if (row?.endedAt === null && !row.isHeard) throw new AppError('unavailable', 'The run has not ended yet')
}

function reopening({ db, actor }: Pick<UserCtx, 'db' | 'actor'>, where: SQL) {
  // Another with its key may be under way: the yes is the person's own, and goes before it.
  const isTaken = sql`exists (select 1 from ${r} o where o.workflow_id = ${r.workflowId}
    and o.concurrency_key = ${r.concurrencyKey} and o.ended_at is null)`
  return db.$with('reopened').as(
    db
      .update(r)
      .set({
        ...{ status: 'running', outcome: null, reason: null, endedAt: null },
        instanceId: nextInstance,
        concurrencyKey: sql`case when not ${isTaken} then ${r.concurrencyKey} end`,
        deadlineAt: sql`now() + ${BEGINS_WITHIN}`,
        version: sql`${r.version} + 1`,
      })
      .where(and(ownedBy(actor, r.userId), sql`${r.endedAt} is not null`, canGoOn, where))
      .returning({ id: r.id, instanceId: r.instanceId }),
  )
}

/** Begins a run again that ended before it heard a yes to one of these suggestions. One trip. */
export async function goOn(ctx: UserCtx, runId: string, suggestionIds: string[]): Promise<void> {
  const { db, actor } = ctx
  const steps = JSON.stringify(suggestionIds.map(decisionStep))
  const isAllowed = sql`exists (select 1 from ${runSteps} q where q.run_id = ${r.id} and q.says = 'approved'
    and q.step in (select jsonb_array_elements_text(${steps}::jsonb)) and jsonb_array_length(q.output->'actions') > 0)`
  const reopened = reopening(ctx, sql`${r.id} = ${runId} and ${isAllowed}`)
  const [row] = await db.with(reopened).select({ again: reopened.instanceId }).from(reopened)
  if (row?.again) await begin(ctx, actor.userId, runId, row.again)
}
