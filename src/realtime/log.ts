import type { Migration } from '#core'
import { type Snapshot, snapshotOf } from './protocol.ts'
import type { Topic } from './schema.ts'

export const LOG_MIGRATIONS: readonly Migration[] = [
  {
    name: 'events',
    sql: `create table events (seq integer primary key autoincrement, id text not null unique, topic text not null,
      event text not null, at_ms integer not null, data text)`,
  },
  // A new storage is a new epoch: offsets of another one say nothing here.
  { name: 'epoch', sql: `create table epoch as select lower(hex(randomblob(8))) as value` },
]

/** Kept for as long as both ask; the week bounds how long an erased or changed thing lingers in an idle log. */
export const RETENTION = { minEvents: 500, minMs: 600_000, maxEvents: 20_000, maxMs: 7 * 24 * 3600_000 }
/** Above either, reading the present state is cheaper than being told each step. */
export const MAX_REPLAY_EVENTS = 5_000
const MAX_REPLAY_CHARS = 1_000_000
/** Larger data is not pushed: the client reads the object. */
export const MAX_DATA_CHARS = 65_536
const PRUNE_EVERY = 128

export type NewEvent = { id: string; topic: string; event: string; data: unknown }
/** `json` is the data as text; null: it was too large to keep. */
export type LoggedEvent = {
  offset: number
  id: string
  topic: string
  event: string
  atMs: number
  json: string | null
}
export type Position = { epoch: string; offset: number }
export type Appended = { isNew: true; event: LoggedEvent } | { isNew: false; offset: number }

/** Appends, unless this id is in the log: then it says where. A fresh id is not looked for. */
export function append(storage: SqlStorage, told: NewEvent, nowMs: number, isFresh = false): Appended {
  const { id, topic, event, data } = told
  const [known] = isFresh ? [] : storage.exec<{ seq: number }>('select seq from events where id = ?', id).toArray()
  if (known) return { isNew: false, offset: known.seq }
  const text = JSON.stringify(data ?? null)
  const json = text.length > MAX_DATA_CHARS ? null : text
  const insert = 'insert into events (id, topic, event, at_ms, data) values (?, ?, ?, ?, ?) returning seq'
  const { seq } = storage.exec<{ seq: number }>(insert, id, topic, event, nowMs, json).one()
  return { isNew: true, event: { offset: seq, id, topic, event, atMs: nowMs, json } }
}

/** Where the log stands: its epoch and the last offset ever given. */
export function position(storage: SqlStorage): Position {
  return storage
    .exec<Position>(
      `select value as epoch, coalesce((select seq from sqlite_sequence where name = 'events'), 0) as "offset" from epoch`,
    )
    .one()
}

/** The first offset still kept; one past the last when nothing is. */
export function oldestOffset(storage: SqlStorage): number {
  const { seq } = storage.exec<{ seq: number | null }>('select min(seq) as seq from events').one()
  return seq ?? position(storage).offset + 1
}

type Row = { seq: number; id: string; topic: string; event: string; at_ms: number; data: string | null }

// A statement with json_each is prepared anew each time it runs.
const isAmong = (topics: readonly string[]) => `topic in (${topics.map(() => '?').join()})`

/** What these topics said after an offset, in order. */
export function replay(
  storage: SqlStorage,
  after: number,
  topics: readonly string[],
  limit = MAX_REPLAY_EVENTS,
): LoggedEvent[] {
  const rows = storage.exec<Row>(
    `select seq, id, topic, event, at_ms, data from events where seq > ? and ${isAmong(topics)} order by seq limit ?`,
    ...[after, ...topics, limit],
  )
  return [...rows].map(({ seq, at_ms, data, ...row }) => ({ ...row, offset: seq, atMs: at_ms, json: data }))
}

export type Recovery = { recovered: true; events: LoggedEvent[] } | { recovered: false; snapshot: Snapshot }

/** Everything missed since a position, or what to read where the log cannot tell it all. */
export function recover(storage: SqlStorage, from: Position | null, topics: readonly Topic[]): Recovery {
  if (from && isRetained(storage, from)) {
    const { events, chars } = storage
      .exec<{ events: number; chars: number }>(
        `select count(*) as events, coalesce(sum(length(data)), 0) as chars from events where seq > ? and ${isAmong(topics)}`,
        ...[from.offset, ...topics],
      )
      .one()
    if (events <= MAX_REPLAY_EVENTS && chars <= MAX_REPLAY_CHARS) {
      return { recovered: true, events: replay(storage, from.offset, topics) }
    }
  }
  return { recovered: false, snapshot: snapshotOf(topics) }
}

function isRetained(storage: SqlStorage, { epoch, offset }: Position): boolean {
  const here = position(storage)
  return epoch === here.epoch && offset <= here.offset && offset >= oldestOffset(storage) - 1
}

/** `firstRecent`, `firstAllowed`: the oldest offsets younger than the least and the greatest age; `last + 1` if none. */
export function firstKept(log: { last: number; firstRecent: number; firstAllowed: number }): number {
  const wanted = Math.min(log.last - RETENTION.minEvents + 1, log.firstRecent)
  return Math.max(wanted, log.firstAllowed, log.last - RETENTION.maxEvents + 1, 1)
}

/** Forgets what retention no longer asks for. */
export function prune(storage: SqlStorage, nowMs: number): void {
  const last = position(storage).offset
  const since = (ms: number) => {
    const [row] = storage
      .exec<{ seq: number }>('select seq from events where at_ms > ? order by seq limit 1', nowMs - ms)
      .toArray()
    return row?.seq ?? last + 1
  }
  const kept = firstKept({ last, firstRecent: since(RETENTION.minMs), firstAllowed: since(RETENTION.maxMs) })
  storage.exec('delete from events where seq < ?', kept)
}

/** True every so many events: then is the time to prune, and to tell quiet sockets how far the log has come. */
export function isMilestone(offset: number): boolean {
  return offset % PRUNE_EVERY === 0
}

/** The event as a WebSocket message; the data goes out as it was stored. */
export function eventFrame({ offset, topic, id, event, atMs, json }: LoggedEvent): string {
  const head = JSON.stringify({ type: 'event', offset, topic, id, event, at: isoAt(atMs) })
  return `${head.slice(0, -1)},"data":${json ?? 'null,"omitted":true'}}`
}

/** The event as a server-sent event; its id is what Last-Event-ID brings back. */
export function eventSse(epoch: string, { offset, event, json }: LoggedEvent): string {
  return `id: ${epoch}:${offset}\nevent: ${event}\ndata: ${json ?? 'null'}\n\n`
}

/** A Last-Event-ID of ours; null when it is not one. */
export function readPosition(text: string): Position | null {
  const [, epoch, offset] = /^([0-9a-f]{16}):(\d{1,15})$/.exec(text) ?? []
  return epoch === undefined || offset === undefined ? null : { epoch, offset: Number(offset) }
}

function isoAt(ms: number): string {
  return new Date(ms).toISOString()
}
