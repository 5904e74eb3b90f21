import { type Clock, createClock, type UserCtx } from '#core'
import { getPreferences } from '#users'
import { merged, without } from './busy.ts'
import { loadBusy, startOf } from './list.ts'
import type { Span } from './occurrence.ts'
import type { SlotFilter, Slots } from './schema.ts'

const MINUTE_MS = 60_000
const DAY_MS = 24 * 60 * MINUTE_MS
const STEP_MS = 15 * MINUTE_MS
/** What is left beside a slot and is shorter is good for nothing. */
const SCRAP_MS = 30 * MINUTE_MS
const DEFAULT_LIMIT = 10
const OFFICE = { from: '09:00', to: '17:00', days: [1, 2, 3, 4, 5] }

type Hours = { from: string; to: string; days?: number[] }

/** The hours of each day in a zone that touch the window; those that end before they begin end on the next day. */
export function daily(clock: Clock, hours: Hours, timeZone: string, { startMs, endMs }: Span): Span[] {
  const spans: Span[] = []
  const first = Date.parse(clock.wall(startMs, timeZone).date) - DAY_MS
  const last = Date.parse(clock.wall(endMs, timeZone).date)
  const dateOf = (ms: number) => new Date(ms).toISOString().slice(0, 10)
  for (let day = first; day <= last; day += DAY_MS) {
    const from = clock.ms({ date: dateOf(day), time: hours.from, timeZone })
    const next = hours.to <= hours.from ? DAY_MS : 0
    const to = clock.ms({ date: dateOf(day + next), time: hours.to, timeZone })
    const weekday = new Date(day).getUTCDay() || 7
    if (hours.days && !hours.days.includes(weekday)) continue
    const span = { startMs: Math.max(from, startMs), endMs: Math.min(to, endMs) }
    if (span.startMs < span.endMs) spans.push(span)
  }
  return merged(spans)
}

/** Every slot of this length on the quarter hours within what is open, with how much it wastes. */
export function slotsIn(open: readonly Span[], lengthMs: number): (Span & { scraps: number })[] {
  const isScrap = (ms: number) => ms > 0 && ms < SCRAP_MS
  return open.flatMap(({ startMs, endMs }) => {
    const slots: (Span & { scraps: number })[] = []
    for (let at = Math.ceil(startMs / STEP_MS) * STEP_MS; at + lengthMs <= endMs; at += STEP_MS) {
      const scraps = Number(isScrap(at - startMs)) + Number(isScrap(endMs - at - lengthMs))
      slots.push({ startMs: at, endMs: at + lengthMs, scraps })
    }
    return slots
  })
}

/** The best of them that do not overlap: the earliest day, the least wasted, the earliest. */
export function bestOf<T extends Span & { scraps: number }>(
  slots: readonly T[],
  dayOf: (ms: number) => string,
  limit: number,
): T[] {
  const days = new Map(slots.map((slot) => [slot, dayOf(slot.startMs)]))
  const day = (slot: T) => days.get(slot) ?? ''
  const ranked = slots.toSorted(
    (one, other) => day(one).localeCompare(day(other)) || one.scraps - other.scraps || one.startMs - other.startMs,
  )
  const best: T[] = []
  for (const slot of ranked) {
    if (best.length === limit) break
    if (best.every(({ startMs, endMs }) => endMs <= slot.startMs || startMs >= slot.endMs)) best.push(slot)
  }
  return best
}

function localOf(clock: Clock, ms: number, timeZone: string) {
  const { date, time } = clock.wall(ms, timeZone)
  return { date, time: time.slice(0, 5), timeZone }
}

/**
 * Where so many minutes fit: from now on, in working hours or at any, never in quiet hours, and `bufferMinutes` from
 * whatever is there. Two trips at once.
 */
export async function findTime(ctx: Pick<UserCtx, 'actor' | 'db' | 'now'>, asked: SlotFilter): Promise<Slots> {
  const { from, to, minutes, bufferMinutes = 0, hours = 'working', limit = DEFAULT_LIMIT } = asked
  const bufferMs = bufferMinutes * MINUTE_MS
  const [{ found, fromMs, toMs, ...home }, { quietHours, workingHours }] = await Promise.all([
    loadBusy(ctx, { from: startOf(from), to: startOf(to) }),
    getPreferences(ctx),
  ])
  const timeZone = asked.timeZone ?? home.timeZone
  const clock = createClock()
  const window = { startMs: Math.max(fromMs, ctx.now().getTime()), endMs: toMs }
  if (window.startMs >= window.endMs) return { timeZone, slots: [] }
  const allowed = hours === 'any' ? [window] : daily(clock, workingHours ?? OFFICE, timeZone, window)
  // From and to alike, there are none.
  const isQuiet = quietHours !== null && quietHours.from !== quietHours.to
  const quiet = isQuiet ? daily(clock, quietHours, timeZone, window) : []
  const taken = found.map(({ startMs, endMs }) => ({ startMs: startMs - bufferMs, endMs: endMs + bufferMs }))
  const open = without(without(allowed, quiet), merged(taken))
  const best = bestOf(slotsIn(open, minutes * MINUTE_MS), (ms) => clock.wall(ms, timeZone).date, limit)
  return {
    timeZone,
    slots: best.map(({ startMs, endMs }) => ({
      start: new Date(startMs).toISOString(),
      end: new Date(endMs).toISOString(),
      local: localOf(clock, startMs, timeZone),
      localEnd: localOf(clock, endMs, timeZone),
    })),
  }
}
