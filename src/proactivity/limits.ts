import { type SQL, sql } from 'drizzle-orm'
import type { ReadCtx } from './row.ts'
import type { Settings } from './schema.ts'
import { suggestions } from './tables.ts'

/** What the statement that offers asks once more, as of when it is carried out. */
export type Limits = { settings: Settings; date: string; timeZone: string; restedBefore: Date }

/** The first instant of a day of a zone. */
export const startOfDay = (date: string, timeZone: string) => sql`(${date}::date::timestamp at time zone ${timeZone})`

/** Whether as many wait for a decision as may. */
export const isFull = ({ actor }: ReadCtx, { maxOpen }: Settings): SQL<boolean> =>
  sql`(select count(*) from ${suggestions} l where l.user_id = ${actor.userId} and l.status in ('proposed', 'seen')) >= ${maxOpen}::int`

/** Why nothing more of this kind may be offered now; null: it may. */
export function limitReached(ctx: ReadCtx, kind: string, limits: Limits): SQL<string | null> {
  const { settings, date, timeZone, restedBefore } = limits
  const theirs = sql`from ${suggestions} l where l.user_id = ${ctx.actor.userId}`
  const today = sql`l.proposed_at >= ${startOfDay(date, timeZone)}`
  const lately = sql`l.kind = ${kind} and l.proposed_at > ${restedBefore.toISOString()}::timestamptz`
  return sql`case
    when ${isFull(ctx, settings)} then 'too_many_open'
    when (select count(*) ${theirs} and ${today}) >= ${settings.maxADay}::int then 'too_many_today'
    when exists (select 1 ${theirs} and ${lately}) then 'cooldown' end`
}

/** Only one statement at a time offers anything to a person: in a batch, before the one that counts. */
export function offerAlone({ actor, db }: ReadCtx) {
  return db.execute(sql`select pg_advisory_xact_lock(hashtextextended(${`suggestions:${actor.userId}`}, 0))`)
}
