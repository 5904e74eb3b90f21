import { sql } from 'drizzle-orm'
import { bigint, boolean, index, integer, jsonb, pgTable, text, timestamp, uniqueIndex } from 'drizzle-orm/pg-core'
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
  /** Whether it is long enough to be the only factor. */
  isLong: boolean('is_long').notNull().default(true),
  updatedAt: at('updated_at').notNull().defaultNow(),
})

/** Passwords that were wrong since one was right; a row of its own, as it is written by whoever guesses. */
export const passwordFailures = pgTable('password_failures', {
  userId: owner().primaryKey(),
  failures: integer().notNull(),
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

/** The secret of an authenticator app, sealed; it counts once confirmed. `lastStep` is the last half minute whose code was used. */
export const totpSecrets = pgTable('totp_secrets', {
  id: text().primaryKey(),
  userId: owner().unique(),
  secret: text().notNull(),
  confirmedAt: at('confirmed_at'),
  lastStep: integer('last_step').notNull().default(0),
  /** Codes tried since one was right. */
  failures: integer().notNull().default(0),
  failedAt: at('failed_at'),
  createdAt: at('created_at').notNull().defaultNow(),
})

/** Ten codes of 120 bits, by a keyed hash. */
export const recoveryCodes = pgTable(
  'recovery_codes',
  {
    hash: text().primaryKey(),
    userId: owner(),
    createdAt: at('created_at').notNull().defaultNow(),
    usedAt: at('used_at'),
  },
  (t) => [index('recovery_codes_user').on(t.userId)],
)

/** A sign-in that showed one thing and must show another. */
export const signInChallenges = pgTable(
  'sign_in_challenges',
  {
    hash: text().primaryKey(),
    userId: owner(),
    /** Of the person, as it was when the first factor was shown. */
    securityStamp: integer('security_stamp').notNull().default(0),
    method: text().notNull(),
    deviceName: text('device_name').notNull(),
    tries: integer().notNull().default(0),
    createdAt: at('created_at').notNull().defaultNow(),
    expiresAt: at('expires_at').notNull(),
    usedAt: at('used_at'),
  },
  (t) => [index('sign_in_challenges_user').on(t.userId), index('sign_in_challenges_expiry').on(t.expiresAt)],
)

/** A passkey: its public key in COSE, base64url as its id is. `handle` is what authenticators know the person by. */
export const passkeys = pgTable(
  'passkeys',
  {
    id: text().primaryKey(),
    userId: owner(),
    credentialId: text('credential_id').notNull(),
    publicKey: text('public_key').notNull(),
    handle: text().notNull(),
    counter: bigint({ mode: 'number' }).notNull(),
    transports: text().array().notNull().default([]),
    aaguid: text().notNull(),
    backupEligible: boolean('backup_eligible').notNull(),
    backedUp: boolean('backed_up').notNull(),
    name: text().notNull(),
    createdAt: at('created_at').notNull().defaultNow(),
    lastUsedAt: at('last_used_at'),
  },
  (t) => [uniqueIndex('passkeys_credential').on(t.credentialId), index('passkeys_user').on(t.userId, t.id)],
)

/** What an authenticator is to sign, once: for a person who adds a passkey, or for nobody yet. */
export const passkeyChallenges = pgTable(
  'passkey_challenges',
  {
    hash: text().primaryKey(),
    userId: text('user_id').references(() => users.id, { onDelete: 'cascade' }),
    sessionId: text('session_id'),
    handle: text(),
    expiresAt: at('expires_at').notNull(),
  },
  (t) => [index('passkey_challenges_user').on(t.userId), index('passkey_challenges_expiry').on(t.expiresAt)],
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
