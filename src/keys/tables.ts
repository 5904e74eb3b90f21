import { bigint, index, integer, pgTable, text, timestamp, uniqueIndex } from 'drizzle-orm/pg-core'
import { users } from '#users/tables'

const at = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' })

/** A key a person gave a client. Of its secret only the hash is kept, and until `grace_until` that of the one before. */
export const apiKeys = pgTable(
  'api_keys',
  {
    id: text().primaryKey(),
    userId: text('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    name: text().notNull(),
    prefix: text().notNull(),
    hash: text().notNull(),
    previousHash: text('previous_hash'),
    graceUntil: at('grace_until'),
    scopes: text().array().notNull(),
    ipAllow: text('ip_allow').array().notNull(),
    ratePerMinute: integer('rate_per_minute'),
    budgetMicrosPerDay: bigint('budget_micros_per_day', { mode: 'number' }),
    budgetMicrosPerMonth: bigint('budget_micros_per_month', { mode: 'number' }),
    expiresAt: at('expires_at'),
    lastUsedAt: at('last_used_at'),
    rotatedAt: at('rotated_at'),
    revokedAt: at('revoked_at'),
    version: integer().notNull().default(1),
    createdAt: at('created_at').notNull().defaultNow(),
    updatedAt: at('updated_at').notNull().defaultNow(),
  },
  (t) => [uniqueIndex('api_keys_prefix').on(t.prefix), index('api_keys_user').on(t.userId, t.id)],
)
