import { defineTool, type Tool, type UserCtx } from '#core'
import { deleteEvent, takeBack, updateEvent } from './change.ts'
import { createEvent } from './create.ts'
import { findTime } from './find-time.ts'
import type { Split } from './following.ts'
import { listEvents } from './list.ts'
import {
  type CalendarEvent,
  EventFilter,
  type EventPatch,
  type EventTime,
  NamedEvent,
  NamedMove,
  NamedPatch,
  NewEvent,
  Restoration,
  SlotFilter,
  type Which,
} from './schema.ts'

const SERIES =
  ' Of an event that repeats give `occurrence`, the day as list_events tells it, to mean that one alone; with it `scope`' +
  ' "following" means all from then on. Without it the whole series is meant.'
const quoted = ({ title }: CalendarEvent) => `\u201c${title}\u201d`
const given = ({ date, time, timeZone }: EventTime) => ({ date, timeZone, ...(time !== null && { time }) })

// What the patch touched, as it was: given back, it takes the change back.
function asBefore({ start, end, ...before }: CalendarEvent, patch: EventPatch) {
  const times = 'start' in patch || 'end' in patch ? { start: given(start), end: given(end) } : {}
  return { ...Object.fromEntries(Object.entries(before).filter(([name]) => name in patch)), ...times }
}

function undoOf(id: string, { occurrence }: Which, { before, after, isSplit }: Split, patch: EventPatch) {
  const says = `Changed ${quoted(before)} back`
  if (isSplit) {
    const { recurrence } = before
    return { tool: 'restore_event', input: { id, recurrence, without: after.id }, says }
  }
  if (occurrence === undefined) return { tool: 'update_event', input: { id, ...asBefore(before, patch) }, says }
  const exception = before.exceptions.find((one) => one.occurrence === occurrence) ?? null
  return { tool: 'restore_event', input: { id, occurrence, exception }, says }
}

async function change(ctx: UserCtx, id: string, which: Which, patch: EventPatch) {
  const changed = await updateEvent(ctx, id, which, patch, '*')
  return { output: changed.after, undo: undoOf(id, which, changed, patch) }
}

/** Everything an assistant may do with the person's calendar. */
export const calendarTools: Tool[] = [
  defineTool({
    name: 'create_event',
    description:
      'Put an event into the calendar. `start` is a date with a time, or without one a whole day; `end` is of the same kind,' +
      ' and an hour later, or the same day, when left out. `recurrence` is an RRULE. `reminders` are minutes before the start.',
    input: NewEvent,
    run: async (ctx, input) => {
      const event = await createEvent(ctx, input)
      return {
        output: event,
        undo: { tool: 'delete_event', input: { id: event.id }, says: `Deleted ${quoted(event)}` },
      }
    },
  }),
  defineTool({
    name: 'list_events',
    description:
      'What is in the calendar between two days or instants, in order; each occurrence of a series for itself, with its id' +
      ' and its `occurrence`. Days are those of the user, and `to` is the day after the last one.',
    input: EventFilter,
    readOnly: true,
    run: async (ctx, input) => ({ output: await listEvents(ctx, input) }),
  }),
  defineTool({
    name: 'find_time',
    description:
      'Where so many minutes are free between two days or instants, best first, within the working hours of the user or at' +
      ' any hour that is not quiet.',
    input: SlotFilter,
    readOnly: true,
    run: async (ctx, input) => ({ output: await findTime(ctx, input) }),
  }),
  defineTool({
    name: 'update_event',
    description: `Change an event. Give only what changes.${SERIES}`,
    input: NamedPatch,
    run: async (ctx, { id, occurrence, scope, ...patch }) => await change(ctx, id, { occurrence, scope }, patch),
  }),
  defineTool({
    name: 'move_event',
    description: `Move an event to another time. It lasts as long as before when no \`end\` is given.${SERIES}`,
    input: NamedMove,
    run: async (ctx, { id, occurrence, scope, ...patch }) => await change(ctx, id, { occurrence, scope }, patch),
  }),
  defineTool({
    name: 'delete_event',
    description: `Delete an event.${SERIES}`,
    input: NamedEvent,
    destructive: true,
    run: async (ctx, { id, occurrence, scope }) => {
      const { event, endedBefore } = await deleteEvent(ctx, id, { occurrence, scope })
      const which = endedBefore
        ? { recurrence: endedBefore.recurrence }
        : event.deletedAt === null
          ? { occurrence }
          : {}
      return {
        output: event,
        undo: { tool: 'restore_event', input: { id, ...which }, says: `Restored ${quoted(event)}` },
      }
    },
  }),
  defineTool({
    name: 'restore_event',
    description: 'Take an event out of the bin, or with `occurrence` take back that this one was cancelled or changed.',
    input: Restoration,
    run: async (ctx, input) => {
      const output = await takeBack(ctx, input)
      const { id, occurrence, exception, recurrence } = input
      if (exception !== undefined || recurrence !== undefined) return { output }
      return { output, undo: { tool: 'delete_event', input: { id, occurrence }, says: `Deleted ${quoted(output)}` } }
    },
  }),
]
