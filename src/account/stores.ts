import type { Ctx } from '#core'
import { countGrants, revokeGrants } from '#integrations'
import { countVectors, eraseVectors } from '#search'
import { countInstances, eraseInstances } from '#workflows'
import { CLAIMS } from './claims.ts'
import { countFiles, eraseFiles } from './files.ts'
import { countRows, eraseRows } from './postgres.ts'

/**
 * A place that keeps something of people's. `erase` may run any number of times; `verify` answers how much of a person's
 * is left. What it keeps it names: a table, a binding or a class that no store names fails a test.
 */
export type Store = {
  name: string
  tables: readonly string[]
  bindings: readonly (keyof Env)[]
  erase(ctx: Ctx, userId: string): Promise<unknown>
  verify(ctx: Ctx, userId: string): Promise<number>
}

const grants: Store = {
  name: 'grants',
  tables: [],
  bindings: [],
  erase: revokeGrants,
  verify: countGrants,
}
const vectors: Store = {
  name: 'vectors',
  tables: ['embeddings'],
  bindings: ['VECTORIZE'],
  erase: eraseVectors,
  verify: countVectors,
}
// What waits in the queue is a reference to a row of the outbox: without it the message is dropped.
const postgres: Store = {
  name: 'postgres',
  tables: Object.keys(CLAIMS),
  bindings: ['EVENTS', 'JOBS_EMAIL', 'JOBS_AI_TASKS', 'JOBS_INTEGRATIONS', 'JOBS_NOTIFICATIONS', 'JOBS_ANALYTICS'],
  erase: eraseRows,
  verify: countRows,
}
const runs: Store = {
  name: 'runs',
  tables: [],
  bindings: ['TASA_RUN'],
  erase: eraseInstances,
  verify: countInstances,
}
const files: Store = { name: 'files', tables: [], bindings: ['FILES'], erase: eraseFiles, verify: countFiles }
const session: Store = {
  name: 'session',
  tables: [],
  bindings: ['USER_SESSION'],
  erase: ({ env }, userId) => env.USER_SESSION.getByName(userId).erase(),
  verify: ({ env }, userId) => env.USER_SESSION.getByName(userId).held(),
}
const steward: Store = {
  name: 'steward',
  tables: [],
  bindings: ['STEWARD'],
  erase: ({ env }, userId) => env.STEWARD.getByName(userId).erase(),
  verify: ({ env }, userId) => env.STEWARD.getByName(userId).held(),
}

/** In the order they are emptied: first what needs a row to be found, after Postgres what nobody can fill any more. */
export const STORES: readonly Store[] = [grants, vectors, runs, postgres, session, steward, files]

/** Bindings that keep nothing of anybody's, and why. */
export const KEEPS_NOTHING: Readonly<Record<string, string>> = {
  ASSETS: 'the reference',
  EDGE_LIMIT: 'counts of networks, for a minute',
  GUESS_LIMIT: 'counts of networks, for a minute',
  AI: 'models',
  EMAIL: 'mail on its way',
  ERASE_PERSON: 'the ids of erasures',
  EXPORT_PERSON: 'the ids of exports, and how far they came',
}
