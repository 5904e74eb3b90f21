import { and, eq, exists, sql } from 'drizzle-orm'
import type { Ctx, PersonActor } from '#core'
import { insertNotification, takeTurn } from '#notifications'
import { kick, type Subscriber } from '#queue'
import { type NewTimer, Schedule, type ScheduleAction, ScheduleDue } from './schema.ts'
import { scheduleRuns } from './tables.ts'
import { armTimers, cancelTimer } from './timer.ts'

/** Keeps the timers of the person's Steward as their schedules say, and does what is due. */
export const scheduleSubscriber: Subscriber = {
  name: 'schedules',
  wants: (type) => type.startsWith('schedule.'),
  handle: async (ctx, events) => {
    const userId = events[0]?.userId
    if (userId === undefined) return
    const dues = events.flatMap(({ type, data }) => (type === 'schedule.due' ? ScheduleDue().parse(data) : []))
    await carryOut(
      ctx,
      userId,
      dues.filter(({ run }) => run.status === 'waiting'),
    )
    const changed = events.flatMap(({ type, data }) =>
      type === 'schedule.created' || type === 'schedule.updated' ? Schedule().parse(data) : [],
    )
    const timers: NewTimer[] = []
    for (const schedule of [...changed, ...dues.map((due) => due.schedule)]) {
      const timer = timerOf(userId, schedule)
      if (timer) timers.push(timer)
      else await cancelTimer(ctx, userId, nameOf(schedule.id), schedule.version)
    }
    for (const { data } of events.filter(({ type }) => type === 'schedule.deleted')) {
      const { id, version } = Schedule().parse(data)
      await cancelTimer(ctx, userId, nameOf(id), version + 1)
    }
    await armTimers(ctx, userId, timers)
  },
}

const nameOf = (id: string) => `schedule:${id}`

function timerOf(userId: string, { id, nextAt, version }: Schedule): NewTimer | null {
  if (nextAt === null) return null
  return { name: nameOf(id), dueMs: Date.parse(nextAt), version, payload: { kind: 'schedule', userId, id } }
}

// What they did and that they are done is one commit: a second delivery finds them done, or does them now.
async function carryOut(ctx: Ctx, userId: string, dues: ScheduleDue[]): Promise<void> {
  if (dues.length === 0) return
  const { db } = ctx
  const actor: PersonActor = { kind: 'person', userId, sessionId: null }
  const all = dues.map((due) => ({ ...due, told: ctx.newId('ntf') }))
  const r = scheduleRuns
  const done = db
    .update(r)
    .set({
      status: 'done',
      outcome: sql`json_build_object('kind', 'notification', 'id', ${told(all)}->>${r.id})`,
      endedAt: ctx.now(),
    })
    .where(and(sql`${told(all)} ? ${r.id}`, eq(r.userId, userId), eq(r.status, 'waiting')))
  const tells = all.map(({ run, schedule, told }) => {
    // Deleted meanwhile, or carried out by another delivery, it says nothing.
    const isTheirs = and(eq(r.id, run.id), sql`${r.outcome}->>'id' = ${told}`)
    const note = {
      ...noteOf(schedule.action),
      kind: 'schedule' as const,
      link: { kind: 'schedule' as const, id: schedule.id },
      dedupeKey: `schedule:${run.id}`,
      // The next time takes the place of one that nobody saw, unless each of them is wanted.
      collapseKey: schedule.missed === 'all' ? null : `schedule:${schedule.id}`,
      scheduledAt: new Date(run.dueAt),
    }
    return insertNotification(db, actor, told, note, exists(db.select({ id: r.id }).from(r).where(isTheirs)))
  })
  const [, , ...rows] = await db.batch([takeTurn(db, actor), done, ...tells])
  kick(
    ctx,
    rows.flat().flatMap(({ eventId, replaced }) => [eventId, ...replaced]),
  )
}

/** By the id of a run that of its notification. */
const told = (all: { run: { id: string }; told: string }[]) =>
  sql`${JSON.stringify(Object.fromEntries(all.map((each) => [each.run.id, each.told])))}::jsonb`

const noteOf = ({ title, body, priority }: ScheduleAction) => ({ title, body, priority })
