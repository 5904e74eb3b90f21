import { type Column, type SQL, sql, type WithSubquery } from 'drizzle-orm'
import { type Ctx, inTime } from '#core'
import type { JobMessage } from './schema.ts'
import { type JOB_QUEUES, jobQueues, jobs } from './tables.ts'

export type JobQueue = (typeof JOB_QUEUES)[number]

type Binding = 'JOBS_EMAIL' | 'JOBS_AI_TASKS' | 'JOBS_INTEGRATIONS' | 'JOBS_NOTIFICATIONS' | 'JOBS_ANALYTICS'
type Settings = {
  binding: Binding
  maxAttempts: number
  /** The most that is waited after the first failure; it doubles with each, up to `capS`. */
  baseS: number
  capS: number
  /** How long a handler may take. */
  deadlineMs: number
}

/** What a queue is for says how long its work may take and how soon it is tried again. */
export const SETTINGS: Readonly<Record<JobQueue, Settings>> = {
  // An hour and a half at most: a link that comes later is of no use to whoever asked for it.
  email: { binding: 'JOBS_EMAIL', maxAttempts: 12, baseS: 4, capS: 1800, deadlineMs: 15_000 },
  'ai-tasks': { binding: 'JOBS_AI_TASKS', maxAttempts: 8, baseS: 30, capS: 3600, deadlineMs: 60_000 },
  integrations: { binding: 'JOBS_INTEGRATIONS', maxAttempts: 6, baseS: 10, capS: 600, deadlineMs: 60_000 },
  // Of a person, twenty-five at most, five at a time.
  notifications: { binding: 'JOBS_NOTIFICATIONS', maxAttempts: 8, baseS: 2, capS: 300, deadlineMs: 45_000 },
  analytics: { binding: 'JOBS_ANALYTICS', maxAttempts: 6, baseS: 60, capS: 3600, deadlineMs: 30_000 },
}

// The sender's own kick goes first; the relay takes what was not heard of ten seconds later.
export const GRACE = sql`interval '10 seconds'`
const SENT_AGAIN = sql`interval '5 minutes'`
const MOST_DELAY_S = 43_200
const SEND_BATCH = 100
const SEND_MS = 10_000
const MAX_PER_TICK = 2000
const PRUNE_BATCH = 5000
const MAX_PRUNE_PASSES = 20

/** `key` names the work: the same key again is the same job. `ref` is what it is about, never what is in it. */
export type NewJob = { id: string; queue: JobQueue; kind: string; userId: string | null; ref: string; key: string }

/** A job to `kick` after its commit. */
export type QueuedJob = { queue: JobQueue; jobId: string; delayS?: number }

/** Work to be done later, as a statement for the batch of what asks for it; answers what is new. */
export function enqueue(db: Ctx['db'], made: NewJob[]) {
  const rows = made.map(({ userId, ...job }) => {
    const { maxAttempts } = SETTINGS[job.queue]
    return { ...job, owner: userId ?? '', maxAttempts, sendAt: sql`now() + ${GRACE}` }
  })
  return db
    .insert(jobs)
    .values(rows)
    .onConflictDoNothing({ target: jobs.key })
    .returning({ jobId: jobs.id, queue: jobs.queue })
}

type Value = SQL | Column | SQL.Aliased
type JobOf = { id: string; queue: JobQueue; kind: string; userId: Value; ref: Value; key: Value }

/** The same as a CTE fed by the CTE that made what the job is about: no change, no job, one statement. One row at most. */
export function enqueueOf(db: Ctx['db'], name: string, from: WithSubquery, { id, queue, kind, ...of }: JobOf) {
  const made = sql`
    insert into ${jobs} (id, queue, kind, owner, ref, key, max_attempts, send_at)
    select ${id}, ${queue}, ${kind}, coalesce(${of.userId}, ''), ${of.ref}, ${of.key},
      ${SETTINGS[queue].maxAttempts}::int, now() + ${GRACE} from ${from}
    on conflict (key) do nothing returning id`
  return db.$with(name, { id: sql<string>`id`.as('id') }).as(made)
}

const message = (jobId: string): JobMessage => ({ v: 1, kind: 'job', jobId })

/** Hands jobs to their queue; one message asks for one claim, whoever's turn it is. */
export async function sendJobs(env: Ctx['env'], queued: readonly QueuedJob[]): Promise<void> {
  for (const [queue, theirs] of Map.groupBy(queued, (job) => job.queue)) {
    for (let at = 0; at < theirs.length; at += SEND_BATCH) {
      const messages = theirs.slice(at, at + SEND_BATCH).map(({ jobId, delayS = 0 }) => ({
        body: message(jobId),
        delaySeconds: Math.min(MOST_DELAY_S, Math.ceil(delayS)),
      }))
      await inTime(SEND_MS, () => env[SETTINGS[queue].binding].sendBatch(messages))
    }
  }
}

/** Sends a message for each job that waits and was not claimed in time; answers how many. A paused queue's are left. */
export async function relayJobs({ db, env, log }: Pick<Ctx, 'db' | 'env' | 'log'>): Promise<number> {
  let sent = 0
  while (sent < MAX_PER_TICK) {
    const { rows } = await db.execute<{ jobId: string; queue: JobQueue }>(sql`
      update ${jobs} set send_at = now() + ${SENT_AGAIN} where id in (
        select j.id from ${jobs} j where j.send_at <= now()
          and j.queue not in (select q.queue from ${jobQueues} q where q.paused_at is not null)
        order by j.send_at limit ${SEND_BATCH} for update skip locked)
      returning id as "jobId", queue`)
    if (rows.length > 0) await sendOrGiveBack({ db, env }, rows)
    sent += rows.length
    if (rows.length < SEND_BATCH) break
  }
  if (sent > 0) log.info('jobs.relayed', { sent })
  return sent
}

// A queue that takes nothing is no fault of the jobs: they wait no longer for it.
async function sendOrGiveBack({ db, env }: Pick<Ctx, 'db' | 'env'>, queued: QueuedJob[]): Promise<void> {
  try {
    await sendJobs(env, queued)
  } catch (error) {
    const ids = JSON.stringify(queued.map(({ jobId }) => jobId))
    await db.execute(sql`update ${jobs} set send_at = now()
      where send_at is not null and id in (select jsonb_array_elements_text(${ids}::jsonb))`)
    throw error
  }
}

/** Drops what was done or cancelled a week ago, and what died or was set aside a month ago; their attempts go with them. */
export async function pruneJobs({ db }: Pick<Ctx, 'db'>): Promise<void> {
  for (let pass = 0; pass < MAX_PRUNE_PASSES; pass++) {
    const { rows } = await db.execute<{ gone: string }>(sql`
      with old as (
        delete from ${jobs} where id in (
          select id from ${jobs} where ended_at < now() - interval '7 days'
            and (status in ('done', 'cancelled') or ended_at < now() - interval '30 days')
          limit ${PRUNE_BATCH})
        returning 1)
      select count(*) as gone from old`)
    if (Number(rows[0]?.gone ?? 0) < PRUNE_BATCH) return
  }
}

const MAX_UINT32 = 2 ** 32
/** From 0 to 1. */
export const chance = () => (crypto.getRandomValues(new Uint32Array(1))[0] ?? 0) / MAX_UINT32
