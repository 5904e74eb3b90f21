import { defineTool, type Tool } from '#core'
import { deleteEvent, takeBack, updateEvent } from './change.ts'
import { createEvent } from './create.ts'
import { findTime } from './find-time.ts'
import { listEvents } from './list.ts'
import { changePlan, createPlan, deletePlan, eventState } from './plans.ts'
import {
  type CalendarEvent,
  EventFilter,
  NamedEvent,
  NamedMove,
  NamedPatch,
  NewEvent,
  Restoration,
  SlotFilter,
} from './schema.ts'

const SERIES =
  ' Of an event that repeats give `occurrence`, the day as list_events tells it, to mean that one alone; with it `scope`' +
  ' "following" means all from then on. Without it the whole series is meant.'

/** Everything an assistant may do with the person's calendar. */
export const calendarTools: Tool[] = [
  defineTool({
    name: 'create_event',
    description:
      'Put an event into the calendar. `start` is a date with a time, or without one a whole day; `end` is of the same kind,' +
      ' and an hour later, or the same day, when left out. `recurrence` is an RRULE. `reminders` are minutes before the start.',
    input: NewEvent,
    run: async (ctx, input) => ({ output: await createEvent(ctx, input) }),
    state: (ctx, _, newId) => eventState(ctx, newId('cal')),
    plan: (input, _, newId) => createPlan(newId('cal'), input),
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
  ...[
    { name: 'update_event', verb: 'Change', does: 'Change an event. Give only what changes.', input: NamedPatch },
    {
      name: 'move_event',
      verb: 'Move',
      does:
        'Move an event to another time. It lasts as long as before when no `end` is given. `recurrence` is its new rule,' +
        ' where it repeats by several days and nobody could tell otherwise.',
      input: NamedMove,
    },
  ].map(({ name, verb, does, input }) =>
    defineTool<typeof input, CalendarEvent>({
      name,
      description: `${does}${SERIES}`,
      input,
      run: async (ctx, { id, occurrence, scope, ...patch }) => {
        const { before, after } = await updateEvent(ctx, id, { occurrence, scope }, patch, '*')
        return { output: after, before }
      },
      state: (ctx, { id, scope }, newId) => eventState(ctx, id, scope === 'following' ? newId('cal') : id),
      plan: ({ id, occurrence, scope, ...patch }, before, newId) =>
        changePlan(verb, { id, occurrence, scope }, patch, before, () => newId('cal')),
    }),
  ),
  defineTool({
    name: 'delete_event',
    description: `Delete an event.${SERIES}`,
    input: NamedEvent,
    destructive: true,
    run: async (ctx, { id, occurrence, scope }) => {
      const { event, before } = await deleteEvent(ctx, id, { occurrence, scope })
      return { output: event, before }
    },
    state: (ctx, { id }) => eventState(ctx, id),
    plan: deletePlan,
  }),
  defineTool({
    name: 'restore_event',
    description: 'Take an event out of the bin, or with `occurrence` take back that this one was cancelled or changed.',
    input: Restoration,
    run: async (ctx, input) => ({ output: await takeBack(ctx, input) }),
    state: (ctx, { id }) => eventState(ctx, id),
    plan: ({ id, occurrence, exception, recurrence }) => {
      const isPlain = exception === undefined && recurrence === undefined
      const undo = isPlain ? { tool: 'delete_event', input: { id, occurrence }, says: 'Deleted it again' } : null
      return { says: 'Restore an event', changes: [{ target: id, before: null, after: null }], undo }
    },
  }),
]
