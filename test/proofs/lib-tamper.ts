import { headOf, linesOf } from '../audit-chain.ts'
import type { World } from '../world.ts'
import type { Chance } from './chance.ts'

const COLUMNS = [
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
  'hash',
]

/** Changes made with the triggers off, as one who owns the database could: each must be found, and is then taken back. */
export async function tamper(
  world: World,
  chance: Chance,
  count: number,
  report: (what: string) => void,
): Promise<number> {
  const person = await world.person()
  for (let n = 0; n < 8; n++) await person.api('POST', '/v1/tasks', { body: { title: `${n}` } })
  const check = async (head?: string) =>
    Object((await person.api('GET', `/v1/audit/verify${head ? `?head=${head}` : ''}`)).json)
  const whole = await check()
  if (!whole.ok) report('a chain that nobody touched is said to be broken')
  const mine = `user_id = '${person.userId}'`
  const [saved] = await world.query(`select json_agg(l)::text as lines from audit_log l where ${mine}`)
  const last = (await linesOf(world, person.userId)).length
  const head = await headOf(world, person.userId)
  const unguarded = async (...statements: string[]) =>
    await world.query(`do $do$ begin set local session_replication_role = replica; ${statements.join('; ')}; end $do$`)
  const restore = async () =>
    await unguarded(
      `delete from audit_log where ${mine}`,
      `insert into audit_log select * from json_populate_recordset(null::audit_log, $json$${saved?.lines}$json$)`,
      `update audit_heads set seq = ${head?.seq}, hash = '${head?.hash}' where ${mine}`,
    )
  const pick = () => 1 + Math.floor(chance.next() * last)
  const copy = (from: number, to: number) =>
    `insert into audit_log select user_id, ${to}, at, actor_kind, actor_id, action, target || 'x', outcome, reason, request_id,
      call_id, address, agent, changes, md5(random()::text) from audit_log where ${mine} and seq = ${from}`
  const kinds: Record<string, (at: number) => string[]> = {
    'an edited column': (at) => {
      const [column = 'target'] = chance.shuffle(COLUMNS)
      return [`update audit_log set ${column} = ${column} || 'x' where ${mine} and seq = ${at}`]
    },
    'an edited time': (at) => [`update audit_log set at = at - interval '1 second' where ${mine} and seq = ${at}`],
    'edited changes': (at) => [`update audit_log set changes = changes || '{"x": 1}' where ${mine} and seq = ${at}`],
    'a deleted line': (at) => [`delete from audit_log where ${mine} and seq = ${at}`],
    'a deleted line, the rest moved up': (at) => [
      `delete from audit_log where ${mine} and seq = ${at}`,
      `update audit_log set seq = seq - 1000 where ${mine} and seq > ${at}`,
      `update audit_log set seq = seq + 999 where ${mine} and seq < 0`,
    ],
    'two lines in each other’s place': (at) => {
      const other = at === last ? 1 : at + 1
      return [
        `update audit_log set seq = -1 where ${mine} and seq = ${at}`,
        `update audit_log set seq = ${at} where ${mine} and seq = ${other}`,
        `update audit_log set seq = ${other} where ${mine} and seq = -1`,
      ]
    },
    'a line added': (at) => [copy(at, last + 1)],
    'a line added, and the head with it': (at) => [
      copy(at, last + 1),
      `update audit_heads h set seq = l.seq, hash = l.hash from audit_log l where h.${mine} and l.${mine} and l.seq = ${last + 1}`,
    ],
    'another head': () => [`update audit_heads set hash = md5(hash) where ${mine}`],
    'the end cut off, and the head with it': (at) => [
      `delete from audit_log where ${mine} and seq >= ${at}`,
      `update audit_heads h set seq = ${at - 1}, hash = coalesce((select l.hash from audit_log l where l.${mine} and l.seq = ${at - 1}), '') where h.${mine}`,
    ],
  }
  const names = Object.keys(kinds)
  for (let n = 0; n < count; n++) {
    const name = names[n % names.length] ?? ''
    const at = pick()
    await unguarded(...(kinds[name]?.(at) ?? []))
    // What was cut off cleanly is missed by whoever kept the head.
    const found = await check(String(whole.head))
    if (found.ok !== false || found.head !== null) report(`${name} at ${at} is not found`)
    await restore()
  }
  if (!(await check(String(whole.head))).ok) report('a chain that was put back is said to be broken')
  return count
}
