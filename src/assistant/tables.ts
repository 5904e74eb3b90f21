import { sql } from 'drizzle-orm'
import { bigint, boolean, index, integer, jsonb, pgTable, text, timestamp } from 'drizzle-orm/pg-core'
import { users } from '#users/tables'

const at = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' })
const owner = () =>
  text('user_id')
    .notNull()
    .references(() => users.id, { onDelete: 'cascade' })

export const conversations = pgTable(
  'conversations',
  {
    id: text().primaryKey(),
    userId: owner(),
    title: text().notNull(),
    version: integer().notNull().default(1),
    createdAt: at('created_at').notNull().defaultNow(),
    updatedAt: at('updated_at').notNull().defaultNow(),
  },
  (t) => [index('conversations_user').on(t.userId, t.updatedAt, t.id)],
)

/** One thing said. An answer's `parts` hold its text, its tool calls and their results in the order they came. */
export const messages = pgTable(
  'messages',
  {
    id: text().primaryKey(),
    userId: owner(),
    conversationId: text('conversation_id')
      .notNull()
      .references(() => conversations.id, { onDelete: 'cascade' }),
    turnId: text('turn_id').notNull(),
    role: text({ enum: ['user', 'assistant'] }).notNull(),
    status: text({ enum: ['streaming', 'done', 'failed', 'cancelled', 'interrupted'] }).notNull(),
    parts: jsonb().$type<unknown[]>().notNull(),
    undoneCalls: jsonb('undone_calls').$type<string[]>().notNull().default([]),
    callId: text('call_id'),
    provider: text(),
    model: text(),
    inputTokens: integer('input_tokens').notNull().default(0),
    outputTokens: integer('output_tokens').notNull().default(0),
    cacheReadTokens: integer('cache_read_tokens').notNull().default(0),
    cacheWriteTokens: integer('cache_write_tokens').notNull().default(0),
    costMicros: bigint('cost_micros', { mode: 'number' }).notNull().default(0),
    firstTokenMs: integer('first_token_ms'),
    totalMs: integer('total_ms'),
    errorCode: text('error_code'),
    /** Others' words were before whoever wrote it. */
    tainted: boolean().notNull().default(false),
    createdAt: at('created_at').notNull().defaultNow(),
    updatedAt: at('updated_at').notNull().defaultNow(),
  },
  (t) => [
    index('messages_conversation').on(t.conversationId, t.id),
    index('messages_tainted').on(t.conversationId).where(sql`${t.tainted}`),
    index('messages_open').on(t.updatedAt).where(sql`${t.status} = 'streaming'`),
  ],
)
