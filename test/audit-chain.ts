import { createHash } from 'node:crypto'
import type { World } from './world.ts'

/** A line as it stands in the database, every value as text. */
export type Line = Record<(typeof FIELDS)[number] | 'hash', string>

/** What is hashed of a line, in this order, and after it the hash before it: docs/decisions/0043. */
const FIELDS = [
  'user_id',
  'seq',
  'at',
  'actor_kind',
  'actor_id',
  'action',
  'target',
  'outcome',
  'reason',
  'request_id',
  'call_id',
  'address',
  'agent',
  'changes',
] as const

const CHAIN = `select user_id, seq::text, to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as at,
  actor_kind, actor_id, action, target, outcome, reason, request_id, call_id, address, agent, changes::text, hash
  from audit_log where user_id = $1 order by audit_log.seq`

/** The first line of a chain that is not as it was written, by its place; null for a whole one. Its head is a line's. */
export function brokenAt(lines: Line[], head: { seq: string; hash: string } | undefined): number | null {
  let previous = ''
  for (const [at, line] of lines.entries()) {
    const said = [...FIELDS.map((name) => line[name]), previous].map((value) => JSON.stringify(value)).join(', ')
    const hash = createHash('sha256').update(`[${said}]`, 'utf8').digest('hex')
    if (hash !== line.hash || line.seq !== String(at + 1)) return at + 1
    previous = hash
  }
  const isWhole = (head?.hash ?? '') === previous && Number(head?.seq ?? 0) === lines.length
  return isWhole ? null : lines.length + 1
}

type Asked = Pick<World, 'query'>

/** A person's chain, as it stands in the database. */
export async function linesOf({ query }: Asked, userId: string): Promise<Line[]> {
  return (await query(CHAIN, [userId])) as Line[]
}

export async function headOf({ query }: Asked, userId: string): Promise<{ seq: string; hash: string } | undefined> {
  const [head] = await query('select seq::text, hash from audit_heads where user_id = $1', [userId])
  return head && { seq: String(head.seq), hash: String(head.hash) }
}
