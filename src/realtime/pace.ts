import type { Migration } from '#core'

export const PACE_MIGRATIONS: readonly Migration[] = [
  {
    name: 'connects',
    sql: 'create table connects (one integer primary key check (one = 1), started_ms integer not null, used integer not null)',
  },
]

/** Sockets one person may have open; one more closes the oldest. */
export const MAX_SOCKETS = 32
/** Streams one person may have open; one more ends the oldest. */
export const MAX_TAILS = 32
/** After this a socket or stream must be opened anew, which only a live session can do. */
export const MAX_OPEN_MS = 12 * 3600_000
const CONNECTS = { most: 30, windowMs: 60_000 }
const MESSAGES = { most: 120, windowMs: 60_000 }
/** What may be on its way to one socket; a part of it later the socket is asked to prove how far it has read. */
const MAX_UNREAD_CHARS = 4_000_000
const CHECK_AFTER_CHARS = 256_000

export type Window = { startedMs: number; used: number }

/** Counts one more in a window that begins with its first. */
function count(window: Window | undefined, nowMs: number, windowMs: number): Window {
  const isOver = !window || nowMs - window.startedMs >= windowMs || nowMs < window.startedMs
  return isOver ? { startedMs: nowMs, used: 1 } : { ...window, used: window.used + 1 }
}

export type Connect = { ok: true } | { ok: false; retryAfterMs: number }

/** Counts a connection of this person. `chance` in 0…1 spreads those who come back, so that they do not come as one. */
export function countConnect(storage: SqlStorage, nowMs: number, chance: number): Connect {
  const [row] = storage.exec<{ started_ms: number; used: number }>('select started_ms, used from connects').toArray()
  const window = count(row && { startedMs: row.started_ms, used: row.used }, nowMs, CONNECTS.windowMs)
  storage.exec(
    'insert or replace into connects (one, started_ms, used) values (1, ?, ?)',
    window.startedMs,
    window.used,
  )
  if (window.used <= CONNECTS.most) return { ok: true }
  const leftMs = window.startedMs + CONNECTS.windowMs - nowMs
  return { ok: false, retryAfterMs: Math.ceil(leftMs + chance * CONNECTS.windowMs) }
}

/**
 * What a socket was sent and has not proved to have read, and how much it said lately. A cache: losing it costs
 * nothing. The runtime tells no buffer's size, and a ping proves nothing: one may ping without reading.
 */
export type Pace = { unread: number; check: { token: string; unread: number } | null; said: Window | undefined }

export const NEW_PACE: Pace = { unread: 0, check: null, said: undefined }

export function countSent(pace: Pace, chars: number): { pace: Pace; isTooSlow: boolean; isCheckDue: boolean } {
  const unread = pace.unread + chars
  const isCheckDue = pace.check === null && unread > CHECK_AFTER_CHARS
  return { pace: { ...pace, unread }, isTooSlow: unread > MAX_UNREAD_CHARS, isCheckDue }
}

/** A socket that sends a token back has read all that was sent before it. */
export function countRead(pace: Pace, token: string): Pace | undefined {
  return pace.check?.token === token ? { ...pace, unread: pace.unread - pace.check.unread, check: null } : undefined
}

export function countSaid(pace: Pace, nowMs: number): { pace: Pace; isTooMuch: boolean } {
  const said = count(pace.said, nowMs, MESSAGES.windowMs)
  return { pace: { ...pace, said }, isTooMuch: said.used > MESSAGES.most }
}
