import { sql } from 'drizzle-orm'
import { occurrencesBetween } from '#core'
import { kick } from '#queue'
import { getDay } from './change-one.ts'
import { insertDraft, seriesOf } from './create.ts'
import { findEvent } from './event.ts'
import { eventCreated, eventUpdated, tellOf } from './events.ts'
import { type Day, movedTimes } from './moved.ts'
import { MAX_SERIES, missing, type Problem, refusal } from './problem.ts'
import { asker, type CreateCtx, changing, shown, step, TIMES_PROBLEM, timesOf } from './row.ts'
import { continuedFrom, endedBefore, movedRule } from './rule.ts'
import type { CalendarEvent, EventPatch } from './schema.ts'
import { calendarEvents } from './tables.ts'
import { type Change, untilDone, updateWhole } from './update.ts'

const MAX_COUNT = 999

// What is different of single days goes along; of the day itself what the patch says is no longer different.
function exceptionsFrom({ event, occurrence }: Day, patch: EventPatch) {
  const times = patch.start || patch.end ? ['start', 'end'] : []
  const said = new Set([...Object.keys(patch), ...times])
  return Object.fromEntries(
    event.exceptions
      .filter((one) => one.occurrence >= occurrence)
      .map(({ occurrence: day, isCancelled, ...different }) => {
        const kept = Object.entries(different).filter(([name]) => day !== occurrence || !said.has(name))
        return [day, { isCancelled, ...Object.fromEntries(kept) }]
      }),
  )
}

function ruleFrom({ event: { recurrence, start }, occurrence }: Day, to: string): string {
  const rule = recurrence ?? ''
  const passedBy = (last: string) => occurrencesBetween(rule, start, start.date, last, MAX_COUNT).length
  return movedRule(continuedFrom(rule, occurrence, passedBy), occurrence, to)
}

function draftOf(day: Day, patch: EventPatch): string {
  const { title, notes, location, status, transparency, attendees, reminders, tainted } = day.event
  const same = { title, notes, location, status, transparency, attendees, reminders, tainted }
  const times = movedTimes({ ...day, exception: undefined }, patch)
  const recurrence = patch.recurrence === undefined ? ruleFrom(day, times.start.date) : patch.recurrence
  return JSON.stringify({ ...same, ...patch, ...times, recurrence, exceptions: exceptionsFrom(day, patch) })
}

/** `after` is the new series; the old one has ended before it. */
export type Split = Change & { isSplit: boolean }

/**
 * Changes a series from one of its days on: in one commit the old one ends before it and a new one begins. Three trips.
 * From its first day on it is changed as a whole.
 */
export async function updateFollowing(
  ctx: CreateCtx,
  id: string,
  occurrence: string,
  patch: EventPatch,
  version: number | '*',
): Promise<Split> {
  const newId = ctx.newId('cal')
  return await untilDone(version, () => updateOnce(ctx, { id, occurrence, newId }, patch, version))
}

type Cut = { id: string; occurrence: string; newId: string }

async function updateOnce(ctx: CreateCtx, cut: Cut, patch: EventPatch, version: number | '*'): Promise<Split> {
  const { id, occurrence, newId } = cut
  const [known] = await findEvent(ctx, { id: newId })
  // Done again after its answer was lost.
  if (known) return { before: known.event, after: known.event, isSplit: true }
  const day = await getDay(ctx, id, occurrence)
  const { event } = day
  if (day.exception?.isCancelled) throw missing()
  if (version !== '*' && version !== event.version) throw refusal('stale')
  if (occurrence === event.start.date) {
    const whole = { ...patch, ...(day.exception && { exceptions: exceptionsFrom(day, patch) }) }
    return { ...(await updateWhole(ctx, id, whole, event.version)), isSplit: false }
  }
  return { before: event, after: await split(ctx, day, newId, draftOf(day, patch)), isSplit: true }
}

async function split(ctx: CreateCtx, { event, occurrence }: Day, id: string, draft: string): Promise<CalendarEvent> {
  const { db } = ctx
  const me = asker(ctx)
  const rule = endedBefore(event.recurrence ?? '', occurrence)
  const judged = step(
    db,
    'judged',
    sql`
    select me.id as owner, d.draft, s.*, e.*, w.end_zone, case
      when o.id is null then 'stale' ${TIMES_PROBLEM}
      when d.draft->>'recurrence' is not null and ${seriesOf(sql`me.id`)} >= ${MAX_SERIES} then 'many'
    end as problem
    from me cross join (select ${draft}::jsonb as draft) d
      left join ${calendarEvents} o on o.id = ${event.id} and o.user_id = me.id and o.deleted_at is null
        and o.version = ${event.version}
      left join ${calendarEvents} t on false
      ${timesOf(sql`d.draft`, sql`me.zone`)}`,
  )
  const ended = changing(
    db,
    'ended',
    sql`
    update ${calendarEvents} o set recurrence = ${rule}, version = o.version + 1, updated_at = now() from judged j
      where j.problem is null and o.id = ${event.id} and o.version = ${event.version} returning o.*`,
  )
  const made = changing(db, 'made', insertDraft(id, sql`judged where exists (select 1 from ended)`))
  const [toldOfEnd, toldOfNew] = [
    tellOf(db, ended, eventUpdated, 'told_end'),
    tellOf(db, made, eventCreated, 'told_new'),
  ]
  const [row] = await db
    .with(me, judged, ended.cte, made.cte, toldOfEnd, toldOfNew)
    .select({
      problem: sql<Problem | null>`judged.problem`,
      event: sql<CalendarEvent | null>`case when ${made.rows.id} is not null then ${shown(made.rows)} end`,
      ended: sql<string | null>`(select id from told_end)`,
      began: sql<string | null>`(select id from told_new)`,
    })
    .from(judged)
    .leftJoin(made.cte, sql`true`)
  if (!row?.event) throw refusal(row?.problem ?? 'stale')
  kick(ctx, [row.ended, row.began])
  return row.event
}
