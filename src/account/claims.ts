import { type SQL, sql } from 'drizzle-orm'

/** What of a table's rows is in an export: all columns but these, in the order of `by`, all of whose values follow `first`. */
type Shown = { file: string; omit?: string[]; by?: { column: string; first: string } }
export type Claim = {
  /** The column that names the person; with `of`, one that names a row of theirs in that table. */
  owner: string
  of?: string
  /** No foreign key leads to the person: their rows are deleted by name. */
  loose?: boolean
  /** Rows that only a cascade may delete. */
  ledger?: boolean
  shown?: Shown
}

/**
 * Every table that holds anything of a person's, those before others that are found through them. A table of `src` that
 * is not here fails a test; so does a column that looks like a secret and is not left out.
 */
export const CLAIMS: Readonly<Record<string, Claim>> = {
  inbox: { owner: 'message_id', of: 'outbox', loose: true },
  dead_letters: { owner: 'outbox_id', of: 'outbox', loose: true },
  outbox: { owner: 'user_id', loose: true },
  idempotency_keys: { owner: 'principal', loose: true },
  changed_sources: { owner: 'user_id', loose: true },
  refresh_tokens: { owner: 'session_id', of: 'sessions' },
  oauth_requests: { owner: 'user_id' },
  oauth_grants: { owner: 'user_id', shown: { file: 'apps', omit: ['challenge', 'code_hash', 'redirect_uri'] } },
  sessions: { owner: 'user_id', shown: { file: 'sessions' } },
  credentials: { owner: 'user_id' },
  totp_secrets: { owner: 'user_id' },
  recovery_codes: { owner: 'user_id' },
  sign_in_challenges: { owner: 'user_id' },
  passkeys: {
    owner: 'user_id',
    shown: { file: 'passkeys', omit: ['public_key', 'handle', 'counter', 'credential_id'] },
  },
  passkey_challenges: { owner: 'user_id' },
  auth_codes: { owner: 'user_id' },
  identities: { owner: 'user_id', shown: { file: 'identities' } },
  sign_in_flows: { owner: 'user_id' },
  webhook_deliveries: { owner: 'user_id' },
  webhook_endpoints: { owner: 'user_id', shown: { file: 'webhooks', omit: ['secret', 'previous_secret'] } },
  api_keys: { owner: 'user_id', shown: { file: 'api-keys', omit: ['hash', 'previous_hash'] } },
  oauth_states: { owner: 'user_id' },
  mcp_servers: {
    owner: 'user_id',
    shown: {
      file: 'mcp-servers',
      omit: [
        'secret',
        'client_secret',
        'access_token',
        'refresh_token',
        'token_expires_at',
        'token_version',
        'token_lease',
      ],
    },
  },
  email_messages: { owner: 'user_id', shown: { file: 'mail', omit: ['content', 'provider_id', 'key'] } },
  cached_answers: { owner: 'user_id' },
  batch_calls: { owner: 'user_id', shown: { file: 'waiting-calls', omit: ['hold_id', 'batch_id'] } },
  messages: { owner: 'user_id', shown: { file: 'messages' } },
  conversations: { owner: 'user_id', shown: { file: 'conversations' } },
  memories: { owner: 'user_id', shown: { file: 'memories' } },
  notifications: { owner: 'user_id', shown: { file: 'notifications' } },
  tasks: { owner: 'user_id', shown: { file: 'tasks' } },
  projects: { owner: 'user_id', shown: { file: 'projects' } },
  usage_events: { owner: 'user_id', ledger: true, shown: { file: 'usage' } },
  audit_log: {
    owner: 'user_id',
    ledger: true,
    shown: { file: 'audit', omit: ['hash'], by: { column: 'seq', first: '0' } },
  },
  audit_heads: { owner: 'user_id', ledger: true },
  data_exports: { owner: 'user_id', shown: { file: 'exports', omit: ['lease_until', 'attempts'] } },
  users: { owner: 'id', shown: { file: 'profile', omit: ['erasure_id'] } },
}

/** Tables that hold nothing of a person's, or that outlive them on purpose, and why. */
export const UNCLAIMED: Readonly<Record<string, string>> = {
  embeddings: 'by the store of vectors',
  oauth_clients: "apps, which are nobody's of ours",
  audit_tombstones: 'the last hash of a chain, under no name',
  feature_flags: 'settings of the deployment',
  job_runs: 'what cron did last',
  erasures: 'what erases; its row goes with the receipt',
  erasure_receipts: 'says that somebody was erased, and not who',
}

/** The rows of a person's in a claimed table. */
export function rowsOf(table: string, { owner, of }: Claim, userId: string): SQL {
  const from = sql`${sql.identifier(table)}`
  const column = sql.identifier(owner)
  if (!of) return sql`${from} t where t.${column} = ${userId}`
  return sql`${from} t where t.${column} in (select o.id from ${sql.identifier(of)} o where o.user_id = ${userId})`
}
