import { and, eq, inArray, type SQL, sql } from 'drizzle-orm'
import type { Plan, Undo } from '#core'
import { ownedBy } from '#database'
import { type ReadCtx, shown } from './row.ts'
import type { CalendarEvent, EventPatch, EventTime, NewEvent, Which } from './schema.ts'
import { calendarEvents } from './tables.ts'

type Named = Which & { id: string }
const e = calendarEvents

/** An event as it is now, in the bin or not; of `other`, where it is there, that one. */
export function eventState({ actor }: ReadCtx, id: string, other = id): SQL<CalendarEvent> {
  const mine = and(inArray(e.id, [id, other]), ownedBy(actor, e.userId))
  return sql`(select ${shown(e)} from ${e} where ${mine} order by ${eq(e.id, other)} desc limit 1)`
}

const quoted = ({ title }: { title: string }) => `\u201c${title}\u201d`
const given = ({ date, time, timeZone }: EventTime) => ({ date, timeZone, ...(time !== null && { time }) })

// What the patch touched, as it was: given back, it takes the change back. The rule of a series goes with its start.
function asBefore({ start, end, ...before }: CalendarEvent, patch: EventPatch) {
  const times = patch.start || patch.end ? { start: given(start), end: given(end) } : {}
  const rule = patch.start && before.recurrence !== null && { recurrence: before.recurrence }
  return { ...Object.fromEntries(Object.entries(before).filter(([name]) => name in patch)), ...times, ...rule }
}

const exceptionOf = ({ exceptions }: CalendarEvent, occurrence: string) =>
  exceptions.find((one) => one.occurrence === occurrence) ?? null

/** Whether a series is cut in two: changed from its first day on it is changed whole. */
const cuts = (before: CalendarEvent | null, { scope, occurrence }: Which) =>
  scope === 'following' && occurrence !== before?.start.date

/** Of what it becomes, and of what takes that back. */
export function createPlan(id: string, input: NewEvent): Plan {
  const undo = { tool: 'delete_event', input: { id }, says: `Deleted ${quoted(input)}` }
  return { says: `Create ${quoted(input)}`, changes: [{ target: id, before: null, after: input }], undo }
}

/** `newId`: of the series that begins where one is cut in two. */
export function changePlan(
  verb: string,
  named: Named,
  patch: EventPatch,
  before: CalendarEvent | null,
  newId: () => string,
): Plan {
  const isCut = cuts(before, named)
  const target = isCut ? newId() : named.id
  const was = before && Object.fromEntries(Object.entries(before).filter(([name]) => name in patch))
  const undo = before && undoOfChange(before, named, patch, isCut ? target : undefined)
  return {
    says: before ? `${verb} ${quoted(before)}` : `${verb} an event`,
    changes: [{ target, before: was, after: patch }],
    undo,
  }
}

function undoOfChange(
  before: CalendarEvent,
  { id, occurrence, scope }: Named,
  patch: EventPatch,
  without?: string,
): Undo {
  const says = `Changed ${quoted(before)} back`
  if (without !== undefined)
    return { tool: 'restore_event', input: { id, recurrence: before.recurrence, without }, says }
  const exception = occurrence === undefined ? null : exceptionOf(before, occurrence)
  if (occurrence !== undefined && scope !== 'following')
    return { tool: 'restore_event', input: { id, occurrence, exception }, says }
  const whole = asBefore(before, patch)
  return exception
    ? { tool: 'restore_event', input: { id, patch: whole, occurrence, exception }, says }
    : { tool: 'update_event', input: { id, ...whole }, says }
}

export function deletePlan(named: Named, before: CalendarEvent | null): Plan {
  const { id, occurrence, scope } = named
  const changes = [{ target: id, before, after: null }]
  if (!before) return { says: 'Delete an event', changes, undo: null }
  const one = occurrence !== undefined &&
    scope !== 'following' && { occurrence, exception: exceptionOf(before, occurrence) }
  const cut = cuts(before, named) && { recurrence: before.recurrence }
  const undo = { tool: 'restore_event', input: { id, ...one, ...cut }, says: `Restored ${quoted(before)}` }
  return { says: `Delete ${quoted(before)}`, changes, undo }
}
