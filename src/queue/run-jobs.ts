import { type SQL, sql } from 'drizzle-orm'
import { AppError, type Ctx, describeError, findAppError, within } from '#core'
import { acting } from '#database'
import type { Message } from './consume.ts'
import { chance, GRACE, type JobQueue, type QueuedJob, SETTINGS, sendJobs } from './jobs.ts'
import { JobMessage } from './schema.ts'
import { jobAttempts, jobQueues, jobs } from './tables.ts'

/** What a handler is given: `id` and `key` are the same at every attempt, so that what it does can be done once. */
export type Job = { id: string; kind: string; userId: string | null; ref: string; key: string; attempt: number }

/**
 * Does the work of one kind. It runs at least once, by one consumer at a time until its deadline; what it does is to be
 * found again by the job's `ref` or `key`. It throws to be tried again, not before `retryAfterS` where it says so.
 */
export type JobHandler = (ctx: Ctx, job: Job) => Promise<void>

// As many as a Worker has connections, but one for the database. The most of a batch, in wrangler.toml.
const AT_ONCE = 5
/** As often a job may take its consumer with it; then it is set aside. */
export const MAX_LOSSES = 3
const PEOPLE_SCANNED = 200
// Others claim at the same time: so many more are looked at than are taken.
const SPARE = 4
const LEASE_GRACE_S = 10
const REFUSED_RETRY_S = 300
const MAX_ERROR = 500

type Claimed = Job & { maxAttempts: number; isSuspect: boolean; isSetAside: boolean }

/**
 * Serves a batch of a queue of jobs. A message asks for one claim and names no turn: who has least running goes first,
 * so that somebody's ten thousand jobs keep nobody else's waiting. What a crash leaves behind is claimed after its lease.
 * A paused queue's messages are forgotten: the relay sends others when it goes on.
 */
export async function takeJobs(
  ctx: Ctx,
  queue: JobQueue,
  messages: readonly Message[],
  handlers: Readonly<Record<string, JobHandler>>,
): Promise<void> {
  const asked = messages.flatMap((message) => {
    const jobId = JobMessage.safeParse(message.body).data?.jobId
    if (jobId === undefined) refuse(ctx, message)
    return jobId === undefined ? [] : [{ message, jobId }]
  })
  const [first] = asked
  for (let left = asked.length; first && left > 0; ) {
    const claimed = await claim(ctx, queue, Math.min(left, AT_ONCE), first.jobId)
    if (claimed.length === 0) break
    const [suspects, others] = [claimed.filter((job) => job.isSuspect), claimed.filter((job) => !job.isSuspect)]
    await Promise.all(others.map((job) => run(ctx, queue, job, handlers)))
    // Alone, and last: what kills its consumer takes nobody else's work with it.
    for (const job of suspects) await run(ctx, queue, job, handlers)
    left -= claimed.length
  }
  for (const { message } of asked) message.ack()
}

function refuse({ log }: Ctx, message: Message): void {
  log.error('queue.refused', { messageId: message.id, reason: 'not a job' })
  message.retry({ delaySeconds: REFUSED_RETRY_S })
}

const READY = sql`status = 'waiting' and available_at <= now()`

/**
 * Takes up to `most` jobs for this consumer alone until their lease is over: those of whoever has least running, round by
 * round, and at most one that was lost. Two hundred people are looked at, from the one whose job `from` is. One trip.
 */
async function claim({ db, log }: Ctx, queue: JobQueue, most: number, from: string): Promise<Claimed[]> {
  const ofQueue = sql`queue = ${queue}`
  const leaseS = (2 * SETTINGS[queue].deadlineMs) / 1000 + LEASE_GRACE_S
  const lease = sql`now() + ${leaseS} * interval '1 second'`
  const next = (after: SQL) =>
    sql`(select owner from ${jobs} where ${ofQueue} and ${READY} ${after} order by owner limit 1)`
  const isOver = sql`(j.status = 'running' and j.losses + 1 >= ${MAX_LOSSES})`
  const { rows } = await db.execute<Claimed>(sql`
    with state as (
      select not exists (select 1 from ${jobQueues} where ${ofQueue} and paused_at is not null) as goes),
    people as (
      with recursive walk (owner) as (
        select coalesce((select owner from ${jobs} where id = ${from}), '')
        union select coalesce(${next(sql`and owner > w.owner`)}, ${next(sql``)}) from walk w where w.owner is not null)
      select owner from walk where owner is not null limit ${PEOPLE_SCANNED}),
    turns as (
      select j.*, busy.jobs + row_number() over (partition by p.owner order by j.available_at, j.id) as place
      from people p
      cross join lateral (
        select count(*) as jobs from ${jobs} where ${ofQueue} and status = 'running' and owner = p.owner) busy
      cross join lateral (
        select id, available_at from ${jobs} where ${ofQueue} and ${READY} and owner = p.owner
        order by available_at, id limit ${most * SPARE}) j),
    lost as (
      select id from ${jobs} where ${ofQueue} and status = 'running' and available_at <= now() and (select goes from state)
      order by available_at limit 1 for update skip locked),
    fresh as (
      select w.id from turns t join ${jobs} w on w.id = t.id
      where w.status = 'waiting' and w.available_at <= now() and (select goes from state)
      order by t.place, t.available_at, t.id limit ${most} for update of w skip locked),
    taken as (
      update ${jobs} j set
        status = case when ${isOver} then 'set_aside' else 'running' end,
        losses = j.losses + case when j.status = 'running' then 1 else 0 end,
        attempts = j.attempts + case when ${isOver} then 0 else 1 end,
        error_code = case when j.status = 'running' then 'lost' else j.error_code end,
        available_at = ${lease},
        send_at = case when ${isOver} then null else ${lease} + ${GRACE} end,
        ended_at = case when ${isOver} then now() end
      where j.id in (select id from lost union all select id from fresh)
      returning j.*, j.id in (select id from lost) as was_lost),
    unheard as (
      update ${jobAttempts} a set outcome = 'lost', ended_at = now(), error_code = 'lost' from taken t
      where t.was_lost and a.job_id = t.id and a.outcome is null),
    begun as (
      insert into ${jobAttempts} (job_id, attempt) select id, attempts from taken where status = 'running')
    select id, kind, nullif(owner, '') as "userId", ref, key, attempts as attempt, max_attempts as "maxAttempts",
      was_lost as "isSuspect", status = 'set_aside' as "isSetAside"
    from taken`)
  const asides = rows.filter(({ isSetAside }) => isSetAside)
  for (const { id, kind } of asides) log.error('job.set_aside', { queue, kind, jobId: id, losses: MAX_LOSSES })
  return rows.filter(({ isSetAside }) => !isSetAside)
}

/** Never throws: what could not be noted is tried again after the lease. */
async function run(ctx: Ctx, queue: JobQueue, job: Claimed, handlers: Readonly<Record<string, JobHandler>>) {
  const about = { queue, kind: job.kind, jobId: job.id, attempt: job.attempt }
  try {
    const failure = await attempt(ctx, queue, job, handlers[job.kind])
    const isMine = failure === null ? await noteDone(ctx, job) : await noteFailure(ctx, queue, job, failure)
    if (!isMine) ctx.log.warn('job.late', about)
  } catch (error) {
    ctx.log.error('job.unsettled', { ...about, ...describeError(error) })
  }
}

type Failure = { code: string; error: string; retryAfterS: number }

async function attempt(ctx: Ctx, queue: JobQueue, job: Claimed, handler?: JobHandler): Promise<Failure | null> {
  const { id, kind, userId, ref, key, attempt } = job
  try {
    // As while a deployment goes out: the one that knows it may be the next to claim it.
    if (!handler) throw new AppError('unavailable', 'Nobody here knows this kind')
    await within(SETTINGS[queue].deadlineMs, handler(acting(ctx, kind), { id, kind, userId, ref, key, attempt }))
    return null
  } catch (error) {
    const said = describeError(error)
    ctx.log.warn('job.failed', { queue, kind, jobId: id, attempt, ...said })
    const known = findAppError(error)
    const isLate = error instanceof Error && error.name === 'TimeoutError'
    const code = known?.code ?? (isLate ? 'timeout' : 'internal')
    return { code, error: String(said['error']).slice(0, MAX_ERROR), retryAfterS: known?.retryAfterS ?? 0 }
  }
}

// After its lease the job is another's: then nothing is noted.
const held = ({ id, attempt }: Claimed) => sql`j.id = ${id} and j.status = 'running' and j.attempts = ${attempt}`

async function noteDone({ db }: Ctx, job: Claimed): Promise<boolean> {
  const { rows } = await db.execute(sql`
    with done as (
      update ${jobs} j set status = 'done', error_code = null, send_at = null, ended_at = now()
      where ${held(job)} returning id),
    noted as (
      update ${jobAttempts} a set outcome = 'done', ended_at = now() from done d
      where a.job_id = d.id and a.attempt = ${job.attempt})
    select id from done`)
  return rows.length > 0
}

async function noteFailure(ctx: Ctx, queue: JobQueue, job: Claimed, { code, error, retryAfterS }: Failure) {
  const { id: jobId, kind, attempt, maxAttempts } = job
  const isDead = attempt >= maxAttempts
  const delayS = Math.max(retryAfterS, backoffS(queue, attempt, chance()))
  const again = sql`now() + ${delayS}::float8 * interval '1 second'`
  const next = isDead
    ? sql`status = 'dead', send_at = null, ended_at = now()`
    : sql`status = 'waiting', available_at = ${again}, send_at = ${again} + ${GRACE}`
  const { rows } = await ctx.db.execute(sql`
    with failed as (update ${jobs} j set error_code = ${code}, ${next} where ${held(job)} returning id),
    noted as (
      update ${jobAttempts} a set outcome = 'failed', ended_at = now(), error_code = ${code}, error = ${error}
      from failed f where a.job_id = f.id and a.attempt = ${attempt})
    select id from failed`)
  if (rows.length === 0) return false
  if (isDead) ctx.log.error('job.dead', { queue, kind, jobId, attempts: attempt, code })
  else hurry(ctx, { queue, jobId, delayS })
  return true
}

function hurry({ env, waitUntil, log }: Ctx, job: QueuedJob): void {
  const sent = sendJobs(env, [job])
  waitUntil(sent.catch((error: unknown) => log.warn('jobs.kick_failed', { reason: String(error) })))
}

/**
 * Full jitter: anything from nothing to a bound that doubles with each attempt, so that those who failed together do not
 * come back together. `chance` is from 0 to 1.
 */
export function backoffS(queue: JobQueue, attempt: number, chance: number): number {
  const { baseS, capS } = SETTINGS[queue]
  return chance * Math.min(capS, baseS * 2 ** (attempt - 1))
}
