import { type SQL, sql, type WithSubquery } from 'drizzle-orm'
import type { Ctx } from '#core'
import { jsonObject } from '#database'
import { tell } from '#queue'
import { reachAddress } from '#users'
import { removeWebhooks } from '#webhooks'
import { accountReclaimed } from './account-mails.ts'
import { identities, passkeys, recoveryCodes, signInChallenges, totpSecrets } from './tables.ts'

const WAYS_IN = [passkeys, totpSecrets, recoveryCodes, identities, signInChallenges]

/** The person whose address the statement confirms, of `reclaim`; null: it was confirmed before. */
export const RECLAIMED = sql`(select id from reached)`
/** The events of `reclaim` that are to be kicked. */
export const reclaimedEvents = sql<string[]>`(select coalesce(json_agg(id), '[]'::json) from
  (select id from told_reached union all select id from told_reclaimed) as told_of)`

/**
 * The address the statement's code was mailed to is confirmed; if it was not before, every factor and webhook goes with
 * it, and the event has other domains follow. As CTEs; sessions, keys and password are the statement's own to end.
 */
export function reclaim(db: Ctx['db'], of: { userId: SQL; email: SQL; at: Date }): WithSubquery[] {
  const reached = reachAddress(db, of)
  const gone = WAYS_IN.map((table, n) =>
    db.$with(`stranger_${n}`, {}).as(sql`delete from ${table} where user_id = ${RECLAIMED}`),
  )
  const [row] = reached
  const told = tell(db, 'told_reclaimed', row, {
    kind: accountReclaimed,
    userId: sql`${row.id}`,
    key: row.id,
    version: row.version,
    // The person is locked by then: what a session added that has now ended is older, what the owner adds is newer.
    data: jsonObject({ until: sql`date_trunc('milliseconds', clock_timestamp()) + interval '1 millisecond'` }),
  })
  return [...reached, ...gone, removeWebhooks(db, RECLAIMED), told]
}
