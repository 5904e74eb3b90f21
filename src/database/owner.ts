import { and, type Column, eq, type SQL, sql } from 'drizzle-orm'
import type { PersonActor } from '#core'

/**
 * Whose rows these are, in the `where` of the statement itself. A session that has ended makes the whole
 * statement fail with SQLSTATE AU401: revocation costs no trip and waits for no token to expire.
 */
export function ownedBy(actor: PersonActor, column: Column): SQL | undefined {
  return and(eq(column, actor.userId), liveSession(actor))
}

/** A condition that holds, or fails the statement; null session: the system acts for the person. */
export function liveSession(actor: PersonActor): SQL | undefined {
  if (actor.sessionId === null) return undefined
  // A request without a signature fails with AU404 where its person demands one.
  return actor.isUnsigned
    ? sql`unsigned_session(${actor.sessionId}, ${actor.userId})`
    : sql`live_session(${actor.sessionId}, ${actor.userId})`
}

/** The owner of a new row, checked as `ownedBy` checks. */
export function ownerId(actor: PersonActor): string | SQL<string> {
  if (actor.sessionId === null) return actor.userId
  return actor.isUnsigned
    ? sql<string>`case when ${liveSession(actor)} then ${actor.userId}::text end`
    : sql<string>`live_user(${actor.sessionId}, ${actor.userId})`
}
