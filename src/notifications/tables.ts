import { sql } from 'drizzle-orm'
import { index, integer, jsonb, pgTable, text, timestamp, uniqueIndex } from 'drizzle-orm/pg-core'
import { users } from '#users/tables'

const at = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' })

type Link = { kind: 'task' | 'event' | 'suggestion' | 'run' | 'workflow' | 'schedule'; id: string }
type Action = { id: string; label: string; method: 'approve' | 'dismiss' | 'open'; target: string }

/** What a person was told. A deleted one is emptied and expired: its key stays a while, so it does not come again. */
export const notifications = pgTable(
  'notifications',
  {
    id: text().primaryKey(),
    userId: text('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    kind: text().notNull(),
    title: text().notNull(),
    body: text().notNull().default(''),
    priority: text().notNull().default('medium'),
    link: jsonb().$type<Link | null>(),
    actions: jsonb().$type<Action[]>().notNull().default([]),
    actionTaken: text('action_taken'),
    /** Of what is not yet seen there is one of each. */
    collapseKey: text('collapse_key'),
    dedupeKey: text('dedupe_key').notNull(),
    scheduledAt: at('scheduled_at'),
    seenAt: at('seen_at'),
    readAt: at('read_at'),
    expiresAt: at('expires_at'),
    version: integer().notNull().default(1),
    createdAt: at('created_at').notNull().defaultNow(),
    updatedAt: at('updated_at').notNull().defaultNow(),
  },
  (t) => [
    uniqueIndex('notifications_dedupe').on(t.userId, t.dedupeKey),
    index('notifications_user').on(t.userId, t.id),
    index('notifications_unread').on(t.userId, t.id).where(sql`${t.readAt} is null`),
    index('notifications_collapse')
      .on(t.userId, t.collapseKey)
      .where(sql`${t.collapseKey} is not null and ${t.seenAt} is null`),
    index('notifications_expiry').on(t.expiresAt).where(sql`${t.expiresAt} is not null`),
  ],
)
