import { z } from '@hono/zod-openapi'
import { s } from '#core'
import { JOB_QUEUES, JOB_STATUSES } from './tables.ts'

/** What travels through the queue: a reference to an outbox row, never its content. */
export const Envelope = z.strictObject({
  v: z.literal(1),
  kind: z.literal('event'),
  outboxId: z.string().min(1).max(120),
})
export type Envelope = z.infer<typeof Envelope>

/** What travels through a queue of jobs: which one asked, and nothing of it. */
export const JobMessage = z.strictObject({ v: z.literal(1), kind: z.literal('job'), jobId: s.id('job') })
export type JobMessage = z.infer<typeof JobMessage>

export const DeadLetter = z
  .strictObject({
    id: z.string().max(120),
    queue: z.string().max(64),
    outboxId: z.string().max(120).nullable(),
    failedAt: s.instant,
  })
  .openapi('DeadLetter')
export type DeadLetter = z.infer<typeof DeadLetter>
export const DeadLetterPage = s.pageOf(DeadLetter).openapi('DeadLetterPage')

const MOST = 2_147_483_647
const count = s.int(0, MOST)
const kind = s.line(64)
const JobQueueName = z.enum(JOB_QUEUES)
const JobStatus = z.enum(JOB_STATUSES)

const jobFields = () => ({
  id: s.id('job'),
  queue: JobQueueName,
  kind,
  userId: s.id('usr').nullable(),
  ref: z.string().max(200).openapi({ description: 'What it is about' }),
  status: JobStatus,
  attempts: count,
  maxAttempts: count,
  losses: count.openapi({ description: 'Attempts that nobody heard the end of' }),
  errorCode: z.string().max(64).nullable(),
  availableAt: s.instant.openapi({ description: 'Not before it; while it runs, when it is given to another' }),
  createdAt: s.instant,
  endedAt: s.instant.nullable(),
})
export const Job = s.later(() => z.strictObject(jobFields()).openapi('Job'))
export type Job = z.infer<ReturnType<typeof Job>>
export const JobPage = s.later(() => s.pageOf(Job()).openapi('JobPage'))
export const JobQuery = z.strictObject({
  limit: s.limit,
  cursor: s.cursor,
  queue: JobQueueName.optional(),
  status: JobStatus.optional(),
  kind: kind.optional(),
  userId: s.id('usr').optional(),
})
export type JobQuery = z.infer<typeof JobQuery>

const JobAttempt = s.later(() =>
  z
    .strictObject({
      attempt: count,
      startedAt: s.instant,
      durationMs: count.nullable(),
      outcome: z.enum(['done', 'failed', 'lost']).nullable().openapi({ description: 'Null while it runs' }),
      errorCode: z.string().max(64).nullable(),
      error: z.string().max(500).nullable(),
    })
    .openapi('JobAttempt'),
)
export const JobWithHistory = s.later(() =>
  z.strictObject({ ...jobFields(), history: s.list(JobAttempt(), 100) }).openapi('JobWithHistory'),
)
export type JobWithHistory = z.infer<ReturnType<typeof JobWithHistory>>

export const JobQueueState = s.later(() =>
  z
    .strictObject({
      queue: JobQueueName,
      pausedAt: s.instant.nullable(),
      ready: count.openapi({ description: 'Whose time has come' }),
      later: count.openapi({ description: 'Failed, and tried again later' }),
      running: count,
      dead: count,
      setAside: count,
      oldestReadyS: count.nullable().openapi({ description: 'How long the oldest that is ready has been so' }),
      lastHour: z.strictObject({ done: count, failed: count, lost: count, p95Ms: count.nullable() }),
    })
    .openapi('JobQueue'),
)
export type JobQueueState = z.infer<ReturnType<typeof JobQueueState>>
export const JobQueueList = s.later(() =>
  z.strictObject({ items: s.list(JobQueueState(), 10) }).openapi('JobQueueList'),
)
export const JobQueuePatch = z.strictObject({ paused: z.boolean() }).openapi('JobQueuePatch')
export const JobSelection = z.strictObject({ kind: kind.optional() }).openapi('JobSelection')
export type JobSelection = z.infer<typeof JobSelection>
export const JobCount = s.later(() => z.strictObject({ jobs: count }).openapi('JobCount'))
