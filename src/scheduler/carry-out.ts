import { and, eq, exists, sql } from 'drizzle-orm'
import type { Ctx, UserCtx } from '#core'
import { insertNotification, takeTurn } from '#notifications'
import { kick, type Subscriber } from '#queue'
import { type Carriers, carry, type Due, noteOf, onBehalfOf, settleRun, waitingRuns } from './carriers.ts'
import { nameOf, timerAt } from './due.ts'
import { type NewTimer, Schedule, ScheduleDue } from './schema.ts'
import { followZone } from './switch.ts'
import { scheduleRuns } from './tables.ts'
import { armTimers, cancelTimer } from './timer.ts'

/** Keeps the timers of the person's Steward as their schedules say, and does what is due. */
export const scheduleSubscriber = (carriers: Carriers): Subscriber => ({
  name: 'schedules',
  wants: (type) => type.startsWith('schedule.') || type === 'me.updated',
  handle: async (ctx, events) => {
    const userId = events[0]?.userId
    if (userId === undefined) return
    if (events.some(({ type }) => type === 'me.updated')) await followZone(onBehalfOf(ctx, userId))
    const dues = events.flatMap(({ type, data }) => (type === 'schedule.due' ? ScheduleDue().parse(data) : []))
    const waiting = dues.filter(({ run }) => run.status === 'waiting')
    const changed = events.flatMap(({ type, data }) =>
      type === 'schedule.created' || type === 'schedule.updated' ? Schedule().parse(data) : [],
    )
    const timers: NewTimer[] = []
    for (const schedule of [...changed, ...dues.map((due) => due.schedule)]) {
      const { id, nextAt, version } = schedule
      if (nextAt !== null) timers.push(timerAt({ userId, id, version }, Date.parse(nextAt)))
      else await cancelTimer(ctx, userId, nameOf(id), version)
    }
    for (const { data } of events.filter(({ type }) => type === 'schedule.deleted')) {
      const { id, version } = Schedule().parse(data)
      await cancelTimer(ctx, userId, nameOf(id), version + 1)
    }
    await armTimers(ctx, userId, timers)
    await notifyAll(ctx, userId, waiting)
    const others = waiting.filter(({ schedule }) => schedule.action.kind !== 'notify')
    if (others.length > 0) await carryOut(onBehalfOf(ctx, userId), others, carriers)
  },
})

// What was settled since it was told of, or is under way, is left; what fails is told again, alone.
async function carryOut(ctx: UserCtx, dues: Due[], carriers: Carriers): Promise<void> {
  const left = new Set(
    (
      await waitingRuns(
        ctx,
        dues.map(({ run }) => run.id),
      )
    ).flatMap(({ run }) => (run.outcome === null ? [run.id] : [])),
  )
  for (const due of dues) {
    const came = left.has(due.run.id) ? await carry(carriers, ctx, due) : null
    if (came) await settleRun(ctx, due, came)
  }
}

// What they did and that they are done is one commit: a second delivery finds them done, or does them now.
async function notifyAll(ctx: Ctx, userId: string, dues: Due[]): Promise<void> {
  const { db } = ctx
  const { actor } = onBehalfOf(ctx, userId)
  const all = dues.flatMap(({ run, schedule }) =>
    schedule.action.kind === 'notify' ? [{ run, schedule, action: schedule.action, told: ctx.newId('ntf') }] : [],
  )
  if (all.length === 0) return
  const r = scheduleRuns
  const done = db
    .update(r)
    .set({
      status: 'done',
      outcome: sql`json_build_object('kind', 'notification', 'id', ${told(all)}->>${r.id})`,
      endedAt: ctx.now(),
    })
    .where(and(sql`${told(all)} ? ${r.id}`, eq(r.userId, userId), eq(r.status, 'waiting')))
  const tells = all.map(({ run, schedule, action: { title, body, priority }, told }) => {
    // Deleted meanwhile, or carried out by another delivery, it says nothing.
    const isTheirs = and(eq(r.id, run.id), sql`${r.outcome}->>'id' = ${told}`)
    // The next time takes the place of one that nobody saw, unless each of them is wanted.
    const collapseKey = schedule.missed === 'all' ? null : `schedule:${schedule.id}`
    const note = { ...noteOf(schedule, run), title, body, priority, collapseKey }
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
