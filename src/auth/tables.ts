import { sql } from 'drizzle-orm'
import { index, integer, jsonb, pgTable, text, timestamp, uniqueIndex } from 'drizzle-orm/pg-core'
import { users } from '#users/tables'

const at = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' })
const owner = () =>
  text('user_id')
    .notNull()
    .references(() => users.id, { onDelete: 'cascade' })

/** A password as a PHC string: algorithm and parameters are stored with the hash. */
export const credentials = pgTable('credentials', {
  userId: owner().primaryKey(),
  passwordHash: text('password_hash').notNull(),
  updatedAt: at('updated_at').notNull().defaultNow(),
})

/** A session is a family of refresh tokens; ending it ends every token it ever gave. */
export const sessions = pgTable(
  'sessions',
  {
    id: text().primaryKey(),
    userId: owner(),
    deviceName: text('device_name').notNull(),
    userAgent: text('user_agent').notNull(),
    address: text().notNull(),
    country: text(),
    /** What was shown at the sign-in. */
    methods: text().array().notNull().default([]),
    authAt: at('auth_at').notNull().defaultNow(),
    createdAt: at('created_at').notNull().defaultNow(),
    lastUsedAt: at('last_used_at').notNull().defaultNow(),
    expiresAt: at('expires_at').notNull(),
    endedAt: at('ended_at'),
    endReason: text('end_reason'),
  },
  (t) => [index('sessions_user').on(t.userId, t.createdAt)],
)

export const refreshTokens = pgTable(
  'refresh_tokens',
  {
    id: text().primaryKey(),
    sessionId: text('session_id')
      .notNull()
      .references(() => sessions.id, { onDelete: 'cascade' }),
    hash: text().notNull(),
    generation: integer().notNull(),
    createdAt: at('created_at').notNull().defaultNow(),
    usedAt: at('used_at'),
  },
  (t) => [uniqueIndex('refresh_tokens_hash').on(t.hash), index('refresh_tokens_session').on(t.sessionId, t.generation)],
)

/** What somebody chose who is not a person here until they show that mail reaches them. */
export type Registrant = {
  passwordHash: string
  displayName: string
  timeZone: string
  locale: string
}

/** What is mailed to show that mail reaches somebody. Without a hash it was asked for, and is not made yet. */
export const authCodes = pgTable(
  'auth_codes',
  {
    id: text().primaryKey(),
    kind: text().$type<'register' | 'verify' | 'reset' | 'link' | 'email'>().notNull(),
    userId: text('user_id').references(() => users.id, { onDelete: 'cascade' }),
    email: text().notNull(),
    registrant: jsonb().$type<Registrant>(),
    hash: text(),
    tries: integer().notNull().default(0),
    createdAt: at('created_at').notNull().defaultNow(),
    expiresAt: at('expires_at').notNull(),
  },
  (t) => [
    uniqueIndex('auth_codes_hash').on(t.hash),
    index('auth_codes_email').on(sql`lower(${t.email})`, t.kind),
    index('auth_codes_user').on(t.userId),
    index('auth_codes_expires').on(t.expiresAt),
  ],
)
