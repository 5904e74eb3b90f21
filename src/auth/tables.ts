import { index, integer, pgTable, text, timestamp, uniqueIndex } from 'drizzle-orm/pg-core'
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

/** With whose accounts people sign in: one account is one person's, whatever address it bears. */
export const identities = pgTable(
  'identities',
  {
    id: text().primaryKey(),
    userId: owner(),
    provider: text({ enum: ['google', 'microsoft', 'apple'] }).notNull(),
    issuer: text().notNull(),
    subject: text().notNull(),
    /** What the provider says; shown, and never looked for. */
    email: text(),
    createdAt: at('created_at').notNull().defaultNow(),
    lastUsedAt: at('last_used_at'),
  },
  (t) => [
    uniqueIndex('identities_subject').on(t.issuer, t.subject),
    uniqueIndex('identities_provider').on(t.userId, t.provider),
  ],
)

/** A browser on its way to a provider and back; found by the hash of what it bears at each stage, once. */
export const signInFlows = pgTable(
  'sign_in_flows',
  {
    hash: text().primaryKey(),
    stage: text({ enum: ['begun', 'away', 'back'] }).notNull(),
    provider: text({ enum: ['google', 'microsoft', 'apple'] }).notNull(),
    /** Whose account it is linked to; null: somebody signs in. */
    userId: text('user_id').references(() => users.id, { onDelete: 'cascade' }),
    sessionId: text('session_id'),
    returnTo: text('return_to').notNull(),
    challenge: text().notNull(),
    browserHash: text('browser_hash'),
    sealed: text(),
    expiresAt: at('expires_at').notNull(),
  },
  (t) => [index('sign_in_flows_expires').on(t.expiresAt), index('sign_in_flows_user').on(t.userId)],
)
