import type { Person, World } from '../world.ts'
import { objects, timersOf } from './lib-objects.ts'

type Seen = Pick<World, 'worker' | 'query'>
type Owner = Pick<Person, 'userId'>
type Report = (violation: string) => void

// `waits`: when something is to happen to a suggestion by itself, as its row says.
export async function auditSuggestionTimers(world: Seen, person: Owner, _: unknown, report: Report): Promise<void> {
  const waits = await world.query(
    `select id, case when status in ('proposed', 'seen') then expires_at else wake_at end as at from suggestions
      where user_id = $1 and (status in ('proposed', 'seen') or (status in ('withheld', 'snoozed') and wake_at is not null))`,
    [person.userId],
  )
  const expected = waits.map(({ id, at }) => `${id} ${new Date(String(at)).getTime()}`)
  const timers = (await timersOf(world, person.userId)).filter(({ name }) => name.startsWith('suggestion:'))
  const found = timers.map(({ name, dueMs }) => `${name.split(':')[1]} ${dueMs}`)
  if (expected.sort().join() !== found.sort().join())
    report(`suggestions wait for "${expected}", and the timers armed are "${found}"`)
}

// Each message that was told of promised one thing: it is kept once, and offered once.
export async function auditHeard({ query }: Seen, { userId }: Owner, _: unknown, report: Report): Promise<void> {
  const [row] = await query(
    `select (select count(*) from outbox where user_id = $1 and type = 'message.said')::int as said,
        (select count(*) from commitments where user_id = $1)::int as kept,
        (select count(*) from suggestions where user_id = $1 and kind = 'commitment')::int as offered`,
    [userId],
  )
  if (row?.said !== row?.kept || row?.kept !== row?.offered)
    report(`of ${row?.said} promises ${row?.kept} were kept and ${row?.offered} offered`)
}

// What was promised and is done, or was turned down, is open no more.
export async function auditCommitments({ query }: Seen, { userId }: Owner, _: unknown, report: Report): Promise<void> {
  const open = await query(
    `select c.id from commitments c left join tasks t on t.id = c.task_id left join suggestions s on s.id = c.suggestion_id
      where c.user_id = $1 and c.status = 'open' and (t.status = 'completed' or s.status in ('dismissed', 'expired'))`,
    [userId],
  )
  if (open.length > 0) report(`${open.length} commitments are open and over`)
}

// Each decision that teaches is learned from once.
export async function auditLearning(world: Seen, { userId }: Owner, _: unknown, report: Report): Promise<void> {
  const [row] = await world.query(
    `select count(*) filter (where data->>'decision' = 'approved')::int as yes,
        count(*) filter (where data->>'decision' = 'snoozed')::int as snoozed,
        count(*) filter (where data->>'decision' = 'dismissed')::int as dismissed
      from outbox where user_id = $1 and type = 'suggestion.decided' and (data->>'teaches')::boolean`,
    [userId],
  )
  const { lines } = await (await objects(world, 'STEWARD')).getByName(userId).learning({ do: 'show' })
  const sum = (of: 'yes' | 'no') =>
    Math.round(
      lines.filter(({ part, week }) => part === null && week === null).reduce((all, line) => all + line[of], 0) * 100,
    )
  const against = Number(row?.dismissed) * 100 + Number(row?.snoozed) * 25
  if (sum('yes') !== Number(row?.yes) * 100 || sum('no') !== against)
    report(
      `${row?.yes} approvals, ${row?.dismissed} that were dismissed and ${row?.snoozed} that were put off were learned as ${sum('yes') / 100} for and ${sum('no') / 100} against`,
    )
}

// What a dismissed one means is worth one job, however often it is heard of.
export async function auditMeanings({ query }: Seen, { userId }: Owner, _: unknown, report: Report): Promise<void> {
  const [row] = await query(
    `select (select count(*)::int from jobs where owner = $1 and kind = 'keep_meaning') as jobs,
        (select count(distinct data->>'id')::int from outbox where user_id = $1 and type = 'suggestion.decided'
          and data->>'decision' = 'dismissed' and data->>'kind' not like '%approval') as dismissed`,
    [userId],
  )
  if (row?.jobs !== row?.dismissed) report(`of ${row?.dismissed} dismissed suggestions ${row?.jobs} are learned`)
}

// What is offered and not seen is told once, and of what was decided nothing is left to read.
export async function auditSuggestionNotices(
  world: Seen,
  { userId }: Owner,
  _: unknown,
  report: Report,
): Promise<void> {
  const rows = await world.query(
    `select s.id, s.status,
        count(n.id) filter (where n.dedupe_key = 'suggestion:' || s.id || ':' || s.version)::int as told,
        count(n.id) filter (where n.read_at is null and n.expires_at > now())::int as open
      from suggestions s left join notifications n on n.user_id = s.user_id and n.collapse_key = 'suggestion:' || s.id
      where s.user_id = $1 group by s.id`,
    [userId],
  )
  for (const { id, status, told, open } of rows) {
    if (status === 'proposed' && told !== 1) report(`${id} is proposed and told ${told} times`)
    if (Number(open) > (status === 'proposed' ? 1 : 0)) report(`${id} is ${status} and stands there ${open} times`)
  }
}
