import { setTimeout as wait } from 'node:timers/promises'
import { makeId, type World } from './world.ts'

/** What a person has: how many rows of each table, and a digest of what they hold. */
export type Holdings = Record<string, { rows: number; digest: string }>

type Column = { table: string; column: string }

// Machinery that is nobody's own, and the audit: it tells of refusals too, which is proof 25.
const SHARED = new Set([
  'inbox',
  'dead_letters',
  'changed_sources',
  'act',
  'audit_log',
  'audit_heads',
  'audit_tombstones',
  'feature_flags',
  'oauth_clients',
  'erasure_receipts',
  'job_runs',
  'jobs',
  'job_attempts',
  'job_queues',
])
const LOOK_EACH_MS = 50
const MOST_LOOKS = 200
const OWNERS = ['user_id', 'principal']

// What happens to an event after it was told is the relay's business, and to mail, webhooks and
// notifications after they were written their sender's.
const CONTENTS: Record<string, string> = {
  outbox: 'jsonb_build_array(t.id, t.type, t.data)',
  email_messages: 'jsonb_build_array(t.id, t.kind, t.key)',
  webhook_deliveries: 'jsonb_build_array(t.id, t.endpoint_id, t.type, t.body)',
  deliveries: 'jsonb_build_array(t.id, t.notification_id, t.channel)',
}
// What is posted of an event comes after it, whenever the queue hands it over; the events are looked at themselves.
const ONLY: Record<string, string> = { webhook_deliveries: "t.type = 'webhook.test'" }

/**
 * Reads what people have straight from the tables: every table that names its owner is found by itself, and one
 * that does not is an error here until it is named.
 */
export async function createAuditor(world: Pick<World, 'query' | 'worker'>) {
  const columns = await world.query(
    `select table_name as "table", column_name as "column" from information_schema.columns where table_schema = 'public'`,
  )
  const found = columns.map((row): Column => ({ table: String(row.table), column: String(row.column) }))
  const tables = [...new Set(found.map(({ table }) => table))].filter((table) => !SHARED.has(table)).sort()
  const selects = tables.map((table) => {
    const content = CONTENTS[table] ?? 'to_jsonb(t)'
    return `select '${table}' as name, count(*)::int as rows, md5(coalesce(string_agg(${content}::text, '|' order by ${content}::text), '')) as digest
      from "${table}" t where ${ownerOf(table, found)} and ${ONLY[table] ?? 'true'}`
  })
  const statement = selects.join(' union all ')
  let hasStuck = false

  return {
    tables,
    async holdings(userId: string): Promise<Holdings> {
      await flushLedger(world, userId)
      const waiting = await settle(world, userId, hasStuck ? 1 : MOST_LOOKS)
      // Where what follows does not come to an end it is not waited for again and again.
      if (waiting > 0) hasStuck = true
      const rows = await world.query(statement, [userId])
      const tables = rows.map((row) => [String(row.name), { rows: Number(row.rows), digest: String(row.digest) }])
      // What is not over by now may change the rest yet: it is no state to compare.
      return Object.fromEntries([
        ...tables,
        ['what follows', { rows: waiting, digest: waiting > 0 ? makeId('x') : '' }],
      ])
    },
    /** The events told of a person, by type. */
    async events(userId: string): Promise<Record<string, number>> {
      const rows = await world.query(
        'select type, count(*)::int as n from outbox where user_id = $1 group by type order by type',
        [userId],
      )
      return Object.fromEntries(rows.map((row) => [String(row.type), Number(row.n)]))
    },
  }
}

// Behind the API: what was spent waits a second in the person's Steward. Miniflare does not know its methods.
type Stewards = { getByName(name: string): { flushUsage(): Promise<unknown> } }

/** Brings to Postgres what a person has spent. */
export async function flushLedger({ worker }: Pick<World, 'worker'>, userId: string): Promise<void> {
  const stewards = (await worker.miniflare.getDurableObjectNamespace('STEWARD')) as unknown as Stewards
  await stewards.getByName(userId).flushUsage()
}

// What was told and not yet handled, what waits to be mailed, what a schedule began: it comes after the answer.
const WAITING = `select 1 where exists (select 1 from outbox where user_id = $1 and dispatched_at is null)
  or exists (select 1 from email_messages where user_id = $1 and status = 'queued')
  or exists (select 1 from schedule_runs where user_id = $1 and status = 'waiting')
  or exists (select 1 from workflow_runs where user_id = $1 and status in ('requested', 'running'))`

/** Waits until what follows from a person's acts by itself has happened; 1 where it has not. */
async function settle({ query }: Pick<World, 'query'>, userId: string, most: number): Promise<number> {
  for (let looks = 0; looks < most; looks++) {
    const waiting = await query(WAITING, [userId])
    if (waiting.length === 0) return 0
    await wait(LOOK_EACH_MS)
  }
  return 1
}

function ownerOf(table: string, columns: Column[]): string {
  if (table === 'users') return 't.id = $1'
  if (table === 'refresh_tokens') return 't.session_id in (select id from sessions where user_id = $1)'
  if (table === 'signature_nonces') return 't.key_id in (select id from signing_keys where user_id = $1)'
  const column = OWNERS.find((name) => columns.some((known) => known.table === table && known.column === name))
  if (!column) throw new Error(`whose are the rows of ${table}? Give it a user_id, or name it here`)
  return `t.${column} = $1`
}

/** The tables in which the two differ. */
export function differences(before: Holdings, after: Holdings): string[] {
  return Object.keys({ ...before, ...after }).filter((table) => before[table]?.digest !== after[table]?.digest)
}

/** How many rows came to each table, or left it. */
export function growth(before: Holdings, after: Holdings): Record<string, number> {
  const tables = Object.keys({ ...before, ...after })
  const grown = tables.map((table) => [table, (after[table]?.rows ?? 0) - (before[table]?.rows ?? 0)] as const)
  return Object.fromEntries(grown.filter(([, rows]) => rows !== 0))
}
