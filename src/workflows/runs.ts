import { and, desc, eq, inArray, isNull, lt, sql, type WithSubquery } from 'drizzle-orm'
import { z } from 'zod'
import { AppError, decodeCursor, encodeCursor, s, toPage, type UserCtx } from '#core'
import { ownedBy, recordAct } from '#database'
import { settleRun } from '#proactivity'
import { kick, tell as tellEvent } from '#queue'
import { withdrawLeft } from './analyse.ts'
import { runRequested } from './fire.ts'
import { stopRun, wakeRun } from './instances.ts'
import { answerStep } from './record.ts'
import { changingRun, eventOf, shownRun, shownStep, tellRun } from './run-row.ts'
import { type Answer, MAX_STEPS_SHOWN, type Run, type RunDetail, type RunQuery } from './run-schema.ts'
import { runSteps, workflowRuns } from './tables.ts'
import { cancelHeld } from './world.ts'

const LIST = 'runs'
const CursorKey = z.tuple([s.id('run')])
const r = workflowRuns
const RETRIED = ['failed', 'compensated', 'cancelled', 'expired'] as const

type ReadCtx = Pick<UserCtx, 'actor' | 'db'>
type WriteCtx = ReadCtx & Pick<UserCtx, 'env' | 'newId' | 'waitUntil' | 'log'>
type ActCtx = WriteCtx & Parameters<typeof recordAct>[0]

/** What set out, newest first. One trip. */
export async function listRuns(ctx: ReadCtx, { limit, cursor, workflowId, status }: RunQuery) {
  const [before] = cursor === undefined ? [] : decodeCursor(LIST, cursor, CursorKey)
  const rows = await ctx.db
    .select({ run: shownRun(r) })
    .from(r)
    .where(
      and(
        ownedBy(ctx.actor, r.userId),
        before === undefined ? undefined : lt(r.id, before),
        workflowId === undefined ? undefined : eq(r.workflowId, workflowId),
        status === undefined ? undefined : eq(r.status, status),
      ),
    )
    .orderBy(desc(r.id))
    .limit(limit + 1)
  return toPage(
    rows.map(({ run }) => run),
    limit,
    (last) => encodeCursor(LIST, [last.id]),
  )
}

const mine = (ctx: ReadCtx, id: string) => and(eq(r.id, id), ownedBy(ctx.actor, r.userId))
const missing = () => new AppError('not_found', 'There is no such run')

/** One run with its steps in the order they were begun. One trip. */
export async function getRun(ctx: ReadCtx, id: string): Promise<RunDetail> {
  const steps = ctx.db
    .select({ step: shownStep(runSteps).as('step'), at: runSteps.startedAt, id: runSteps.id })
    .from(runSteps)
    .where(and(eq(runSteps.runId, id), sql`${runSteps.kind} <> 'answer'`))
    .orderBy(runSteps.startedAt, runSteps.id)
    .limit(MAX_STEPS_SHOWN)
    .as('shown')
  const question = sql<RunDetail['question']>`(select q.output from ${runSteps} q
    where q.run_id = ${id} and q.kind = 'question' and q.status = 'waiting' limit 1)`
  const [row] = await ctx.db
    .select({
      run: shownRun(r),
      steps: sql<
        RunDetail['steps']
      >`(select coalesce(json_agg(${steps.step} order by ${steps.at}, ${steps.id}), '[]') from ${steps})`,
      question,
    })
    .from(r)
    .where(mine(ctx, id))
  if (!row) throw missing()
  return row
}

/**
 * Ends a run where it stands; what it did stays, and is among its effects, and what it holds back is not done. What it asks
 * is asked no more. Again, it changes nothing. Up to seven trips.
 */
export async function cancelRun(ctx: UserCtx, id: string): Promise<Run> {
  const { db } = ctx
  const set = {
    status: 'cancelled' as const,
    outcome: 'cancelled',
    reason: 'cancelled',
    endedAt: sql`now()`,
    deadlineAt: null,
  }
  const changed = changingRun(ctx, id, set, isNull(r.endedAt))
  const told = tellRun(db, id, changed)
  const [row] = await db
    .with(changed, told)
    .select({ run: shownRun(changed), instanceId: changed.instanceId })
    .from(changed)
  if (row) {
    kick(ctx, [eventOf(row.run)])
    await recordAct(ctx, { person: ctx.actor.userId, target: id, changes: { status: 'cancelled' } })
    await stopRun(ctx, row.instanceId ?? id)
  }
  const run = row?.run ?? (await getRun(ctx, id)).run
  if (run.status === 'cancelled') {
    await cancelHeld(ctx, id)
    await withdrawLeft(ctx, id)
    await settleRun(ctx, id, { status: 'failed', detail: 'The run was cancelled' })
    return run
  }
  throw new AppError('conflict', 'The run has ended')
}

/** Another run of the same version, for the same reason; again, the same one. `conflict` where there is nothing to retry. Two trips. */
export async function retryRun(ctx: WriteCtx, id: string): Promise<Run> {
  const { db, actor } = ctx
  const newId = ctx.newId('run')
  const cause = `retry:${id}`
  const made = db.$with('made', {}).as(sql`
    insert into ${r} (id, user_id, workflow_id, definition_version, params, trigger_id, trigger_kind, trigger, cause,
      concurrency_key, priority, tainted, depth, retry_of)
    select ${newId}, user_id, workflow_id, definition_version, params, trigger_id, trigger_kind, trigger, ${cause},
      concurrency_key, priority, tainted, depth, id
    from ${r} where ${mine(ctx, id)} and ${inArray(r.status, [...RETRIED])}
    on conflict do nothing returning id, user_id, version`)
  const told = tellEvent(db, 'told', made, {
    kind: runRequested,
    userId: actor.userId,
    key: sql`made.id`,
    version: sql`made.version`,
    data: sql`jsonb_build_object('id', made.id, 'version', made.version)`,
  })
  const [row] = await db.with(made, told).select({ eventId: told.id }).from(told)
  if (row) kick(ctx, [row.eventId])
  const [run] = await db
    .select({ run: shownRun(r) })
    .from(r)
    .where(and(ownedBy(actor, r.userId), eq(r.retryOf, id), eq(r.cause, cause)))
  if (run) return run.run
  const { run: first } = await getRun(ctx, id)
  if (first.endedAt === null) throw new AppError('conflict', 'The run has not ended')
  const isBlocked = RETRIED.some((status) => status === first.status)
  throw new AppError('conflict', isBlocked ? 'A run for the same thing has not ended' : 'The run did not fail')
}

/** Tells a run what it asked; the first answer stands. `conflict` where it asks nothing. Two trips. */
export async function answerRun(ctx: ActCtx, id: string, { step, answer }: Answer): Promise<RunDetail> {
  const { db, actor } = ctx
  const asked: WithSubquery = db.$with('asked', {}).as(sql`
    select ${r}.id, ${r}.user_id, ${r}.instance_id from ${r} join ${runSteps} q on q.run_id = ${r}.id
    where ${mine(ctx, id)} and ${isNull(r.endedAt)} and q.step = ${`${step}:ask`} and q.status = 'waiting'
      and (jsonb_array_length(q.output->'choices') = 0 or q.output->'choices' ? ${answer}::text)`)
  const said = db.$with('said', {}).as(sql`
    insert into ${runSteps} (id, run_id, step, user_id, kind, status, output, ended_at)
    select id || '.' || ${answerStep(step)}::text, id, ${answerStep(step)}, user_id, 'answer', 'done',
      ${JSON.stringify({ answer })}::jsonb, now()
    from asked on conflict do nothing`)
  const [row] = await db.with(asked, said).select({ instanceId: sql<string | null>`asked.instance_id` }).from(asked)
  if (!row) {
    const { question } = await getRun(ctx, id)
    if (question?.step !== step)
      throw new AppError('conflict', question ? `It asks at ${question.step}` : 'The run asks nothing')
    const detail = `must be one of: ${question.choices.join(', ')}`
    throw new AppError('invalid_request', `/answer: ${detail}`, { errors: [{ pointer: '/answer', detail }] })
  }
  await recordAct(ctx, { person: actor.userId, target: id, changes: { step } })
  await wakeRun(ctx, row.instanceId ?? id, 'answered')
  return await getRun(ctx, id)
}
