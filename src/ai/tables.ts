import { sql } from 'drizzle-orm'
import {
  bigint,
  boolean,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  timestamp,
  uniqueIndex,
} from 'drizzle-orm/pg-core'
import { users } from '#users/tables'

/** What every call to a model cost: a ledger, to which lines are only ever added. */
export const usageEvents = pgTable(
  'usage_events',
  {
    // The call's and the deadline it was held with, and what part a line beside the first is.
    id: text().primaryKey(),
    callId: text('call_id').notNull(),
    userId: text('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    kind: text().notNull(),
    feature: text().notNull(),
    // No foreign key: what was spent stays spent when the conversation is deleted.
    conversationId: text('conversation_id'),
    provider: text().notNull(),
    model: text().notNull(),
    inputTokens: integer('input_tokens').notNull(),
    outputTokens: integer('output_tokens').notNull(),
    cacheReadTokens: integer('cache_read_tokens').notNull(),
    cacheWriteTokens: integer('cache_write_tokens').notNull(),
    cacheWrite1hTokens: integer('cache_write_1h_tokens').notNull(),
    costMicros: bigint('cost_micros', { mode: 'number' }).notNull(),
    isEstimated: boolean('is_estimated').notNull(),
    isBackground: boolean('is_background').notNull(),
    // No foreign key: what was spent stays spent when the key is gone.
    keyId: text('key_id'),
    outcome: text({ enum: ['done', 'failed', 'aborted', 'lost', 'reversed', 'unsent'] }).notNull(),
    cache: text().notNull(),
    firstTokenMs: integer('first_token_ms'),
    totalMs: integer('total_ms').notNull(),
    decision: jsonb(),
    // When the call began: the day and the month it is charged to.
    createdAt: timestamp('created_at', { withTimezone: true, mode: 'date' }).notNull(),
  },
  (t) => [
    index('usage_events_user').on(t.userId, t.createdAt),
    // Few lines: those of calls that were part of one.
    index('usage_events_experiment')
      .on(sql`(${t.decision} #>> '{experiment,id}')`, t.createdAt)
      .where(sql`(${t.decision} #>> '{experiment,id}') is not null`),
    index('usage_events_decision').on(t.userId, t.callId).where(sql`${t.decision} is not null`),
  ],
)

const at = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' })
const owner = () =>
  text('user_id')
    .notNull()
    .references(() => users.id, { onDelete: 'cascade' })

export type KeptAnswer = { text: string; provider: string; model: string; callId: string }

/** Answers that may be given again to the person they were given to. `frame`: all of the request but its last words. */
export const cachedAnswers = pgTable(
  'cached_answers',
  {
    id: text().primaryKey(),
    userId: owner(),
    key: text().notNull(),
    frame: text().notNull(),
    text: text().notNull(),
    answer: jsonb().$type<KeptAnswer>().notNull(),
    sources: text().array().notNull(),
    hits: integer().notNull().default(0),
    createdAt: at('created_at').notNull().defaultNow(),
    expiresAt: at('expires_at').notNull(),
  },
  (t) => [
    uniqueIndex('cached_answers_key').on(t.userId, t.key),
    index('cached_answers_sources').using('gin', t.sources),
    index('cached_answers_expiry').on(t.expiresAt),
  ],
)

/** What changed in the last hour: an answer that was being made meanwhile is not kept. It may outlive its person. */
export const changedSources = pgTable(
  'changed_sources',
  {
    userId: text('user_id').notNull(),
    source: text().notNull(),
    changedAt: at('changed_at').notNull().defaultNow(),
  },
  (t) => [primaryKey({ columns: [t.userId, t.source] }), index('changed_sources_age').on(t.changedAt)],
)

/**
 * Calls that may wait. `holdId`: what a batch of the provider's is billed under, until that is settled; without a
 * `batchId` nobody knows yet whether it was sent. An answer may come otherwise meanwhile.
 */
export const batchCalls = pgTable(
  'batch_calls',
  {
    id: text().primaryKey(),
    userId: owner(),
    kind: text().notNull(),
    feature: text().notNull(),
    call: jsonb().notNull(),
    decision: jsonb().notNull(),
    provider: text().notNull(),
    model: text().notNull(),
    state: text({ enum: ['waiting', 'sent', 'answered', 'failed'] })
      .notNull()
      .default('waiting'),
    answer: jsonb(),
    errorCode: text('error_code'),
    attempts: integer().notNull().default(0),
    sends: integer().notNull().default(0),
    holdId: text('hold_id'),
    heldAt: at('held_at'),
    batchId: text('batch_id'),
    deadlineAt: at('deadline_at').notNull(),
    // Not to be touched before then: it is being worked on, or was refused.
    dueAt: at('due_at').notNull(),
    pollAt: at('poll_at').notNull(),
    createdAt: at('created_at').notNull().defaultNow(),
    updatedAt: at('updated_at').notNull().defaultNow(),
  },
  (t) => [
    index('batch_calls_open').on(t.dueAt).where(sql`${t.state} in ('waiting', 'sent')`),
    uniqueIndex('batch_calls_hold').on(t.holdId).where(sql`${t.holdId} is not null`),
    index('batch_calls_batch').on(t.batchId).where(sql`${t.holdId} is not null`),
    index('batch_calls_over').on(t.updatedAt).where(sql`${t.state} in ('answered', 'failed')`),
    index('batch_calls_user').on(t.userId),
  ],
)
