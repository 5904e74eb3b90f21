import { sql } from 'drizzle-orm'
import { AppError, createClock } from '#core'
import { ownedBy } from '#database'
import { kick } from '#queue'
import { getEventAtHome } from './event.ts'
import { eventUpdated, tellOf } from './events.ts'
import { fallsOn, spanOf, timesAt } from './occurrence.ts'
import { missing, refusal } from './problem.ts'
import { type ChangeCtx, changing, MAX_DAYS, type ReadCtx, shown } from './row.ts'
import { type CalendarEvent, type EventException, type EventPatch, MAX_EXCEPTIONS } from './schema.ts'
import { calendarEvents } from './tables.ts'
import type { Change } from './update.ts'

const MAX_NOTES = 2000
const ALL = new Set(['title', 'notes', 'location', 'status', 'transparency', 'start', 'end'])

type Day = { event: CalendarEvent; home: string; exception: EventException | undefined }

async function findDay(ctx: ReadCtx, id: string, occurrence: string): Promise<Day> {
  const { event, home } = await getEventAtHome(ctx, id)
  if (!fallsOn(event, occurrence)) throw new AppError('not_found', 'The event does not happen on that day')
  return { event, home, exception: event.exceptions.find((one) => one.occurrence === occurrence) }
}

/** Changes one occurrence of a series, and nothing of the others. Two trips. */
export async function updateOccurrence(
  ctx: ChangeCtx,
  id: string,
  occurrence: string,
  patch: EventPatch,
  version: number | '*',
): Promise<Change> {
  const day = await findDay(ctx, id, occurrence)
  if (day.exception?.isCancelled) throw missing()
  refuseOfOne(patch)
  const times = newTimes(day, occurrence, patch)
  const after = await setException(ctx, day, occurrence, { ...patch, ...times, isCancelled: false }, version)
  return { before: day.event, after }
}

/** Cancels one occurrence. Two trips; `not_found` when it is cancelled already. */
export async function cancelOccurrence(ctx: ChangeCtx, id: string, occurrence: string): Promise<CalendarEvent> {
  const day = await findDay(ctx, id, occurrence)
  if (day.exception?.isCancelled) throw missing()
  return await setException(ctx, day, occurrence, { isCancelled: true }, '*')
}

/** Takes back that one occurrence was cancelled, as it was before; any other stays as it is. Two trips. */
export async function restoreOccurrence(ctx: ChangeCtx, id: string, occurrence: string): Promise<CalendarEvent> {
  const day = await findDay(ctx, id, occurrence)
  if (!day.exception?.isCancelled) return day.event
  return await setException(ctx, day, occurrence, { isCancelled: false }, '*')
}

function refuseOfOne(patch: EventPatch): void {
  const errors = Object.keys(patch)
    .filter((name) => !ALL.has(name))
    .map((name) => ({ pointer: `/${name}`, detail: 'is of the whole series' }))
  if ((patch.notes ?? '').length > MAX_NOTES)
    errors.push({ pointer: '/notes', detail: `of one occurrence at most ${MAX_NOTES} characters` })
  if (errors.length > 0) throw new AppError('invalid_request', `${errors[0]?.pointer} ${errors[0]?.detail}`, { errors })
}

const iso = (ms: number) => {
  const [date = '', time = ''] = new Date(ms).toISOString().split('T')
  return { date, time: time.slice(0, 8) }
}

// Both, once one of them is said: a series that moves later does not move what was moved by itself.
function newTimes({ event, home, exception }: Day, occurrence: string, patch: EventPatch) {
  if (!patch.start && !patch.end) return {}
  const clock = createClock()
  const was = timesAt(clock, event, occurrence, exception)
  const said = ({ date, time, timeZone }: NonNullable<EventPatch['start']>, zone: string) => ({
    date,
    time: time ?? null,
    timeZone: timeZone ?? zone,
  })
  const start = patch.start ? said(patch.start, home) : was.start
  const wallOf = ({ date, time }: { date: string; time: string | null }) => Date.parse(`${date}T${time ?? '00:00'}Z`)
  const moved = () => {
    const isDay = start.time === null
    const length = wallOf(was.end) - wallOf(was.start)
    const kept = (was.start.time === null) === isDay ? length : isDay ? 0 : 3_600_000
    const { date, time } = iso(wallOf(start) + kept)
    const timeZone = was.end.timeZone === was.start.timeZone ? start.timeZone : was.end.timeZone
    return { date, time: isDay ? null : time, timeZone }
  }
  const end = patch.end ? said(patch.end, start.timeZone) : patch.start ? moved() : was.end
  if ((start.time === null) !== (end.time === null)) throw refusal('shape')
  const { startMs, endMs } = spanOf(clock, start, end)
  if (wallOf(end) < wallOf(start) && endMs <= startMs) throw refusal('order')
  if (wallOf(end) - wallOf(start) > MAX_DAYS * 86_400_000) throw refusal('long')
  const given = ({ time, ...rest }: typeof start) => ({ ...rest, ...(time !== null && { time }) })
  return { start: given(start), end: given(end) }
}

type Set = Partial<Omit<EventException, 'occurrence'>>

// What changed meanwhile is no matter, unless a version was given: the exception of a day the rule leaves says nothing.
async function setException(
  ctx: ChangeCtx,
  { event, exception }: Day,
  occurrence: string,
  set: Set,
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
    update ${e} set version = version + 1, updated_at = now(), exceptions = exceptions || jsonb_build_object(
        ${occurrence}::text, coalesce(exceptions->${occurrence}::text, '{}') || ${JSON.stringify(set)}::jsonb)
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
