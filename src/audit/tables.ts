import { bigint, index, integer, jsonb, pgTable, primaryKey, text, timestamp } from 'drizzle-orm/pg-core'
import { users } from '#users/tables'

const at = (name: string) => timestamp(name, { withTimezone: true, precision: 3, mode: 'date' })

/** What was changed: columns by name, the values of those that are no content and no secret. */
export type Changes = { table?: string; ids?: string[]; count?: number; before?: object; after?: object }

/**
 * Who did what to what of a person's, a chain for each of them: `hash` covers the line and the hash before it. Only the
 * functions of the migration write here. No foreign key: what has no person stands in the chain `service`.
 */
export const auditLog = pgTable(
  'audit_log',
  {
    userId: text('user_id').notNull(),
    seq: bigint({ mode: 'number' }).notNull(),
    at: at('at').notNull(),
    actorKind: text('actor_kind').notNull(),
    actorId: text('actor_id').notNull(),
    action: text().notNull(),
    target: text().notNull(),
    outcome: text({ enum: ['done', 'denied'] }).notNull(),
    reason: text().notNull(),
    requestId: text('request_id').notNull(),
    callId: text('call_id').notNull(),
    address: text().notNull(),
    agent: text().notNull(),
    changes: jsonb().$type<Changes>().notNull(),
    hash: text().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.userId, t.seq] }),
    index('audit_log_request').on(t.requestId, t.userId),
    index('audit_log_at').on(t.at),
  ],
)

/** The last line of each chain; its row is the lock of whoever appends. */
export const auditHeads = pgTable('audit_heads', {
  userId: text('user_id').primaryKey(),
  seq: bigint({ mode: 'number' }).notNull(),
  hash: text().notNull(),
})

/** What stays of the chain of someone who was erased: its last hash, and no name. */
export const auditTombstones = pgTable('audit_tombstones', {
  hash: text().primaryKey(),
  seq: bigint({ mode: 'number' }).notNull(),
  erasedAt: at('erased_at').notNull(),
})

/** What strangers were refused of a person's for an hour, counted: the first has a line, the others share one after it. */
export const auditDenials = pgTable(
  'audit_denials',
  {
    userId: text('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    action: text().notNull(),
    reason: text().notNull(),
    count: integer().notNull(),
    /** Where they came from, the first ten. */
    addresses: text().array().notNull(),
    startedAt: at('started_at').notNull(),
    lastAt: at('last_at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.userId, t.action, t.reason] }), index('audit_denials_started').on(t.startedAt)],
)
