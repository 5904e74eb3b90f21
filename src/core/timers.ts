/** A named timer of a Durable Object. `version` is the caller's own count: what is older than the known one is late. */
export type Timer = { name: string; dueMs: number; version: number; payload: unknown }
/** `attempt` is 1 the first time it runs. */
export type DueTimer = Timer & { attempt: number }
/** One statement of a Durable Object's schema; its name says whether it was applied. */
export type Migration = { name: string; sql: string }
export type FireReport = { fired: string[]; failed: { name: string; attempt: number; error: unknown }[] }

/** To be listed among the migrations of every object that keeps timers. */
export const TIMER_MIGRATIONS: readonly Migration[] = [
  {
    name: 'timers',
    // due_ms null: cancelled or fired, remembered so that a late older arming cannot bring it back.
    sql: `create table timers (
      name text primary key, due_ms integer, version integer not null, payload text not null,
      attempts integer not null default 0, settled_ms integer) without rowid`,
  },
  { name: 'timers_due', sql: 'create index timers_due on timers (due_ms, name) where due_ms is not null' },
  { name: 'timers_settled', sql: 'create index timers_settled on timers (settled_ms) where due_ms is null' },
]

const SETTLED_KEPT_MS = 30 * 24 * 3600_000
const RETRY_FIRST_MS = 2_000
const RETRY_MOST_MS = 3600_000
const MAX_PER_PASS = 200
// setAlarm throws beyond about the year 2189; an alarm that rings early finds nothing due and is set again.
const ALARM_FURTHEST_MS = 365 * 24 * 3600_000

/** Applies, in the constructor, what was not applied yet: all of it or nothing. Append only, never edit. */
export function migrate(storage: DurableObjectStorage, migrations: readonly Migration[]): void {
  storage.transactionSync(() => {
    const { sql } = storage
    sql.exec('create table if not exists migrations (name text primary key) without rowid')
    const applied = new Set(
      sql
        .exec<{ name: string }>('select name from migrations')
        .toArray()
        .map(({ name }) => name),
    )
    for (const migration of migrations) {
      if (applied.has(migration.name)) continue
      sql.exec(migration.sql)
      sql.exec('insert into migrations (name) values (?)', migration.name)
    }
  })
}

/** True when armed; false when an equal or newer version was armed, cancelled or fired before. */
export function armTimer(storage: SqlStorage, timer: Timer): boolean {
  const armed = storage.exec(
    `insert into timers (name, due_ms, version, payload) values (?, ?, ?, ?)
     on conflict (name) do update set due_ms = excluded.due_ms, version = excluded.version, payload = excluded.payload,
       attempts = 0, settled_ms = null where excluded.version > timers.version returning name`,
    timer.name,
    timer.dueMs,
    timer.version,
    JSON.stringify(timer.payload ?? null),
  )
  return armed.toArray().length > 0
}

/**
 * Arms a timer whose versions nobody else counts. One that waits is left to wait, so that its backoff holds, unless
 * `isMoved`. True when armed.
 */
export function armOwn(
  storage: SqlStorage,
  name: string,
  dueMs: number,
  isMoved: (fromMs: number) => boolean = () => false,
): boolean {
  const [known] = storage
    .exec<{ due: number | null; version: number }>('select due_ms as due, version from timers where name = ?', name)
    .toArray()
  if (known && known.due !== null && !isMoved(known.due)) return false
  return armTimer(storage, { name, dueMs, version: (known?.version ?? 0) + 1, payload: null })
}

/** Cancels this version and every older one, also one that arrives later. True when a timer was waiting. */
export function cancelTimer(storage: SqlStorage, name: string, version: number, nowMs: number): boolean {
  const waiting = storage.exec(
    'select 1 from timers where name = ? and version <= ? and due_ms is not null',
    name,
    version,
  )
  const cancelled = waiting.toArray().length > 0
  storage.exec(
    `insert into timers (name, due_ms, version, payload, settled_ms) values (?, null, ?, 'null', ?)
     on conflict (name) do update set due_ms = null, version = excluded.version, payload = 'null', attempts = 0,
       settled_ms = excluded.settled_ms where excluded.version >= timers.version`,
    name,
    version,
    nowMs,
  )
  return cancelled
}

/** How much an object holds: its rows, but for those that say which schema and which epoch it has, and its alarm. */
export async function countHeld(storage: DurableObjectStorage): Promise<number> {
  const { sql } = storage
  const tables = sql
    .exec<{ name: string }>(
      `select name from sqlite_master where type = 'table' and name not in ('migrations', 'epoch')
       and name not like 'sqlite\\_%' escape '\\' and name not like '\\_cf\\_%' escape '\\'`,
    )
    .toArray()
  const rows = tables.map(({ name }) => sql.exec<{ n: number }>(`select count(*) as n from "${name}"`).one().n)
  return rows.reduce((sum, n) => sum + n, (await storage.getAlarm()) === null ? 0 : 1)
}

/** A timer that waits. */
type Row = { name: string; due_ms: number; version: number; payload: string; attempts: number }

/**
 * Runs what is due, soonest first, each at least once. A try is written down before it is made, so a crash and a
 * failure end alike: tried again later. What `run` arms or cancels meanwhile under the same name is kept. Of what
 * `isForgotten` names nothing is remembered once it has run: armed late and again, it does no harm.
 */
export async function fireDue(
  storage: SqlStorage,
  nowMs: number,
  run: (timer: DueTimer) => Promise<void>,
  isForgotten: (timer: DueTimer) => boolean = () => false,
): Promise<FireReport> {
  const report: FireReport = { fired: [], failed: [] }
  storage.exec('delete from timers where due_ms is null and settled_ms < ?', nowMs - SETTLED_KEPT_MS)
  for (let passed = 0; passed < MAX_PER_PASS; passed++) {
    const row = claimSoonest(storage, nowMs)
    if (!row) break
    const { name, version } = row
    const attempt = row.attempts + 1
    try {
      const timer = { name, dueMs: row.due_ms, version, payload: JSON.parse(row.payload), attempt }
      await run(timer)
      if (isForgotten(timer)) storage.exec('delete from timers where name = ? and version = ?', name, version)
      else
        storage.exec(
          `update timers set due_ms = null, payload = 'null', attempts = 0, settled_ms = ? where name = ? and version = ?`,
          nowMs,
          name,
          version,
        )
      report.fired.push(name)
    } catch (error) {
      report.failed.push({ name, attempt, error })
    }
  }
  return report
}

function claimSoonest(storage: SqlStorage, nowMs: number): Row | undefined {
  const [row] = storage
    .exec<Row>(
      'select name, due_ms, version, payload, attempts from timers where due_ms <= ? order by due_ms, name limit 1',
      nowMs,
    )
    .toArray()
  if (!row) return undefined
  const again = nowMs + retryDelayMs(row.attempts)
  storage.exec('update timers set due_ms = ?, attempts = attempts + 1 where name = ?', again, row.name)
  return row
}

/** Twice as long after each failure, at most an hour. */
export function retryDelayMs(failures: number): number {
  return Math.min(RETRY_MOST_MS, RETRY_FIRST_MS * 2 ** Math.min(failures, 20))
}

/** When the alarm must ring: the soonest due time, at the earliest now; null when nothing waits. */
export function nextAlarmMs(storage: SqlStorage, nowMs: number): number | null {
  const { due } = storage
    .exec<{ due: number | null }>('select min(due_ms) as due from timers where due_ms is not null')
    .one()
  return due === null ? null : Math.max(due, nowMs)
}

/**
 * Sets the one alarm to the soonest timer, whatever was set before: one that should have rung is not trusted to.
 * Called right after arming, without waiting in between, timer and alarm are one commit.
 */
export async function keepAlarm(storage: DurableObjectStorage, nowMs: number): Promise<void> {
  const next = nextAlarmMs(storage.sql, nowMs)
  if (next === null) await storage.deleteAlarm()
  else await storage.setAlarm(Math.min(next, nowMs + ALARM_FURTHEST_MS))
}
