import { listEvents } from '#calendar'
import { type Clock, createClock, type UserCtx } from '#core'
import { nextTimes } from '#scheduler'
import { listTasks } from '#tasks'
import { getPreferences } from '#users'
import type { Gather } from './definition.ts'

const DAY_MS = 86_400_000
/** A fact is what it will be a little after its moment, also for who is told of it a little early. */
const AFTER_MS = 2000
const MAX_EVENTS = 100
const OFFICE = { from: '09:00', to: '17:00' }

type MomentCtx = Pick<UserCtx, 'actor' | 'db' | 'now'>

/** When facts of these sources may change though nothing happens; what several ask alike is looked up once. */
export function openMoments(ctx: MomentCtx) {
  const seen = new Map<string, Promise<Date | null>>()
  const once = (name: string, find: () => Promise<Date | null>) => {
    const found = seen.get(name) ?? find()
    seen.set(name, found)
    return found
  }
  /** The soonest of them after now. */
  return async (inputs: readonly Gather[], zone: string, readsTheDay: boolean): Promise<Date | null> => {
    const sources = new Set(inputs.map(({ source }) => source))
    const at = await Promise.all([
      readsTheDay ? midnightAfter(ctx.now(), zone) : null,
      sources.has('tasks') || sources.has('insights') ? once('due', () => nextDue(ctx)) : null,
      sources.has('calendar') || sources.has('free_time') ? once('edge', () => nextEdge(ctx)) : null,
      sources.has('free_time') ? once('hours', () => nextHours(ctx, zone)) : null,
    ])
    return soonest(at)
  }
}

/** The first of them, a little later. */
export function soonest(moments: readonly (Date | null)[]): Date | null {
  const [first] = moments.flatMap((at) => at ?? []).sort((a, b) => a.getTime() - b.getTime())
  return first ?? null
}

const after = (ms: number) => new Date(ms + AFTER_MS)

function midnightAfter(now: Date, zone: string, clock: Clock = createClock()): Date {
  const { date } = clock.wall(now.getTime(), zone)
  const next = new Date(Date.parse(date) + DAY_MS).toISOString().slice(0, 10)
  return after(clock.ms({ date: next, time: '00:00', timeZone: zone }))
}

async function nextDue(ctx: MomentCtx): Promise<Date | null> {
  const { items } = await listTasks(ctx, { limit: 1, sort: 'due', open: true, dueAfter: ctx.now().toISOString() })
  const due = items[0]?.due
  return due ? after(Date.parse(due.at)) : null
}

// Of a day: by then its midnight has been looked at.
async function nextEdge(ctx: MomentCtx): Promise<Date | null> {
  const nowMs = ctx.now().getTime()
  const to = new Date(nowMs + DAY_MS).toISOString()
  const { items } = await listEvents(ctx, { from: new Date(nowMs).toISOString(), to, limit: MAX_EVENTS })
  const edges = items.flatMap(({ start, end }) => [Date.parse(start.at), Date.parse(end.at)])
  return soonest(edges.filter((ms) => ms > nowMs).map(after))
}

async function nextHours(ctx: MomentCtx, zone: string): Promise<Date | null> {
  const { workingHours, quietHours } = await getPreferences(ctx)
  const times = [workingHours ?? OFFICE, ...(quietHours ? [quietHours] : [])].flatMap(({ from, to }) => [from, to])
  return soonest(
    times.flatMap((time) => {
      const [hour, minute] = time.split(':').map(Number)
      return nextTimes({ kind: 'cron', cron: `${minute} ${hour} * * *`, timeZone: zone }, ctx.now(), 1).map((at) =>
        after(at.getTime()),
      )
    }),
  )
}
