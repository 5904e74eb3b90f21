import type { Config } from '#config'
import type { Database, DatabaseMeter } from '#database'
import type { IdPrefix } from './id.ts'
import type { Log } from './log.ts'

/** What a person who acts by an API key may do; `budget` is what the key may spend on AI, beside its person's. */
export type ActingKey = {
  id: string
  scopes: readonly string[]
  ratePerMinute: number | null
  budget?: { dayMicros: number | null; monthMicros: number | null }
}
/**
 * A signed-in person, or the system acting for one (`sessionId` null: no session that could end). By an API key, its id
 * is the session's: both end by the same statement. `authAtMs` is when the person themselves signed in.
 */
export type PersonActor = {
  kind: 'person'
  userId: string
  sessionId: string | null
  authAtMs?: number
  key?: ActingKey
  /** As whom they act here, where the policy asks for a role. */
  staff?: 'support' | 'admin'
  /** Nothing is signed where it may be demanded: each statement asks whether it is. */
  isUnsigned?: true
}
export type Actor = PersonActor | { kind: 'anonymous' } | { kind: 'operator' } | { kind: 'system' }

/** Where a request came from, as the platform says: never from a header a client may set. */
export type Client = { address: string; country: string | null; userAgent: string }

/** What every verb is called with; a verb asks for a `Pick` of it. */
export type Ctx = {
  actor: Actor
  config: Config
  db: Database
  /** What `db` took so far: it is told with the answer. */
  meter: DatabaseMeter
  env: Env
  requestId: string
  /** What is being done: the operation of the API, the tool, the job. */
  operation: string
  /** Which of the calls of a request it is, where a turn makes several. */
  callId: string
  /** Where a route admits late: fulfilled once the call is within its limit. */
  admitted?: Promise<unknown>
  /** Others' words led to what is done: the rows it writes say so. */
  isTainted?: boolean
  client: Client
  now(): Date
  /** A fresh id; under an Idempotency-Key the same one each time the request is done again. */
  newId(prefix: IdPrefix): string
  waitUntil(promise: Promise<unknown>): void
  log: Log
}
export type UserCtx = Omit<Ctx, 'actor'> & { actor: PersonActor }
