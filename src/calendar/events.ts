import { z } from 'zod'
import { defineEvent, type EventKind, s } from '#core'
import { tell } from '#queue'
import { type Changed, type ReadCtx, shown } from './row.ts'
import { CalendarEvent, MAX_LEAD_MINUTES, Occurrence } from './schema.ts'

export const eventCreated = defineEvent('event.created', 'calendar', CalendarEvent)
export const eventUpdated = defineEvent('event.updated', 'calendar', CalendarEvent)
export const eventDeleted = defineEvent('event.deleted', 'calendar', CalendarEvent)
export const eventRestored = defineEvent('event.restored', 'calendar', CalendarEvent)
export const EventSoon = s.later(() => z.strictObject({ ...Occurrence().shape, minutes: s.int(0, MAX_LEAD_MINUTES) }))
export type EventSoon = z.infer<ReturnType<typeof EventSoon>>
/** One of its reminders is given now, so many minutes before it begins. Sockets hear of it by the notification. */
export const eventSoon = defineEvent('event.soon', null, EventSoon)

/** What is told of the events a CTE changed, as a CTE of ids. */
export function tellOf(db: ReadCtx['db'], { cte, rows }: Changed, kind: EventKind, name = 'told') {
  const data = shown(rows)
  return tell(db, name, cte, { kind, userId: rows.userId, key: rows.id, version: rows.version, data })
}
