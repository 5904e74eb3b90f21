import { index, integer, jsonb, pgTable, primaryKey, text, timestamp, uniqueIndex } from 'drizzle-orm/pg-core'
import { users } from '#users/tables'

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
