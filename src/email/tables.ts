import { sql } from 'drizzle-orm'
import { index, integer, pgTable, text, timestamp, uniqueIndex } from 'drizzle-orm/pg-core'
import { users } from '#users/tables'

const at = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' })

/** Mail to one address. `content` is sealed and there only until its fate is known: it may hold a one-time link. */
export const emailMessages = pgTable(
  'email_messages',
  {
    id: text().primaryKey(),
    userId: text('user_id').references(() => users.id, { onDelete: 'cascade' }),
    key: text().notNull(),
    kind: text().notNull(),
    toAddress: text('to_address').notNull(),
    status: text({ enum: ['queued', 'sending', 'sent', 'failed', 'maybe_sent', 'refused'] }).notNull(),
    content: text(),
    attempts: integer().notNull().default(0),
    providerId: text('provider_id'),
    error: text(),
    createdAt: at('created_at').notNull().defaultNow(),
    claimedAt: at('claimed_at'),
    sentAt: at('sent_at'),
  },
  (t) => [
    uniqueIndex('email_messages_key').on(t.key),
    index('email_messages_rate').on(sql`lower(${t.toAddress})`, t.kind, t.createdAt),
    index('email_messages_user').on(t.userId),
    index('email_messages_age').on(t.createdAt),
  ],
)
