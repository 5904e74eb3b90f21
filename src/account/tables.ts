import { sql } from 'drizzle-orm'
import { bigint, index, integer, jsonb, pgTable, text, timestamp, uniqueIndex } from 'drizzle-orm/pg-core'
import { users } from '#users/tables'

const at = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' })

/** Who is being erased; no foreign key, since the person goes on the way. `progress`: what each store held of theirs. */
export const erasures = pgTable(
  'erasures',
  {
    id: text().primaryKey(),
    userId: text('user_id').notNull(),
    progress: jsonb().$type<Record<string, number>>().notNull().default({}),
    attempts: integer().notNull().default(0),
    leaseUntil: at('lease_until').notNull().defaultNow(),
    startedAt: at('started_at').notNull().defaultNow(),
  },
  (t) => [uniqueIndex('erasures_user').on(t.userId), index('erasures_lease').on(t.leaseUntil)],
)

/** That somebody was erased, signed; nothing in it says who, but to those who know their id. */
export const erasureReceipts = pgTable('erasure_receipts', {
  id: text().primaryKey(),
  subjectHash: text('subject_hash').notNull(),
  receipt: text().notNull(),
  erasedAt: at('erased_at').notNull(),
})

/** A copy of a person's data on its way; the archive itself is in R2, under `exports/<user>/<id>/`. */
export const dataExports = pgTable(
  'data_exports',
  {
    id: text().primaryKey(),
    userId: text('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    state: text({ enum: ['running', 'ready', 'failed'] })
      .notNull()
      .default('running'),
    sizeBytes: bigint('size_bytes', { mode: 'number' }),
    attempts: integer().notNull().default(0),
    leaseUntil: at('lease_until').notNull(),
    createdAt: at('created_at').notNull().defaultNow(),
    readyAt: at('ready_at'),
    expiresAt: at('expires_at'),
  },
  (t) => [
    index('data_exports_user').on(t.userId, t.id),
    uniqueIndex('data_exports_running').on(t.userId).where(sql`${t.state} = 'running'`),
    index('data_exports_lease').on(t.leaseUntil).where(sql`${t.state} = 'running'`),
    index('data_exports_expiry').on(t.expiresAt).where(sql`${t.expiresAt} is not null`),
  ],
)
