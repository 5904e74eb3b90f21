import { type SQL, sql } from 'drizzle-orm'
import type { UserCtx } from '#core'
import { nextClock } from './moment.ts'
import { cooldownMs, type Standing, TURN_APPROVAL } from './reasons.ts'
import type { ReadCtx } from './row.ts'
import type { Priority, Settings, WithheldReason } from './schema.ts'
import { suggestions } from './tables.ts'

/** What the statement that offers asks once more, as of when it is carried out. */
export type Limits = {
  settings: Settings
  date: string
  timeZone: string
  restedBefore: Date
  /** They asked for it themselves, once it was withheld. */
  isWanted: boolean
  /** When what holds something back ends by itself. */
  ends: Ends
}
type Ends = { [reason in WithheldReason]?: Date | null }

const MORNING_MINUTES = 8 * 60

export function limitsOf(standing: Standing, asked: { kind: string; priority: Priority }, at: At): Limits {
  const { settings, quietUntil, lastOfKind } = standing
  const { now, date, timeZone } = at
  const restMs = cooldownMs(settings, asked)
  const restedBefore = new Date(now.getTime() - restMs)
  const last = lastOfKind && lastOfKind > restedBefore ? lastOfKind : now
  // Nobody wants what found no place in a day at its midnight.
  const tomorrow = nextClock(now, timeZone, MORNING_MINUTES)
  const ends: Ends = {
    ...{ quiet_hours: quietUntil, cooldown: new Date(last.getTime() + restMs) },
    ...{ too_many_today: tomorrow, budget: tomorrow, too_many_open: new Date(now.getTime() + AGAIN_MS) },
  }
  return { settings, date, timeZone, restedBefore, isWanted: false, ends }
}
type At = { now: Date; date: string; timeZone: string }

/** The first instant of a day of a zone. */
export const startOfDay = (date: string, timeZone: string) => sql`(${date}::date::timestamp at time zone ${timeZone})`

/** Whether as many wait for a decision as may. */
export const isFull = ({ actor }: ReadCtx, { maxOpen }: Settings): SQL<boolean> =>
  sql`(select count(*) from ${suggestions} l where l.user_id = ${actor.userId} and l.status in ('proposed', 'seen')
    and l.kind <> ${TURN_APPROVAL}) >= ${maxOpen}::int`

type Offer = { kind: string; fingerprint: string }

/** Why this may not be offered now; null: it may. */
export function limitReached(ctx: ReadCtx, { kind, fingerprint }: Offer, limits: Limits): SQL<string | null> {
  const { settings, date, timeZone, restedBefore } = limits
  const theirs = sql`from ${suggestions} l where l.user_id = ${ctx.actor.userId}`
  const today = sql`l.proposed_at >= ${startOfDay(date, timeZone)} and l.kind <> ${TURN_APPROVAL}`
  const lately = sql`l.kind = ${kind} and l.proposed_at > ${restedBefore.toISOString()}::timestamptz`
  const same = sql`l.fingerprint = ${fingerprint} and l.status in ('proposed', 'seen', 'snoozed')`
  if (kind === TURN_APPROVAL || limits.isWanted)
    return sql`case when exists (select 1 ${theirs} and ${same}) then 'duplicate' end`
  return sql`case
    when exists (select 1 ${theirs} and ${same}) then 'duplicate'
    when ${isFull(ctx, settings)} then 'too_many_open'
    when (select count(*) ${theirs} and ${today}) >= ${settings.maxADay}::int then 'too_many_today'
    when exists (select 1 ${theirs} and ${lately}) then 'cooldown' end`
}

const AGAIN_MS = 15 * 60_000
/** When what finds no place is asked about once more. */
export const againAt = ({ now }: Pick<UserCtx, 'now'>) => new Date(now().getTime() + AGAIN_MS)

/** When what is held back for this reason is judged again by itself, if that is before its end: `wakeAt`, or when the reason ends. */
export function wakesAt(reason: SQL, wakeAt: Date | null, ends: Ends, expiresAt: Date): SQL {
  const instant = (at: Date | null | undefined) => sql`${at && at < expiresAt ? at.toISOString() : null}::timestamptz`
  const known = Object.entries(ends).map(([name, at]) => sql`when ${name} then ${instant(at)}`)
  const its = sql`case ${reason} ${sql.join(known, sql` `)} end`
  return sql`case when ${reason} is not null then coalesce(${instant(wakeAt)}, ${its}) end`
}

/** Only one statement at a time offers anything to a person: in a batch, before the one that counts. */
export function offerAlone({ actor, db }: ReadCtx) {
  return db.execute(sql`select pg_advisory_xact_lock(hashtextextended(${`suggestions:${actor.userId}`}, 0))`)
}
