import { sql } from 'drizzle-orm'
import { bigint, index, integer, jsonb, pgTable, primaryKey, text, timestamp } from 'drizzle-orm/pg-core'

const at = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' })

/** Events, written in the commit of what they tell. No foreign key: an erasure tells of someone who is gone. */
export const outbox = pgTable(
  'outbox',
  {
    id: text().primaryKey(),
    type: text().notNull(),
    userId: text('user_id').notNull(),
    room: text(),
    key: text().notNull(),
    version: bigint({ mode: 'number' }).notNull(),
    data: jsonb().notNull(),
    createdAt: at('created_at').notNull().defaultNow(),
    availableAt: at('available_at').notNull().defaultNow(),
    attempts: integer().notNull().default(0),
    dispatchedAt: at('dispatched_at'),
  },
  (t) => [
    index('outbox_waiting').on(t.availableAt, t.id).where(sql`${t.dispatchedAt} is null`),
    index('outbox_done').on(t.dispatchedAt),
  ],
)

/** Which consumer has done which event. */
export const inbox = pgTable(
  'inbox',
  {
    consumer: text().notNull(),
    messageId: text('message_id').notNull(),
    doneAt: at('done_at').notNull().defaultNow(),
  },
  (t) => [primaryKey({ columns: [t.consumer, t.messageId] }), index('inbox_age').on(t.doneAt)],
)

/** Messages that failed every attempt, kept until somebody sends them again. */
export const deadLetters = pgTable('dead_letters', {
  id: text().primaryKey(),
  queue: text().notNull(),
  messageId: text('message_id').notNull(),
  outboxId: text('outbox_id'),
  body: text().notNull(),
  failedAt: at('failed_at').notNull().defaultNow(),
  redrivenAt: at('redriven_at'),
})

export const JOB_QUEUES = ['email', 'ai-tasks', 'integrations', 'notifications', 'analytics'] as const
export const JOB_STATUSES = ['waiting', 'running', 'done', 'dead', 'set_aside', 'cancelled'] as const

/**
 * Work that is done once, later: written in the commit of what asks for it, and no foreign key, as in the outbox. `key`
 * names the work, `ref` what it is about, never what is in it.
 */
export const jobs = pgTable(
  'jobs',
  {
    id: text().primaryKey(),
    queue: text({ enum: JOB_QUEUES }).notNull(),
    kind: text().notNull(),
    /** Whose turn it takes: a person's; nothing for work that is nobody's. */
    owner: text().notNull(),
    ref: text().notNull(),
    key: text().notNull().unique(),
    /** `dead` failed at every attempt, `set_aside` took its consumer with it, `cancelled` was purged. */
    status: text({ enum: JOB_STATUSES }).notNull().default('waiting'),
    attempts: integer().notNull().default(0),
    maxAttempts: integer('max_attempts').notNull(),
    /** Attempts that nobody heard the end of. */
    losses: integer().notNull().default(0),
    errorCode: text('error_code'),
    /** When it may be claimed: while it runs, when its lease is over. */
    availableAt: at('available_at').notNull().defaultNow(),
    /** When the relay sends a message for it; null once it has ended. */
    sendAt: at('send_at'),
    createdAt: at('created_at').notNull().defaultNow(),
    endedAt: at('ended_at'),
  },
  (t) => [
    index('jobs_turn').on(t.queue, t.owner, t.availableAt, t.id).where(sql`${t.status} = 'waiting'`),
    index('jobs_running').on(t.queue, t.owner, t.availableAt).where(sql`${t.status} = 'running'`),
    index('jobs_unsent').on(t.sendAt).where(sql`${t.sendAt} is not null`),
    index('jobs_list').on(t.queue, t.status, t.id),
    index('jobs_owner').on(t.owner),
    index('jobs_ended').on(t.endedAt).where(sql`${t.endedAt} is not null`),
  ],
)

/** Each try of a job; without an outcome it runs, or nobody has heard of it yet. */
export const jobAttempts = pgTable(
  'job_attempts',
  {
    jobId: text('job_id')
      .notNull()
      .references(() => jobs.id, { onDelete: 'cascade' }),
    attempt: integer().notNull(),
    startedAt: at('started_at').notNull().defaultNow(),
    endedAt: at('ended_at'),
    outcome: text({ enum: ['done', 'failed', 'lost'] }),
    errorCode: text('error_code'),
    error: text(),
  },
  (t) => [primaryKey({ columns: [t.jobId, t.attempt] }), index('job_attempts_age').on(t.startedAt)],
)

/** What was said of a queue; one without a row runs. */
export const jobQueues = pgTable('job_queues', {
  queue: text({ enum: JOB_QUEUES }).primaryKey(),
  pausedAt: at('paused_at'),
})
