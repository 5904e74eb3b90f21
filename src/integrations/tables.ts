import { boolean, index, integer, jsonb, pgTable, text, timestamp, uniqueIndex } from 'drizzle-orm/pg-core'
import { users } from '#users/tables'

const at = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' })
const owner = () =>
  text('user_id')
    .notNull()
    .references(() => users.id, { onDelete: 'cascade' })

/** A tool of another's server, as it was last told; `name` is theirs. */
export type KnownTool = { name: string; description: string; readOnly: boolean; inputSchema: Record<string, unknown> }

/** The authorization server that let a person's browser in, and as which client we are known there. */
export type Connection = {
  issuer: string
  clientId: string
  clientAuth: 'none' | 'client_secret_basic' | 'client_secret_post'
  tokenEndpoint: string
  revocationEndpoint: string | null
  resource: string
}

/** What the person gave for OAuth, and what came of it; no secret is in it. */
export type Oauth = { clientId: string | null; scope: string | null; connection: Connection | null }

/**
 * An MCP server a person added. `secret`, `clientSecret` and the tokens are sealed; `tools` is what it offered when it was
 * last asked, null before; `trusted` lets the read-only ones be asked with others' words in mind. `tokenVersion` moves with each token; who may fetch the next holds `tokenLease`.
 */
export const mcpServers = pgTable(
  'mcp_servers',
  {
    id: text().primaryKey(),
    userId: owner(),
    name: text().notNull(),
    url: text().notNull(),
    header: text(),
    secret: text(),
    oauth: jsonb().$type<Oauth>(),
    clientSecret: text('client_secret'),
    accessToken: text('access_token'),
    refreshToken: text('refresh_token'),
    tokenExpiresAt: at('token_expires_at'),
    tokenVersion: integer('token_version').notNull().default(1),
    tokenLease: at('token_lease'),
    enabled: boolean().notNull().default(true),
    trusted: boolean().notNull().default(false),
    status: text({ enum: ['new', 'ok', 'broken'] })
      .notNull()
      .default('new'),
    lastError: text('last_error'),
    tools: jsonb().$type<KnownTool[]>(),
    checkedAt: at('checked_at'),
    version: integer().notNull().default(1),
    createdAt: at('created_at').notNull().defaultNow(),
    updatedAt: at('updated_at').notNull().defaultNow(),
  },
  (t) => [index('mcp_servers_user').on(t.userId, t.id)],
)

/** A browser on its way, one for each server; found by the hash of its state, `sealed` is the rest of it. */
export const oauthStates = pgTable(
  'oauth_states',
  {
    serverId: text('server_id')
      .primaryKey()
      .references(() => mcpServers.id, { onDelete: 'cascade' }),
    hash: text().notNull(),
    userId: owner(),
    sessionId: text('session_id'),
    serverVersion: integer('server_version').notNull(),
    sealed: text().notNull(),
    expiresAt: at('expires_at').notNull(),
  },
  (t) => [uniqueIndex('oauth_states_hash').on(t.hash)],
)
