import { sql } from 'drizzle-orm'
import { index, integer, jsonb, pgTable, text, timestamp } from 'drizzle-orm/pg-core'
import { users } from '#users/tables'

const at = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' })

/** What a person said they would do. */
export const commitments = pgTable(
  'commitments',
  {
    id: text().primaryKey(),
    userId: text('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    source: text({ enum: ['message', 'mail'] }).notNull(),
    sourceId: text('source_id').notNull(),
    /** In their words. */
    quote: text().notNull(),
    what: text().notNull(),
    due: jsonb().$type<{ date: string; time?: string }>(),
    status: text({ enum: ['open', 'done', 'dropped'] })
      .notNull()
      .default('open'),
    /** By what it was seen to be over. */
    endedBy: text('ended_by', { enum: ['person', 'task', 'message', 'mail', 'suggestion'] }),
    suggestionId: text('suggestion_id'),
    taskId: text('task_id'),
    endedAt: at('ended_at'),
    version: integer().notNull().default(1),
    createdAt: at('created_at').notNull().defaultNow(),
    updatedAt: at('updated_at').notNull().defaultNow(),
  },
  (t) => [
    index('commitments_user').on(t.userId, t.id),
    index('commitments_open').on(t.userId).where(sql`${t.status} = 'open'`),
    index('commitments_task').on(t.taskId).where(sql`${t.taskId} is not null`),
    index('commitments_suggestion').on(t.suggestionId).where(sql`${t.suggestionId} is not null`),
  ],
)
