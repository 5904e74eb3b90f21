import { sql } from 'drizzle-orm'
import { createClock, type UserCtx } from '#core'
import { clipped, merged } from './busy.ts'
import { loadBusy } from './list.ts'
import type { Span } from './occurrence.ts'
import type { CalendarAnalytics } from './schema.ts'

const WEEKS = 8
const MINUTE_MS = 60_000
const DAY_MS = 24 * 60 * MINUTE_MS

const minutesOf = (spans: Span[]) =>
  Math.round(spans.reduce((sum, { startMs, endMs }) => sum + endMs - startMs, 0) / MINUTE_MS)

/** How the person's time went, counted in their own days, the current week whole. One trip. */
export async function getAnalytics(ctx: Pick<UserCtx, 'actor' | 'db' | 'now'>): Promise<CalendarAnalytics> {
  const monday = sql`date_trunc('week', ${ctx.now().toISOString()}::timestamptz at time zone me.zone)`
  const { found, timeZone, fromMs } = await loadBusy(ctx, {
    from: sql`wall_instant(${monday} - interval '1 week' * ${WEEKS - 1}::int, me.zone)`,
    to: sql`wall_instant(${monday} + interval '1 week', me.zone)`,
  })
  const clock = createClock()
  const first = Date.parse(clock.wall(fromMs, timeZone).date)
  const startOf = (day: number) =>
    clock.ms({ date: new Date(first + day * DAY_MS).toISOString().slice(0, 10), time: null, timeZone })
  const busy = merged(found)
  const meetings = merged(found.filter(({ event }) => event.attendees.length > 0))
  const weeks = Array.from({ length: WEEKS }, (_, n) => {
    const within = { fromMs: startOf(7 * n), toMs: startOf(7 * n + 7) }
    return {
      weekStart: new Date(first + 7 * n * DAY_MS).toISOString().slice(0, 10),
      events: found.filter(({ startMs }) => startMs >= within.fromMs && startMs < within.toMs).length,
      meetingMinutes: minutesOf(clipped(meetings, within)),
      busyMinutes: minutesOf(clipped(busy, within)),
    }
  })
  const busyMinutesPerWeekday = Array.from({ length: 7 }, (_, weekday) =>
    Array.from({ length: WEEKS }, (_w, n) => {
      const day = 7 * n + weekday
      return minutesOf(clipped(busy, { fromMs: startOf(day), toMs: startOf(day + 1) }))
    }).reduce((sum, minutes) => sum + minutes, 0),
  )
  const most = Math.max(...busyMinutesPerWeekday)
  const busiestWeekday = most > 0 ? busyMinutesPerWeekday.indexOf(most) + 1 : null
  return { timeZone, weeks, busyMinutesPerWeekday, busiestWeekday }
}
