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
  return actor.sessionId === null ? undefined : sql`live_session(${actor.sessionId}, ${actor.userId})`
}

/** The owner of a new row, checked as `ownedBy` checks. */
export function ownerId(actor: PersonActor): string | SQL<string> {
  return actor.sessionId === null ? actor.userId : sql<string>`live_user(${actor.sessionId}, ${actor.userId})`
}
