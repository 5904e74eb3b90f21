import { fillPlaceholders, type Query, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/neon-http'
import type { PersonActor } from '#core'
import type { Database } from './connect.ts'

type Values = Record<string, string | number | null>
type Written = { getQuery(): Query; mapResult(result: unknown): unknown }
type Statement<R> = PromiseLike<R> & { prepare(name: string): Written }
type Asking = { actor: PersonActor; db: Database }

const AS_DRIZZLE_ASKS = { arrayMode: true }

/**
 * A statement whose text is made once an isolate: that of a long one takes longer to make than all else of a request.
 * What `build` is given are the places of values that come later: they go into SQL, never into an `if`.
 */
export function prepared<V extends Values, R>(
  build: (db: Database, given: V) => Statement<R>,
): (db: Database, given: V) => Promise<R> {
  const run = preparedBatch((db, given: V) => [build(db, given)])
  return async (db, given) => (await run(db, given))[0]
}

type Answers<S> = { -readonly [K in keyof S]: S[K] extends Statement<infer R> ? R : never }

/** The same for several statements, in one transaction where there are more than one. One trip. */
function preparedBatch<V extends Values, const S extends readonly Statement<unknown>[]>(
  build: (db: Database, given: V) => S,
): (db: Database, given: V) => Promise<Answers<S>> {
  let written: Written[] | undefined
  return async (db, given) => {
    written ??= build(blank(), places<V>()).map((statement) => statement.prepare(''))
    const asked = written.map((each) => {
      const { sql: text, params } = each.getQuery()
      return db.$client.query(text, fillPlaceholders(params, given), AS_DRIZZLE_ASKS)
    })
    const results = asked.length === 1 ? [await asked[0]] : await db.$client.transaction(asked)
    // biome-ignore lint/nursery/noUnsafeTypeAssertion: drizzle maps the rows as the types of its builders say
    return written.map((each, n) => each.mapResult(results[n])) as Answers<S>
  }
}

/** The same on a person's data: a text that asks for their session, and one for the system that acts for them. */
export function preparedAs<V extends Values, R>(
  build: (ctx: Asking, given: V) => Statement<R>,
): (ctx: Asking, given: V) => Promise<R> {
  const run = preparedBatchAs((ctx, given: V) => [build(ctx, given)])
  return async (ctx, given) => (await run(ctx, given))[0]
}

/** The same for several statements, in one transaction. */
export function preparedBatchAs<V extends Values, const S extends readonly Statement<unknown>[]>(
  build: (ctx: Asking, given: V) => S,
): (ctx: Asking, given: V) => Promise<Answers<S>> {
  type All = V & { userId: string; sessionId: string }
  const inSession = preparedBatch((db, all: All) => build({ db, actor: actorOf(all.userId, all.sessionId) }, all))
  const unsigned = preparedBatch((db, all: All) =>
    build({ db, actor: { ...actorOf(all.userId, all.sessionId), isUnsigned: true } }, all),
  )
  const bySystem = preparedBatch((db, all: All) => build({ db, actor: actorOf(all.userId, null) }, all))
  return async ({ actor: { userId, sessionId, isUnsigned }, db }, given) =>
    sessionId === null
      ? await bySystem(db, { ...given, userId, sessionId: '' })
      : await (isUnsigned ? unsigned : inSession)(db, { ...given, userId, sessionId })
}

const actorOf = (userId: string, sessionId: string | null): PersonActor => ({ kind: 'person', userId, sessionId })

/** A handle that can only build. */
function blank(): Database {
  // biome-ignore lint/nursery/noUnsafeTypeAssertion: what lacks is the client, which building does not touch
  return drizzle.mock() as unknown as Database
}

function places<V extends Values>(): V {
  const place = { get: (_: object, name: string) => sql.placeholder(name) }
  // biome-ignore lint/nursery/noUnsafeTypeAssertion: drizzle takes a placeholder wherever it takes the value
  return new Proxy({}, place) as V
}
