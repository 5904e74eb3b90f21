import { index, pgTable, text, timestamp, uniqueIndex } from 'drizzle-orm/pg-core'
import { sessions } from '#auth/tables'
import { users } from '#users/tables'

const at = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' })

/** An app that may ask people for access: one that registered itself, or one whose id is where it describes itself. */
export const oauthClients = pgTable('oauth_clients', {
  id: text().primaryKey(),
  name: text().notNull(),
  redirectUris: text('redirect_uris').array().notNull(),
  /** When its own description was read; null where it registered. */
  fetchedAt: at('fetched_at'),
  usedAt: at('used_at').notNull().defaultNow(),
  createdAt: at('created_at').notNull().defaultNow(),
})

const client = () =>
  text('client_id')
    .notNull()
    .references(() => oauthClients.id, { onDelete: 'cascade' })
const session = () => text('session_id').references(() => sessions.id, { onDelete: 'cascade' })
const person = () => text('user_id').references(() => users.id, { onDelete: 'cascade' })
const asked = {
  scopes: text().array().notNull(),
  resource: text().notNull(),
  redirectUri: text('redirect_uri').notNull(),
  /** Of PKCE, by S256. */
  challenge: text().notNull(),
}

/** What an app asks of whoever sits at one browser, until they say yes or no; who that is once they signed in. */
export const oauthRequests = pgTable(
  'oauth_requests',
  {
    id: text().primaryKey(),
    /** Of what the browser holds in its cookie. */
    hash: text().notNull(),
    clientId: client(),
    userId: person(),
    sessionId: session(),
    ...asked,
    state: text(),
    expiresAt: at('expires_at').notNull(),
  },
  (t) => [uniqueIndex('oauth_requests_hash').on(t.hash), index('oauth_requests_expiry').on(t.expiresAt)],
)

/** What a person allowed an app, with its one code. It lives as long as its session does. */
export const oauthGrants = pgTable(
  'oauth_grants',
  {
    id: text().primaryKey(),
    userId: person().notNull(),
    sessionId: session().notNull(),
    clientId: text('client_id')
      .notNull()
      .references(() => oauthClients.id),
    ...asked,
    codeHash: text('code_hash').notNull(),
    codeExpiresAt: at('code_expires_at').notNull(),
    codeUsedAt: at('code_used_at'),
    createdAt: at('created_at').notNull().defaultNow(),
  },
  (t) => [
    uniqueIndex('oauth_grants_code').on(t.codeHash),
    uniqueIndex('oauth_grants_session').on(t.sessionId),
    index('oauth_grants_user').on(t.userId, t.id),
    index('oauth_grants_client').on(t.clientId),
  ],
)
