import { and, gt, inArray, isNull, type SQL, sql } from 'drizzle-orm'
import type { Ctx } from '#core'
import { iso } from '#database'
import { tellEnded } from './sessions.ts'
import { refreshTokens, sessions } from './tables.ts'

type Db = Ctx['db']

/** The first refresh token an app gets in a session, as a CTE. `sessionIds` is a select of one column, of one row or none. */
export function startFamily(db: Db, sessionIds: SQL, { id, hash }: { id: string; hash: string }) {
  return db.$with('started', {}).as(sql`
    insert into ${refreshTokens} (id, session_id, hash, generation)
    select ${id}::text, chosen.id, ${hash}::text, 2 from (${sessionIds}) as chosen(id)`)
}

/** The session this refresh token is or was of, as a select. */
export function familyOf(hash: string): SQL {
  return sql`(select r.session_id from ${refreshTokens} r where r.hash = ${hash})`
}

/** Ends these sessions and tells of it, as CTEs; the ids of the events are in the second. */
export function endFamilies(db: Db, sessionIds: SQL, reason: string) {
  const ended = db.$with('ended').as(
    db
      .update(sessions)
      .set({ endedAt: sql`now()`, endReason: reason })
      .where(and(inArray(sessions.id, sessionIds), isNull(sessions.endedAt)))
      .returning(),
  )
  return [ended, tellEnded(db, ended, reason)] as const
}

/** The sessions that are open, to join with. */
export function openSessions(db: Db, now: Date) {
  const fields = {
    id: sessions.id,
    lastUsedAt: iso(sessions.lastUsedAt).as('last_used'),
    expiresAt: iso(sessions.expiresAt).as('expires'),
  }
  return db
    .select(fields)
    .from(sessions)
    .where(and(isNull(sessions.endedAt), gt(sessions.expiresAt, now)))
    .as('open')
}
