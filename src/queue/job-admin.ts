import { and, desc, eq, inArray, lt, type SQL, sql } from 'drizzle-orm'
import { z } from 'zod'
import { AppError, type Ctx, decodeCursor, encodeCursor, s, toPage } from '#core'
import { appendAct, iso, jsonObject } from '#database'
import { GRACE, type JobQueue, type QueuedJob, relayJobs, SETTINGS } from './jobs.ts'
import { kick } from './outbox.ts'
import type { Job, JobQuery, JobQueueState, JobSelection, JobWithHistory } from './schema.ts'
import { JOB_QUEUES, jobAttempts, jobQueues, jobs } from './tables.ts'

const LIST = 'jobs'
const CursorKey = z.tuple([s.id('job')])
const MAX_HISTORY = 100
const MOST_AT_ONCE = 1000

// Whose chain the acts of whoever runs the deployment stand in.
const DEPLOYMENT = 'service'

type AdminCtx = Pick<
  Ctx,
  'db' | 'env' | 'waitUntil' | 'log' | 'actor' | 'client' | 'requestId' | 'operation' | 'callId'
>

const fields = {
  id: jobs.id,
  queue: jobs.queue,
  kind: jobs.kind,
  userId: sql`nullif(${jobs.owner}, '')`,
  ref: jobs.ref,
  status: jobs.status,
  attempts: jobs.attempts,
  maxAttempts: jobs.maxAttempts,
  losses: jobs.losses,
  errorCode: jobs.errorCode,
  availableAt: iso(jobs.availableAt),
  createdAt: iso(jobs.createdAt),
  endedAt: iso(jobs.endedAt),
}
const shown = jsonObject<Job>(fields)

/** How deep each queue is, how old what waits, what came of it in the last hour. One trip. */
export async function listJobQueues({ db }: Pick<Ctx, 'db'>): Promise<JobQueueState[]> {
  const of = (isSo: SQL) => sql`(select count(*) from ${jobs} j where j.queue = q.name and ${isSo})`
  const tries = sql`select count(*) filter (where a.outcome = 'done') as done,
      count(*) filter (where a.outcome = 'failed') as failed, count(*) filter (where a.outcome = 'lost') as lost,
      percentile_disc(0.95) within group (order by a.ended_at - a.started_at) as p95
    from ${jobAttempts} a join ${jobs} j on j.id = a.job_id
    where j.queue = q.name and a.started_at > now() - interval '1 hour'`
  const state = jsonObject<JobQueueState>({
    queue: sql`q.name`,
    pausedAt: iso(sql`p.paused_at`),
    ready: of(sql`j.status = 'waiting' and j.available_at <= now()`),
    later: of(sql`j.status = 'waiting' and j.available_at > now()`),
    running: of(sql`j.status = 'running'`),
    dead: of(sql`j.status = 'dead'`),
    setAside: of(sql`j.status = 'set_aside'`),
    oldestReadyS: sql`(select extract(epoch from now() - min(j.available_at))::int from ${jobs} j
      where j.queue = q.name and j.status = 'waiting' and j.available_at <= now())`,
    lastHour: sql`json_build_object('done', h.done, 'failed', h.failed, 'lost', h.lost,
      'p95Ms', (extract(epoch from h.p95) * 1000)::int)`,
  })
  const { rows } = await db.execute<{ state: JobQueueState }>(sql`
    select ${state} as state
    from jsonb_array_elements_text(${JSON.stringify(JOB_QUEUES)}::jsonb) with ordinality q (name, place)
    left join ${jobQueues} p on p.queue = q.name cross join lateral (${tries}) h order by q.place`)
  return rows.map((row) => row.state)
}

/** Jobs, newest first. One trip. */
export async function listJobs({ db }: Pick<Ctx, 'db'>, { limit, cursor, queue, status, kind, userId }: JobQuery) {
  const [after] = cursor ? decodeCursor(LIST, cursor, CursorKey) : []
  const rows = await db
    .select({ job: shown })
    .from(jobs)
    .where(
      and(
        queue && eq(jobs.queue, queue),
        status && eq(jobs.status, status),
        kind === undefined ? undefined : eq(jobs.kind, kind),
        userId === undefined ? undefined : eq(jobs.owner, userId),
        after === undefined ? undefined : lt(jobs.id, after),
      ),
    )
    .orderBy(desc(jobs.id))
    .limit(limit + 1)
  return toPage(
    rows.map(({ job }) => job),
    limit,
    (last) => encodeCursor(LIST, [last.id]),
  )
}

/** One job with its last hundred attempts, newest first. One trip. */
export async function getJob({ db }: Pick<Ctx, 'db'>, id: string): Promise<JobWithHistory> {
  const attempt = jsonObject({
    attempt: sql`a.attempt`,
    startedAt: iso(sql`a.started_at`),
    durationMs: sql`(extract(epoch from a.ended_at - a.started_at) * 1000)::int`,
    outcome: sql`a.outcome`,
    errorCode: sql`a.error_code`,
    error: sql`a.error`,
  })
  const history = sql`(select coalesce(json_agg(${attempt} order by a.attempt desc), '[]') from (
    select * from ${jobAttempts} where job_id = ${jobs.id} order by attempt desc limit ${MAX_HISTORY}) a)`
  const [row] = await db
    .select({ job: jsonObject<JobWithHistory>({ ...fields, history }) })
    .from(jobs)
    .where(eq(jobs.id, id))
  if (!row) throw missing()
  return row.job
}

/** `not_found` where no queue has this name. */
export function requireQueue(name: string): JobQueue {
  const queue = JOB_QUEUES.find((known) => known === name)
  if (!queue) throw new AppError('not_found', 'There is no such queue')
  return queue
}

const missing = () => new AppError('not_found', 'There is no such job')

const MOST_BY_QUEUE = JSON.stringify(
  Object.fromEntries(Object.entries(SETTINGS).map(([queue, { maxAttempts }]) => [queue, maxAttempts])),
)
// With as many attempts more as a new one has, its history kept.
const REVIVED = {
  status: 'waiting' as const,
  maxAttempts: sql`${jobs.attempts} + (${MOST_BY_QUEUE}::jsonb ->> ${jobs.queue})::int`,
  losses: 0,
  availableAt: sql`now()`,
  sendAt: sql`now() + ${GRACE}`,
  endedAt: null,
}
const CANCELLED = { status: 'cancelled' as const, sendAt: null, endedAt: sql`now()` }

/** Lets a job be tried again at once, whatever ended it. `conflict` while it runs, and when it is done. Two trips at most. */
export async function retryJob(ctx: AdminCtx, id: string): Promise<Job> {
  const isOpen = inArray(jobs.status, ['waiting', 'dead', 'set_aside', 'cancelled'])
  const revived = ctx.db
    .update(jobs)
    .set(REVIVED)
    .where(and(eq(jobs.id, id), isOpen))
    .returning({ job: shown.as('job') })
  const { rows } = await ctx.db.execute<{ job: Job }>(sql`
    with changed as ${revived},
    noted as (select ${appendAct(ctx, { person: DEPLOYMENT, target: id, changes: sql`'{}'` })} from changed)
    select changed.job from changed, noted`)
  const [row] = rows
  if (!row) {
    const { status } = await getJob(ctx, id)
    throw new AppError('conflict', status === 'done' ? 'This job is done' : 'This job is running')
  }
  kick(ctx, [{ queue: row.job.queue, jobId: id }])
  return row.job
}

/** The oldest thousand of a queue that are so, and of one kind where that is named. */
function oldest({ db }: AdminCtx, queue: JobQueue, { kind }: JobSelection, status: 'waiting' | 'dead'): SQL {
  const isKind = kind === undefined ? undefined : eq(jobs.kind, kind)
  const those = and(eq(jobs.queue, queue), eq(jobs.status, status), isKind)
  const ids = db.select({ id: jobs.id }).from(jobs).where(those).orderBy(jobs.id).limit(MOST_AT_ONCE)
  return sql`${jobs.id} in (${ids.for('update', { skipLocked: true })})`
}

/** Changes jobs of a queue and tells the audit how many: one commit, one trip. */
async function change(
  ctx: AdminCtx,
  queue: JobQueue,
  set: typeof REVIVED | typeof CANCELLED,
  those: SQL,
): Promise<QueuedJob[]> {
  const changed = ctx.db.update(jobs).set(set).where(those).returning({ id: jobs.id })
  const count = sql`json_build_object('after', json_build_object('jobs', (select count(*) from changed)))`
  const { rows } = await ctx.db.execute<{ ids: string[] }>(sql`
    with changed as ${changed},
    noted as (select ${appendAct(ctx, { person: DEPLOYMENT, target: queue, changes: count })})
    select (select coalesce(json_agg(c.id), '[]') from changed c) as ids from noted`)
  return (rows[0]?.ids ?? []).map((jobId) => ({ jobId, queue }))
}

/** Lets a thousand dead jobs of a queue be tried again, oldest first; answers how many. What was set aside is not among them. */
export async function redriveJobs(ctx: AdminCtx, queue: JobQueue, selection: JobSelection): Promise<number> {
  const revived = await change(ctx, queue, REVIVED, oldest(ctx, queue, selection, 'dead'))
  kick(ctx, revived)
  return revived.length
}

/** Cancels a thousand jobs of a queue that wait, oldest first; answers how many. What runs is not stopped. */
export async function purgeJobs(ctx: AdminCtx, queue: JobQueue, selection: JobSelection): Promise<number> {
  return (await change(ctx, queue, CANCELLED, oldest(ctx, queue, selection, 'waiting'))).length
}

/**
 * From the next claim on nothing of a paused queue is begun, and what runs ends; resumed, the longest ready are sent for
 * at once, and all others by the relay within minutes.
 */
export async function pauseJobs(ctx: AdminCtx, queue: JobQueue, paused: boolean): Promise<JobQueueState> {
  const pausedAt = paused ? sql`now()` : null
  const set = { pausedAt: paused ? sql`coalesce(${jobQueues.pausedAt}, now())` : null }
  const saved = ctx.db
    .insert(jobQueues)
    .values({ queue, pausedAt })
    .onConflictDoUpdate({ target: jobQueues.queue, set })
  const changes = sql`${JSON.stringify({ after: { paused } })}`
  const noted = ctx.db.execute(sql`select ${appendAct(ctx, { person: DEPLOYMENT, target: queue, changes })}`)
  if (paused) await ctx.db.batch([saved, noted])
  else {
    const ready = sql`${jobs.queue} = ${queue} and ${jobs.status} = 'waiting' and ${jobs.availableAt} <= now()`
    const first = ctx.db.select({ id: jobs.id }).from(jobs).where(ready).orderBy(jobs.availableAt).limit(MOST_AT_ONCE)
    const sent = ctx.db
      .update(jobs)
      .set({ sendAt: sql`now()` })
      .where(sql`${jobs.id} in (${first.for('update', { skipLocked: true })})`)
    await ctx.db.batch([saved, sent, noted])
    const { log } = ctx
    ctx.waitUntil(relayJobs(ctx).catch((error: unknown) => log.warn('jobs.kick_failed', { reason: String(error) })))
  }
  const state = (await listJobQueues(ctx)).find((one) => one.queue === queue)
  if (!state) throw new Error('a queue is not among the queues')
  return state
}
