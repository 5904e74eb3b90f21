import { boolean, index, integer, pgTable, text, timestamp } from 'drizzle-orm/pg-core'
import { users } from '#users/tables'

const at = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' })
const owner = () =>
  text('user_id')
    .notNull()
    .references(() => users.id, { onDelete: 'cascade' })

/** What is remembered of a person, and the message it came from. */
export const memories = pgTable(
  'memories',
  {
    id: text().primaryKey(),
    userId: owner(),
    kind: text({ enum: ['fact', 'preference', 'person'] }).notNull(),
    text: text().notNull(),
    sourceMessageId: text('source_message_id'),
    /** Others' words are in it, as far as is known: a trigger says so. */
    tainted: boolean().notNull().default(false),
    deletedAt: at('deleted_at'),
    version: integer().notNull().default(1),
    createdAt: at('created_at').notNull().defaultNow(),
    updatedAt: at('updated_at').notNull().defaultNow(),
  },
  (t) => [index('memories_user').on(t.userId, t.updatedAt)],
)
