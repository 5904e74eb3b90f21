import type { Migration } from '#core'

export const TICKET_MIGRATIONS: readonly Migration[] = [
  {
    name: 'tickets',
    sql: 'create table tickets (hash text primary key, session_id text not null, origin text, expires_ms integer not null) without rowid',
  },
  {
    name: 'ended_sessions',
    sql: 'create table ended_sessions (id text primary key, at_ms integer not null) without rowid',
  },
]

const TICKET_MS = 30_000
// Longer than an access token lasts, with which a ticket for an ended session could still be asked for.
const ENDED_KEPT_MS = 3600_000

export type NewTicket = { hash: string; sessionId: string; origin: string | null }
export type Given = { ok: true; expiresMs: number } | { ok: false; reason: 'session_ended' }
export type Taken = { ok: true; sessionId: string } | { ok: false; reason: 'unknown' | 'expired' | 'other_origin' }

/** Remembers a ticket by its hash, unless its session was ended while the ticket was on its way here. */
export function giveTicket(storage: SqlStorage, { hash, sessionId, origin }: NewTicket, nowMs: number): Given {
  storage.exec('delete from tickets where expires_ms <= ?', nowMs)
  if (isEnded(storage, sessionId)) return { ok: false, reason: 'session_ended' }
  const expiresMs = nowMs + TICKET_MS
  storage.exec(
    'insert into tickets (hash, session_id, origin, expires_ms) values (?, ?, ?, ?)',
    hash,
    sessionId,
    origin,
    expiresMs,
  )
  return { ok: true, expiresMs }
}

type Row = { session_id: string; origin: string | null; expires_ms: number }

/** Consumes a ticket: however many try, one gets it. A try from another page than asked for it spends it too. */
export function takeTicket(storage: SqlStorage, hash: string, origin: string | null, nowMs: number): Taken {
  const [row] = storage
    .exec<Row>('delete from tickets where hash = ? returning session_id, origin, expires_ms', hash)
    .toArray()
  if (!row) return { ok: false, reason: 'unknown' }
  if (row.expires_ms <= nowMs) return { ok: false, reason: 'expired' }
  if (row.origin !== null && row.origin !== origin) return { ok: false, reason: 'other_origin' }
  return { ok: true, sessionId: row.session_id }
}

/** No ticket that this session was given opens anything. */
export function dropTickets(storage: SqlStorage, sessionId: string): void {
  storage.exec('delete from tickets where session_id = ?', sessionId)
}

/** No ticket of this session opens anything from now on, also none that is still on its way. */
export function endTickets(storage: SqlStorage, sessionId: string, nowMs: number): void {
  dropTickets(storage, sessionId)
  storage.exec('insert into ended_sessions (id, at_ms) values (?, ?) on conflict do nothing', sessionId, nowMs)
}

export function isEnded(storage: SqlStorage, sessionId: string): boolean {
  return storage.exec('select 1 from ended_sessions where id = ?', sessionId).toArray().length > 0
}

/** Forgets what can matter no more. */
export function pruneTickets(storage: SqlStorage, nowMs: number): void {
  storage.exec('delete from tickets where expires_ms <= ?', nowMs)
  storage.exec('delete from ended_sessions where at_ms <= ?', nowMs - ENDED_KEPT_MS)
}
