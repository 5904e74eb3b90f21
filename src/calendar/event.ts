import { and, eq, isNull, sql } from 'drizzle-orm'
import { ownedBy, preparedAs } from '#database'
import { missing } from './problem.ts'
import { type ReadCtx, shown } from './row.ts'
import type { CalendarEvent } from './schema.ts'
import { calendarEvents } from './tables.ts'

/** An event and the zone of its person; no row for what is not there. */
export const findEvent = preparedAs(({ actor, db }, { id }: { id: string }) =>
  db
    .select({ event: shown(calendarEvents), home: sql<string>`person_zone(${actor.userId})` })
    .from(calendarEvents)
    .where(and(eq(calendarEvents.id, id), ownedBy(actor, calendarEvents.userId), isNull(calendarEvents.deletedAt))),
)

/** The same, and the zone of the person. */
export async function getEventAtHome(ctx: ReadCtx, id: string): Promise<{ event: CalendarEvent; home: string }> {
  const [row] = await findEvent(ctx, { id })
  if (!row) throw missing()
  return row
}

/** One event; what lies in the bin is `not_found`. One trip. */
export async function getEvent(ctx: ReadCtx, id: string): Promise<CalendarEvent> {
  return (await getEventAtHome(ctx, id)).event
}
