import { once } from 'node:events'
import { cpus, loadavg } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { NewTimer } from '#scheduler'
import { makeId } from '#test/world'
import { withBareBundle } from './bundles.ts'
import { cpuSeconds } from './measure.ts'
import { type Contender, openStage, type Stage, startBare, startOurs } from './stage.ts'
import { buildWithDoor } from './timers-door.ts'

const BUNDLES = join(resolve(import.meta.dirname, '..'), 'node_modules/.cache/aurelius')
const ARM_AT_ONCE = 20
// An object keeps three files open for about a minute after it was last asked, ours another three for its person's
// sockets, and a process may open so many: who is armed, or rung for, at one time is not everybody.
const ARM_PER_S = 60
const LET_GO_S = 75
const RUNG_FOR_AT_ONCE = 500
const LOOK_EACH_MS = 500
const GIVE_UP_MS = 180_000

const { values } = parseArgs({
  options: {
    'database-url': { type: 'string' },
    timers: { type: 'string', default: '100000' },
    stewards: { type: 'string', default: '10000' },
    /** The timers fall due evenly within so many seconds. */
    seconds: { type: 'string', default: '960' },
  },
})
const [TIMERS, STEWARDS, SECONDS] = [Number(values.timers), Number(values.stewards), Number(values.seconds)]
const HEAD_S = STEWARDS / ARM_PER_S + LET_GO_S

type Due = { id: string; userId: string; dueMs: number }
type Arm = (userId: string, due: Due[]) => Promise<unknown>
/** What of it has been said, and how late, as Postgres tells. */
type Fired = { count: number; p50: number; p99: number }
type Side = Contender & { arm: Arm; prepare(due: Due[]): Promise<void>; fired(): Promise<Fired> }

const undo: (() => unknown)[] = []

/** A reminder for each timer: told to its person, with its event, by two trips. */
async function ourSide(stage: Stage): Promise<Side> {
  const ours = await startOurs('ours', await buildWithDoor(BUNDLES), stage.vars)
  undo.push(ours.stop)
  return {
    ...ours,
    arm: async (userId, due) => {
      const timers = due.map(({ id, dueMs }): NewTimer => {
        const payload = { kind: 'reminder' as const, userId, taskId: id }
        return { name: `reminder:${id}`, dueMs, version: 1, payload }
      })
      await post(`${ours.url}/arm`, { name: userId, timers })
    },
    prepare: async (due) => {
      const from = `from json_to_recordset($1::json) as r(id text, "userId" text, "dueMs" float8)`
      await stage.postgres.query(
        `insert into users (id, email, display_name) select distinct "userId", "userId" || '@example.com', 'Sam' ${from}`,
        [JSON.stringify(due)],
      )
      await stage.postgres.query(
        `insert into tasks (id, user_id, title, position, remind_date, remind_time, remind_zone, remind_at)
          select id, "userId", 'ring', 1, at::date, at::time, 'UTC', to_timestamp("dueMs" / 1000)
          from (select *, to_timestamp("dueMs" / 1000) at time zone 'UTC' as at ${from}) r`,
        [JSON.stringify(due)],
      )
    },
    fired: () => firedIn(stage, 'notifications', 'created_at - scheduled_at'),
  }
}

/** Rows and one alarm for each object, which asks Postgres twice for each timer. */
async function bareSide(stage: Stage, bundleDir: string): Promise<Side> {
  const { DATABASE_URL, DATABASE_FETCH_ENDPOINT } = stage.vars
  const bare = await startBare(bundleDir, { DATABASE_URL, DATABASE_FETCH_ENDPOINT }, { BARE: 'Bare' })
  undo.push(bare.stop)
  await stage.postgres.query('create table fired (name text, due_ms bigint, fired_at timestamptz)')
  return {
    ...bare,
    arm: async (name, due) => {
      await post(bare.url, { name, timers: due.map(({ id, dueMs }) => ({ name: id, dueMs })) })
    },
    prepare: async () => {},
    fired: () => firedIn(stage, 'fired', 'fired_at - to_timestamp(due_ms / 1000.0)'),
  }
}

async function post(url: string, body: object): Promise<void> {
  const answer = await fetch(url, { method: 'POST', body: JSON.stringify(body) })
  const said = await answer.text()
  if (!answer.ok) throw new Error(said)
}

async function firedIn({ postgres }: Stage, table: string, late: string): Promise<Fired> {
  const quantile = (share: number) =>
    `coalesce(percentile_cont(${share}) within group (order by extract(epoch from ${late}) * 1000), 0)`
  const [row] = await postgres.query(
    `select count(*)::int as count, ${quantile(0.5)} as p50, ${quantile(0.99)} as p99 from ${table}`,
  )
  return { count: Number(row?.['count']), p50: Number(row?.['p50']), p99: Number(row?.['p99']) }
}

type Measured = Fired & { armMs: number; fireMs: number }

const perTimer = (from: number, to: number) => ((to - from) * 1000) / TIMERS

/** Arms all of them; answers what follows: their falling due. */
async function prepared({ name, pid, arm, prepare, fired }: Side, beginMs: number): Promise<() => Promise<Measured>> {
  const people = Array.from({ length: STEWARDS }, () => makeId('usr'))
  const due = Array.from({ length: TIMERS }, (_, n): Due => {
    const share = Math.min(RUNG_FOR_AT_ONCE, STEWARDS)
    const group = Math.floor((n / TIMERS) * (STEWARDS / share))
    const userId = people[(group * share + (n % share)) % STEWARDS] ?? ''
    return { id: makeId('task'), userId, dueMs: beginMs + Math.floor((n / TIMERS) * SECONDS * 1000) }
  })
  await prepare(due)
  const idle = cpuSeconds(pid)
  const theirs = [...Map.groupBy(due, ({ userId }) => userId)]
  const startedMs = Date.now()
  const entries = theirs.entries()
  const work = async () => {
    for (const [n, [userId, all]] of entries) {
      await wait(Math.max(0, startedMs + (n * 1000) / ARM_PER_S - Date.now()))
      await arm(userId, all)
    }
  }
  await Promise.all(Array.from({ length: ARM_AT_ONCE }, work))
  const armed = cpuSeconds(pid)
  // Arming takes its time too: nothing is due before it is done.
  if (Date.now() > beginMs) throw new Error(`${name}: the first were due before the last were armed`)
  return async () => {
    await wait(beginMs - Date.now())
    const deadline = Date.now() + SECONDS * 1000 + GIVE_UP_MS
    let found = await fired()
    while (found.count < TIMERS && Date.now() < deadline) {
      await wait(LOOK_EACH_MS)
      found = await fired()
    }
    if (found.count !== TIMERS) throw new Error(`${name}: ${found.count} of ${TIMERS} timers fired`)
    return { ...found, armMs: perTimer(idle, armed), fireMs: perTimer(armed, cpuSeconds(pid)) }
  }
}

async function main(): Promise<void> {
  const stage = await openStage(values['database-url'])
  undo.push(stage.close)
  console.log(`${TIMERS} timers in ${STEWARDS} objects each, due evenly within the same ${SECONDS} s, on ${cpus().length} cores shared by all of this, load
${loadavg()[0]?.toFixed(1)} at the start; PostgreSQL ${stage.serverVersion}. Bare: rows and one alarm for each object, two statements for each timer.
Ours: reminders, told with their events, which are heard. cpu: processor time of workerd for one timer.\n`)
  await withBareBundle(async (dir) => {
    const sides = [await bareSide(stage, dir), await ourSide(stage)]
    await Promise.race([compared(sides), ...sides.map(ended)])
  }, 'bench/bare-timers.ts')
}

async function compared(sides: Side[]): Promise<void> {
  const beginMs = Math.ceil(Date.now() / 1000 + HEAD_S) * 1000
  const ready = await Promise.all(sides.map((side) => prepared(side, beginMs)))
  // Beside each other: what else the machine does, both have.
  const [bare, ours] = await Promise.all(ready.map((fall) => fall()))
  if (!bare || !ours) return
  for (const [what, unit, of] of [
    ['arming', 'cpu ms', ({ armMs }: Measured) => armMs],
    ['firing', 'cpu ms', ({ fireMs }: Measured) => fireMs],
    ['late p50', 'ms', ({ p50 }: Measured) => p50],
    ['late p99', 'ms', ({ p99 }: Measured) => p99],
  ] as const) {
    const [a, b] = [of(bare), of(ours)]
    console.log(
      `${what.padEnd(9)} bare ${a.toFixed(2)} ${unit}, ours ${b.toFixed(2)} ${unit}, ${(b / a).toFixed(2)} of bare`,
    )
  }
  console.log(`load ${loadavg()[0]?.toFixed(1)} at the end`)
}

/** Throws when a side's workerd ends: nothing it was asked would be answered. */
async function ended({ gone }: Side): Promise<never> {
  if (!gone.aborted) await once(gone, 'abort')
  throw gone.reason
}

try {
  await main()
} finally {
  for (let end = undo.pop(); end; end = undo.pop()) await end()
}
