import { type Column, type SQL, sql } from 'drizzle-orm'
import type { Ctx } from '#core'
import { credentials, identities, passkeys } from './tables.ts'

/**
 * How many ways of signing in a person has. A link by mail is none of them: it is for whoever lost the others, and an
 * address can be lost too.
 */
export function waysIn(userId: Column | SQL.Aliased | string): SQL<number> {
  return sql<number>`((select count(*) from ${credentials} c where c.user_id = ${userId})
    + (select count(*) from ${passkeys} p where p.user_id = ${userId})
    + (select count(*) from ${identities} i where i.user_id = ${userId}))`
}

/** For the batch that takes a way in away, before it: of two at once the second counts what the first left. */
export function lockWaysIn(db: Ctx['db'], userId: string) {
  return db.execute(sql`select pg_advisory_xact_lock(hashtextextended(${`ways in ${userId}`}::text, 0))::text`)
}

/**
 * Of whom something is shown, while it is still good: the statement fails with `invalid_credentials` where what opens the
 * account was taken anew since, and who takes it anew waits for this one.
 */
export const letInAs = ({ userId, stamp }: { userId: string; stamp: number }) =>
  sql<string>`let_in(${userId}::text, ${stamp}::integer)`
