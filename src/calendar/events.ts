import { defineEvent, type EventKind } from '#core'
import { tell } from '#queue'
import { type Changed, type ReadCtx, shown } from './row.ts'
import { CalendarEvent } from './schema.ts'

export const eventCreated = defineEvent('event.created', 'calendar', CalendarEvent)
export const eventUpdated = defineEvent('event.updated', 'calendar', CalendarEvent)
export const eventDeleted = defineEvent('event.deleted', 'calendar', CalendarEvent)
export const eventRestored = defineEvent('event.restored', 'calendar', CalendarEvent)

/** What is told of the events a CTE changed, as a CTE of ids. */
export function tellOf(db: ReadCtx['db'], { cte, rows }: Changed, kind: EventKind, name = 'told') {
  const data = shown(rows)
  return tell(db, name, cte, { kind, userId: rows.userId, key: rows.id, version: rows.version, data })
}
