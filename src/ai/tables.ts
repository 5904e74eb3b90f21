import { sql } from 'drizzle-orm'
import { bigint, boolean, index, integer, jsonb, pgTable, text, timestamp } from 'drizzle-orm/pg-core'
import { users } from '#users/tables'

/** What every call to a model cost: a ledger, to which lines are only ever added. */
export const usageEvents = pgTable(
  'usage_events',
  {
    // That of the call, but for the lines that correct it.
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
    outcome: text({ enum: ['done', 'failed', 'aborted', 'lost', 'reversed'] }).notNull(),
    cache: text().notNull(),
    firstTokenMs: integer('first_token_ms'),
    totalMs: integer('total_ms').notNull(),
    decision: jsonb(),
    // When the call began: the day and the month it is charged to.
    createdAt: timestamp('created_at', { withTimezone: true, mode: 'date' }).notNull(),
  },
  (t) => [
    index('usage_events_user').on(t.userId, t.createdAt),
    index('usage_events_decision').on(t.userId, t.callId).where(sql`${t.decision} is not null`),
  ],
)
