import { sql } from 'drizzle-orm'
import { index, jsonb, pgTable, text, timestamp } from 'drizzle-orm/pg-core'
import { users } from '#users/tables'

/**
 * Every vector that was kept, whichever store keeps its numbers. pgvector adds a column `vector` in a migration of its
 * own. The row of an erased person stays, nobody's, until the store has let go of its vector.
 */
export const embeddings = pgTable(
  'embeddings',
  {
    key: text().primaryKey(),
    userId: text('user_id').references(() => users.id, { onDelete: 'set null' }),
    kind: text().notNull(),
    id: text().notNull(),
    space: text().notNull(),
    meta: jsonb().$type<Record<string, string>>().notNull(),
    updatedAt: timestamp('updated_at', { withTimezone: true, mode: 'date' }).notNull().defaultNow(),
  },
  (t) => [
    index('embeddings_user').on(t.userId, t.kind, t.space),
    index('embeddings_orphans').on(t.key).where(sql`${t.userId} is null`),
  ],
)
