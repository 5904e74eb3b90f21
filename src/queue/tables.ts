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
