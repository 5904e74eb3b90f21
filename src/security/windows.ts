import type { Migration } from '#core'
import type { Quota } from './limits.ts'

/**
 * Of an isolate, for one person: `spent` it let in since it last asked. `exact`: for one call, which waits; else for a
 * share of what is left. `sinceMs` is when its own window began.
 */
export type LimitAsk = Quota & { name: string; sinceMs: number; spent: number; isExact: boolean }
export type Grant = { granted: number; left: number; endsMs: number }

/** To be listed among the migrations of the object that counts a person's calls. */
export const LIMIT_MIGRATIONS: readonly Migration[] = [
  {
    name: 'limit_windows',
    sql: `create table limit_windows (
      name text primary key, started_ms integer not null, used integer not null) without rowid`,
  },
]

// The more there is left the larger a share; the last ones are given one by one, so that all of them are.
const SHARES = 8

/** Gives calls of a window away: never more than its quota, together with those that were let in without asking. */
export function grant(sql: SqlStorage, ask: LimitAsk, nowMs: number): Grant {
  const { name, quota, windowS, isExact, spent } = ask
  const lengthMs = windowS * 1000
  const [last] = sql
    .exec<{ startedMs: number; used: number }>(
      'select started_ms as "startedMs", used from limit_windows where name = ?',
      name,
    )
    .toArray()
  const isOpen = last !== undefined && nowMs >= last.startedMs && nowMs < last.startedMs + lengthMs
  const startedMs = isOpen
    ? last.startedMs
    : beginOf(ask.sinceMs, last ? last.startedMs + lengthMs : 0, nowMs, lengthMs)
  const used = (isOpen ? last.used : 0) + spent
  const free = Math.max(0, quota - used)
  const granted = isExact ? Math.min(1, free) : Math.ceil(free / SHARES)
  if (granted + spent > 0)
    sql.exec(
      'insert or replace into limit_windows (name, started_ms, used) values (?, ?, ?)',
      ...[name, startedMs, used + granted],
    )
  return { granted, left: free - granted, endsMs: startedMs + lengthMs }
}

// With the first call that was let in: not before the window before ended, nor so long ago that it would be over.
function beginOf(sinceMs: number, lastEndMs: number, nowMs: number, lengthMs: number): number {
  return Math.min(nowMs, Math.max(sinceMs, lastEndMs <= nowMs ? lastEndMs : 0, nowMs - lengthMs + 1000))
}
