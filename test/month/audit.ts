import type { ClockedDatabase } from './database.ts'
import type { Month, Week } from './figures.ts'
import type { Expected, Phones } from './life.ts'
import { countOld, type ModelCall } from './model.ts'
import { BURST_KIND, DAY_MS, type Human, isLiked, START_MS, wallMs } from './people.ts'
import type { Shell } from './shell.ts'

const REST_MS = 240 * 60_000

type Seen = {
  database: ClockedDatabase
  shell: Shell
  humans: Human[]
  expected: Map<string, Expected>
  phones: Phones
  calls: ModelCall[]
  days: number
  endMs: number
  wallS: number
}

const msOf = (value: unknown): number => new Date(String(value)).getTime()

/** Looks into the database at the end of the month. */
export async function audit(seen: Seen): Promise<Month> {
  const { database, shell, humans, calls, days, wallS } = seen
  const families = await database.query(
    `select split_part(type, '.', 1) as family, count(*)::int as n from outbox group by 1 order by 2 desc`,
  )
  const [undone] = await database.query('select count(*)::int as n from outbox where dispatched_at is null')
  const [failed] = await database.query(
    `select count(*)::int as n from workflow_runs where status in ('failed', 'compensated')`,
  )
  return {
    failedRuns: Number(failed?.['n']),
    ...{ engine: database.engine, people: humans.length, days, wallS, trouble: shell.trouble },
    events: Object.fromEntries(families.map(({ family, n }) => [String(family), Number(n)])),
    undispatched: Number(undone?.['n']),
    ...{ delivered: shell.count.delivered, runs: shell.count.runs },
    reminders: await auditReminders(seen),
    repeated: await auditNotifications(seen),
    ...{ modelCalls: calls.length, oldCalls: countOld(calls) },
    suggestions: await auditSuggestions(seen),
    weeks: await auditWeeks(seen),
  }
}

/** Each that is expected of tasks, events and schedules, by its own instant; how late they were given. */
async function auditReminders({ database, expected }: Seen): Promise<Month['reminders']> {
  const given = await database.query(
    `select n.user_id, n.kind, n.link->>'id' as about, n.created_at, coalesce(n.scheduled_at, r.due_at) as due_at
      from notifications n left join schedule_runs r on n.dedupe_key = 'schedule:' || r.id
      where n.kind in ('reminder', 'event', 'schedule')`,
  )
  const wanted = new Map<string, number>()
  for (const [userId, { reminders, events, schedules }] of expected) {
    for (const [id, ms] of reminders) wanted.set(`${userId} ${id} ${ms}`, 0)
    for (const event of events) wanted.set(`${userId} ${event}`, 0)
    for (const ms of schedules) wanted.set(`${userId} schedule ${ms}`, 0)
  }
  const late: number[] = []
  let unasked = 0
  for (const { user_id, kind, about, created_at, due_at } of given) {
    const dueMs = msOf(due_at)
    const key = `${user_id} ${kind === 'schedule' ? 'schedule' : about} ${dueMs}`
    late.push(msOf(created_at) - dueMs)
    const count = wanted.get(key)
    if (count === undefined) unasked++
    else wanted.set(key, count + 1)
  }
  const counts = [...wanted.values()]
  return {
    ...{ expected: wanted.size, unasked, late },
    missed: counts.filter((count) => count === 0).length,
    twice: counts.filter((count) => count > 1).length,
  }
}

/** Told twice of the same thing, or sent twice the same way. */
async function auditNotifications({ database }: Seen): Promise<number> {
  const [row] = await database.query(
    `select (select coalesce(sum(n - 1), 0)::int from (select count(*) as n from notifications
        group by user_id, kind, title, link::text, scheduled_at, created_at having count(*) > 1) t)
      + (select coalesce(sum(n - 1), 0)::int from (select count(*) as n from deliveries
        group by notification_id, channel, purpose, device_id having count(*) > 1) d) as repeated`,
  )
  return Number(row?.['repeated'])
}

async function auditSuggestions({ database, humans, phones, days }: Seen): Promise<Month['suggestions']> {
  const rows = await database.query(
    'select user_id, kind, priority, proposed_at from suggestions where proposed_at is not null order by proposed_at',
  )
  const zones = new Map(humans.map(({ userId, zone }) => [userId, zone]))
  const counts = new Map<string, number>()
  const last = new Map<string, number>()
  let tooSoon = 0
  for (const { user_id, kind, proposed_at } of rows) {
    const ms = msOf(proposed_at)
    const day = Math.floor(wallMs(zones.get(String(user_id)) ?? 'UTC', ms) / DAY_MS)
    counts.set(`${user_id} ${day}`, (counts.get(`${user_id} ${day}`) ?? 0) + 1)
    const before = last.get(`${user_id} ${kind}`)
    if (kind !== BURST_KIND && before !== undefined && ms - before < REST_MS) tooSoon++
    last.set(`${user_id} ${kind}`, ms)
  }
  const perDay = Array.from({ length: Math.max(0, ...counts.values()) + 1 }, () => 0)
  for (const count of counts.values()) perDay[count] = (perDay[count] ?? 0) + 1
  perDay[0] = humans.length * days - counts.size
  const withheld = await database.query(
    `select reason, sum(n)::int as n from (
        select reason, count(*) as n from suggestions where status = 'withheld' group by 1
        union all select reason, count(*) from workflow_runs where reason in ('nothing_new', 'learned', 'cooldown', 'budget',
          'quiet_hours', 'too_many_open', 'too_many_today') and suggestion_id is null group by 1) all_of_them
      group by 1 order by 2 desc`,
  )
  return {
    ...{ offered: rows.length, perDay, tooSoon, mostOpen: Math.max(0, ...phones.mostOpen.values()) },
    withheld: Object.fromEntries(withheld.map(({ reason, n }) => [String(reason), Number(n)])),
  }
}

/** Of what was offered in each week, what its person likes; bursts are said by them and are not counted. */
async function auditWeeks({ database, humans, days }: Seen): Promise<Week[]> {
  const rows = await database.query('select user_id, kind, proposed_at from suggestions where proposed_at is not null')
  const byId = new Map(humans.map((human) => [human.userId, human]))
  const weeks = Array.from({ length: Math.ceil(days / 7) }, (_, n): Week => {
    return { week: n + 1, days: Math.min(7, days - n * 7), offered: 0, liked: 0 }
  })
  for (const { user_id, kind, proposed_at } of rows) {
    const ms = msOf(proposed_at)
    const week = weeks[Math.floor((ms - START_MS) / (7 * DAY_MS))]
    const human = byId.get(String(user_id))
    if (!week || !human || kind === BURST_KIND) continue
    week.offered++
    if (isLiked(human, String(kind), ms)) week.liked++
  }
  return weeks
}
