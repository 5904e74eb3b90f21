import type { CacheState, Decision, Feature, Kind } from './call.ts'
import { NO_USAGE, type ProviderName, type Usage } from './model.ts'

/** What a call may cost at most, asked for before it is made. Micro-dollars; `deadlineMs` is when it is surely over. */
export type Ask = {
  id: string
  userId: string
  kind: Kind
  feature: Feature
  conversationId: string | null
  provider: ProviderName
  model: string
  worstMicros: number
  isBackground: boolean
  deadlineMs: number
  /** The API key that asks, and what it may spend. */
  key?: { id: string; dayMicros: number | null; monthMicros: number | null }
}

/** What a call cost, as its provider said; estimated where it did not. */
export type Settlement = {
  id: string
  /** Of which hold, where a call was held more than once; the one that stands where it is not said. */
  deadlineMs?: number | undefined
  usage: Usage
  model: string
  costMicros: number
  isEstimated: boolean
  firstTokenMs: number | null
  totalMs: number
  outcome: 'done' | 'failed' | 'aborted'
  cache: CacheState
  decision: Decision
}

/**
 * A line of the ledger; lines are never changed. `lost`: nothing was heard of the call, its worst case is charged. When
 * it is heard of after all, `reversed` takes that back, and a last line says what it really cost. `unsent`: no call, only
 * the word that what was held for one is free.
 */
export type LedgerRow = Usage & {
  id: string
  callId: string
  userId: string
  kind: Kind
  feature: Feature
  conversationId: string | null
  provider: ProviderName
  model: string
  costMicros: number
  isEstimated: boolean
  isBackground: boolean
  keyId: string | null
  outcome: Settlement['outcome'] | 'lost' | 'reversed' | 'unsent'
  cache: CacheState
  firstTokenMs: number | null
  totalMs: number
  decision: Decision | null
  /** When the call was reserved: the day and the month it is charged to. */
  createdAt: string
}

type Entry = Pick<LedgerRow, 'outcome' | 'isEstimated' | 'costMicros'> & Partial<Omit<Settlement, 'outcome'>>

type Part = 'reversal' | 'final' | 'unsent'

// Under an Idempotency-Key a call comes again with its id: what is said is said of this hold alone.
export const lineId = ({ id, deadlineMs }: Pick<Ask, 'id' | 'deadlineMs'>, part?: Part) =>
  [id, deadlineMs, ...(part ? [part] : [])].join('.')

/** What the ledger says of a call, as it was held. `part` names a line beside its first. */
export function lineOf(ask: Ask, reservedMs: number, entry: Entry, part?: Part): LedgerRow {
  const { id, userId, kind, feature, conversationId, provider, isBackground } = ask
  const { outcome, isEstimated, costMicros, decision = null, model = ask.model, cache = 'off' } = entry
  return {
    ...(entry.usage ?? NO_USAGE),
    id: lineId(ask, part),
    callId: id,
    userId,
    kind,
    feature,
    conversationId,
    provider: decision?.provider ?? provider,
    model,
    costMicros,
    isEstimated,
    isBackground,
    keyId: ask.key?.id ?? null,
    outcome,
    cache,
    firstTokenMs: entry.firstTokenMs ?? null,
    totalMs: entry.totalMs ?? 0,
    decision,
    createdAt: new Date(reservedMs).toISOString(),
  }
}

/** Writes a line where it waits to be brought to Postgres. */
export function book(sql: SqlStorage, ...line: Parameters<typeof lineOf>): void {
  const row = lineOf(...line)
  sql.exec('insert into usage_outbox (id, line) values (?, ?)', row.id, JSON.stringify(row))
}

/** Lines that Postgres may not have yet. */
export function unflushed(sql: SqlStorage, limit: number): LedgerRow[] {
  return sql
    .exec<{ line: string }>('select line from usage_outbox order by id limit ?', limit)
    .toArray()
    .map(({ line }) => JSON.parse(line))
}

/** Forgets lines that Postgres has. */
export function flushed(sql: SqlStorage, rows: { id: string }[]): void {
  const ids = rows.map(({ id }) => id)
  sql.exec('delete from usage_outbox where id in (select value from json_each(?))', JSON.stringify(ids))
}
