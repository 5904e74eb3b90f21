import type { Ask } from './ledger.ts'

/** What a key spent in a UTC day and month. */
export type KeySpending = { dayMicros: number; monthMicros: number }
type Spent = { day: number; month: number }

/** The UTC day and month it is, by name. */
export function periodsOf(atMs: number): { day: string; month: string } {
  const day = new Date(atMs).toISOString().slice(0, 10)
  return { day, month: day.slice(0, 7) }
}

/** What a key may still spend; it may have no limit of its own. */
export function leftOfKey(sql: SqlStorage, key: NonNullable<Ask['key']>, nowMs: number, except: string): Spent {
  const { day, month } = periodsOf(nowMs)
  const held = sql
    .exec<Spent>(
      `select coalesce(sum(worst) filter (where day = ?), 0) as day, coalesce(sum(worst), 0) as month
       from ai_calls where state = 'reserved' and key_id = ? and month = ? and id <> ?`,
      ...[day, key.id, month, except],
    )
    .one()
  const spent = spentByKeys(sql, nowMs)[key.id]
  const left = (cap: number | null, used: number) => (cap === null ? Number.MAX_SAFE_INTEGER : Math.max(0, cap - used))
  return {
    day: left(key.dayMicros, held.day + (spent?.dayMicros ?? 0)),
    month: left(key.monthMicros, held.month + (spent?.monthMicros ?? 0)),
  }
}

/** By the id of the key. */
export function spentByKeys(sql: SqlStorage, nowMs: number): Record<string, KeySpending> {
  const { day, month } = periodsOf(nowMs)
  const rows = sql
    .exec<{ account: string } & KeySpending>(
      `select account, coalesce(sum(micros) filter (where period = ?), 0) as "dayMicros",
         coalesce(sum(micros) filter (where period = ?), 0) as "monthMicros"
       from ai_spent where account not in ('own', 'background') and period in (?, ?) group by account`,
      ...[day, month, day, month],
    )
    .toArray()
  return Object.fromEntries(rows.map(({ account, ...spending }) => [account, spending]))
}
