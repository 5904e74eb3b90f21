import { type SQL, sql } from 'drizzle-orm'

/**
 * What of a table's rows is in an export: all columns but these. `by`: the number its pages go by, where no id is;
 * `also`: what of other tables is in each.
 */
type Shown = { file: string; omit?: string[]; by?: string; also?: SQL }
export type Claim = {
  /** The column that names the person; with `of`, one that names a row of theirs in that table. */
  owner: string
  of?: string
  /** No foreign key leads to the person: their rows are deleted by name. */
  loose?: boolean
  /** The column with an address of theirs, where rows may have been written before they were a person here. */
  address?: string
  /** `owner` lists people: they are taken out of it, and the row stays. */
  among?: boolean
  /** Rows that only a cascade may delete. */
  ledger?: boolean
  shown?: Shown
}

// Without it a workflow is none: it is taken back whole.
const inUse = sql`jsonb_build_object('in_use', (
  select jsonb_build_object('definition', v.definition, 'note', v.note, 'createdAt', v.created_at)
  from workflow_versions v where v.workflow_id = t.id and v.version = t.definition_version))`

/**
 * Every table that holds anything of a person's, those before others that are found through them. A table of `src` that
 * is not here fails a test; so does a column that looks like a secret and is not left out.
 */
export const CLAIMS: Readonly<Record<string, Claim>> = {
  inbox: { owner: 'message_id', of: 'outbox', loose: true },
  dead_letters: { owner: 'outbox_id', of: 'outbox', loose: true },
  outbox: { owner: 'user_id', loose: true },
  jobs: { owner: 'owner', loose: true },
  idempotency_keys: { owner: 'principal', loose: true },
  changed_sources: { owner: 'user_id', loose: true },
  refresh_tokens: { owner: 'session_id', of: 'sessions' },
  oauth_requests: { owner: 'user_id' },
  oauth_grants: { owner: 'user_id', shown: { file: 'apps', omit: ['challenge', 'code_hash', 'redirect_uri'] } },
  devices: { owner: 'user_id', shown: { file: 'devices', omit: ['address', 'hash'] } },
  sessions: { owner: 'user_id', shown: { file: 'sessions' } },
  credentials: { owner: 'user_id' },
  password_failures: { owner: 'user_id' },
  totp_secrets: { owner: 'user_id' },
  recovery_codes: { owner: 'user_id' },
  sign_in_challenges: { owner: 'user_id' },
  passkeys: {
    owner: 'user_id',
    shown: { file: 'passkeys', omit: ['public_key', 'handle', 'counter', 'credential_id'] },
  },
  passkey_challenges: { owner: 'user_id' },
  auth_codes: { owner: 'user_id', address: 'email' },
  identities: { owner: 'user_id', shown: { file: 'identities' } },
  sign_in_flows: { owner: 'user_id' },
  signature_nonces: { owner: 'key_id', of: 'signing_keys' },
  signing_keys: { owner: 'user_id', shown: { file: 'signing-keys' } },
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
  email_messages: {
    owner: 'user_id',
    address: 'to_address',
    shown: { file: 'mail', omit: ['content', 'provider_id', 'key'] },
  },
  run_steps: { owner: 'user_id', shown: { file: 'run-steps' } },
  workflow_runs: { owner: 'user_id', shown: { file: 'runs' } },
  triggers: { owner: 'user_id', shown: { file: 'triggers', omit: ['secret'] } },
  workflow_versions: { owner: 'user_id', shown: { file: 'workflow-versions' } },
  workflows: { owner: 'user_id', shown: { file: 'workflows', also: inUse } },
  cached_answers: { owner: 'user_id' },
  batch_calls: { owner: 'user_id', shown: { file: 'waiting-calls', omit: ['hold_id', 'batch_id'] } },
  messages: { owner: 'user_id', shown: { file: 'messages', omit: ['tainted'] } },
  conversations: { owner: 'user_id', shown: { file: 'conversations' } },
  memories: { owner: 'user_id', shown: { file: 'memories', omit: ['tainted'] } },
  deliveries: { owner: 'user_id', shown: { file: 'deliveries', omit: ['provider_id'] } },
  notification_settings: { owner: 'user_id', shown: { file: 'notification-settings', by: 'version' } },
  mail_drafts: { owner: 'user_id', shown: { file: 'mail-drafts' } },
  effects: { owner: 'user_id', shown: { file: 'effects', omit: ['holder', 'lease_until', 'key'] } },
  notifications: { owner: 'user_id', shown: { file: 'notifications' } },
  calendar_events: {
    owner: 'user_id',
    shown: { file: 'calendar_events', omit: ['next_reminder_at', 'reminded_to', 'armings', 'tainted'] },
  },
  schedule_runs: { owner: 'user_id', shown: { file: 'schedule-runs' } },
  schedules: { owner: 'user_id', shown: { file: 'schedules' } },
  suggestion_decisions: { owner: 'user_id', shown: { file: 'suggestion-decisions' } },
  suggestions: { owner: 'user_id', shown: { file: 'suggestions' } },
  suggestion_settings: { owner: 'user_id', shown: { file: 'suggestion-settings', by: 'user_id' } },
  suggestion_gates: { owner: 'user_id' },
  commitments: { owner: 'user_id', shown: { file: 'commitments' } },
  autonomy_rules: { owner: 'user_id', shown: { file: 'autonomy', by: 'name' } },
  tasks: { owner: 'user_id', shown: { file: 'tasks', omit: ['tainted'] } },
  projects: { owner: 'user_id', shown: { file: 'projects', omit: ['tainted'] } },
  usage_events: { owner: 'user_id', ledger: true, shown: { file: 'usage' } },
  audit_denials: { owner: 'user_id' },
  audit_log: { owner: 'user_id', ledger: true, shown: { file: 'audit', omit: ['hash'], by: 'seq' } },
  audit_heads: { owner: 'user_id', ledger: true },
  data_exports: { owner: 'user_id', shown: { file: 'exports', omit: ['lease_until', 'attempts'] } },
  feature_flags: { owner: 'people', among: true, loose: true },
  users: { owner: 'id', shown: { file: 'profile', omit: ['erasure_id'] } },
}

/** Tables that hold nothing of a person's, or that outlive them on purpose, and why. */
export const UNCLAIMED: Readonly<Record<string, string>> = {
  embeddings: 'by the store of vectors',
  oauth_clients: "apps, which are nobody's of ours",
  audit_tombstones: 'the last hash of a chain, under no name',
  job_runs: 'what cron did last',
  job_attempts: 'of jobs, and gone with them',
  job_queues: 'which queues are paused',
  erasures: 'what erases; its row goes with the receipt',
  erasure_receipts: 'says that somebody was erased, and not who',
}

/** The rows of a person's in a claimed table. */
export function rowsOf(table: string, { owner, of, among }: Claim, userId: string): SQL {
  const from = sql`${sql.identifier(table)}`
  const column = sql.identifier(owner)
  if (among) return sql`${from} t where t.${column} @> array[${userId}::text]`
  if (!of) return sql`${from} t where t.${column} = ${userId}`
  return sql`${from} t where t.${column} in (select o.id from ${sql.identifier(of)} o where o.user_id = ${userId})`
}

/** Those, and what was written to their address before they were anybody here; that is erased, and not shown. */
export function tracesOf(table: string, claim: Claim, userId: string): SQL {
  if (claim.address === undefined) return rowsOf(table, claim, userId)
  const address = sql`(select lower(u.email) from users u where u.id = ${userId})`
  return sql`${rowsOf(table, claim, userId)} or (t.${sql.identifier(claim.owner)} is null
    and lower(t.${sql.identifier(claim.address)}) = ${address})`
}
