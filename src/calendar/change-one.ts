import { type SQL, sql } from 'drizzle-orm'
import { AppError } from '#core'
import { ownedBy } from '#database'
import { kick } from '#queue'
import { getEventAtHome } from './event.ts'
import { eventUpdated, tellOf } from './events.ts'
import { type Day, movedTimes } from './moved.ts'
import { fallsOn } from './occurrence.ts'
import { missing, refusal } from './problem.ts'
import { type ChangeCtx, changing, type ReadCtx, shown } from './row.ts'
import {
  type CalendarEvent,
  type EventException,
  type EventPatch,
  MAX_EXCEPTIONS,
  MAX_NOTES_OF_ONE,
  type Restoration,
} from './schema.ts'
import { calendarEvents } from './tables.ts'
import type { Change } from './update.ts'

const OF_ONE = new Set(['title', 'notes', 'location', 'status', 'transparency', 'start', 'end'])

/** One of a series; `not_found` on a day the rule does not fall on. One trip. */
export async function getDay(ctx: ReadCtx, id: string, occurrence: string): Promise<Day> {
  const { event, home } = await getEventAtHome(ctx, id)
  if (!fallsOn(event, occurrence)) throw new AppError('not_found', 'The event does not happen on that day')
  return { event, home, occurrence, exception: event.exceptions.find((one) => one.occurrence === occurrence) }
}

/** Changes one occurrence of a series, and nothing of the others. Two trips. */
export async function updateOccurrence(
  ctx: ChangeCtx,
  id: string,
  occurrence: string,
  patch: EventPatch,
  version: number | '*',
): Promise<Change> {
  const day = await getDay(ctx, id, occurrence)
  if (day.exception?.isCancelled) throw missing()
  refuseOfOne(patch)
  const times = patch.start || patch.end ? movedTimes(day, patch) : {}
  const after = await merge(ctx, day, { ...patch, ...times, isCancelled: false }, version)
  return { before: day.event, after }
}

/** Cancels one occurrence. Two trips; `not_found` when it is cancelled already. */
export async function cancelOccurrence(ctx: ChangeCtx, id: string, occurrence: string) {
  const day = await getDay(ctx, id, occurrence)
  if (day.exception?.isCancelled) throw missing()
  return { event: await merge(ctx, day, { isCancelled: true }, '*'), before: day.event }
}

/** Takes back that one occurrence was cancelled, as it was before; any other stays as it is. Two trips. */
export async function restoreOccurrence(ctx: ChangeCtx, id: string, occurrence: string): Promise<CalendarEvent> {
  const day = await getDay(ctx, id, occurrence)
  return day.exception?.isCancelled ? await merge(ctx, day, { isCancelled: false }, '*') : day.event
}

/** Lets one occurrence differ by exactly this, or by nothing. Two trips. */
export async function putException(
  ctx: ChangeCtx,
  id: string,
  occurrence: string,
  exception: Restoration['exception'],
): Promise<CalendarEvent> {
  const day = await getDay(ctx, id, occurrence)
  const { occurrence: _, ...different } = exception ?? { occurrence, isCancelled: false }
  const { start, end } = different
  const kept = { ...different, ...((start || end) && movedTimes({ ...day, exception: undefined }, { start, end })) }
  const { exceptions } = calendarEvents
  const put = sql`${exceptions} || jsonb_build_object(${occurrence}::text, ${JSON.stringify(kept)}::jsonb)`
  return await setExceptions(ctx, day, exception ? put : sql`${exceptions} - ${occurrence}::text`, '*')
}

function refuseOfOne(patch: EventPatch): void {
  const errors = Object.keys(patch)
    .filter((name) => !OF_ONE.has(name))
    .map((name) => ({ pointer: `/${name}`, detail: 'is of the whole series' }))
  if ((patch.notes ?? '').length > MAX_NOTES_OF_ONE)
    errors.push({ pointer: '/notes', detail: `of one occurrence at most ${MAX_NOTES_OF_ONE} characters` })
  if (errors.length > 0) throw new AppError('invalid_request', `${errors[0]?.pointer} ${errors[0]?.detail}`, { errors })
}

type Different = Partial<Omit<EventException, 'occurrence'>>

// Into what is there by then: two that change different things of the same day are both heard.
async function merge(ctx: ChangeCtx, day: Day, set: Different, version: number | '*'): Promise<CalendarEvent> {
  const { exceptions } = calendarEvents
  const known = sql`coalesce(${exceptions}->${day.occurrence}::text, '{}')`
  const merged = sql`${exceptions} ||
    jsonb_build_object(${day.occurrence}::text, ${known} || ${JSON.stringify(set)}::jsonb)`
  return await setExceptions(ctx, day, merged, version)
}

// What changed meanwhile is no matter, unless a version was given: the exception of a day the rule leaves says nothing.
async function setExceptions(
  ctx: ChangeCtx,
  { event, exception }: Day,
  to: SQL,
  version: number | '*',
): Promise<CalendarEvent> {
  if (!exception && event.exceptions.length >= MAX_EXCEPTIONS)
    throw new AppError('invalid_request', `At most ${MAX_EXCEPTIONS} occurrences of a series may differ`)
  const { db, actor } = ctx
  const e = calendarEvents
  const changed = changing(
    db,
    'changed',
    sql`
    update ${e} set version = version + 1, updated_at = now(), exceptions = ${to}
      where ${e.id} = ${event.id} and ${ownedBy(actor, e.userId)} and ${e.deletedAt} is null
        and ${version === '*' ? sql`true` : sql`${e.version} = ${version}`} returning *`,
  )
  const told = tellOf(db, changed, eventUpdated)
  const [row] = await db
    .with(changed.cte, told)
    .select({ event: shown(changed.rows), eventId: sql<string | null>`(select id from told)` })
    .from(changed.cte)
  if (!row) throw version === '*' ? missing() : refusal('stale')
  kick(ctx, [row.eventId])
  return row.event
}
