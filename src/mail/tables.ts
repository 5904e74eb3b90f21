import { index, integer, jsonb, pgTable, text, timestamp } from 'drizzle-orm/pg-core'
import { users } from '#users/tables'

const at = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' })

/** Mail that is written and not sent; `sent_at` when it was. */
export const mailDrafts = pgTable(
  'mail_drafts',
  {
    id: text().primaryKey(),
    userId: text('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    to: jsonb('to_addresses').$type<string[]>().notNull(),
    subject: text().notNull(),
    text: text().notNull(),
    sentAt: at('sent_at'),
    deletedAt: at('deleted_at'),
    version: integer().notNull().default(1),
    createdAt: at('created_at').notNull().defaultNow(),
    updatedAt: at('updated_at').notNull().defaultNow(),
  },
  (t) => [index('mail_drafts_user').on(t.userId, t.id)],
)
