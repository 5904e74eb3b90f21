import { z } from 'zod'
import { type Ctx, type DomainEvent, describeError, type PersonActor } from '#core'
import { insertNotification, takeTurn } from '#notifications'
import { kick, type Subscriber } from '#queue'
import { getReminder, markReminded, stillReminds, waitingReminders } from '#tasks'
import type { NewTimer } from './schema.ts'
import { AHEAD_MS, armAgain, armTimers, cancelTimer, SWEPT, wakeSteward } from './timer.ts'

const DAY_MS = 24 * 3600_000
const EARLY_MS = 1000
const SWEEP_AFTER_MS = 15_000
const SWEEP_LIMIT = 200
// A Worker has six connections at once; one is left for the queue.
const SWEEP_AT_ONCE = 5

const OPEN = new Set(['pending', 'in_progress'])
const Remindable = z.object({
  id: z.string(),
  status: z.string(),
  remindAt: z.object({ at: z.string() }).nullable(),
  deletedAt: z.string().nullable(),
  version: z.number(),
})

/** Keeps the timers of the person's Steward as their tasks say. */
export const reminderSubscriber: Subscriber = {
  name: 'reminders',
  wants: (type) => type.startsWith('task.'),
  handle: async (ctx, events) => {
    const userId = events[0]?.userId
    if (userId === undefined) return
    const timers: NewTimer[] = []
    for (const event of events) {
      const task = Remindable.parse(event.data)
      const timer = timerOf(task, event, ctx.now())
      if (timer) timers.push(timer)
      else if (mayHaveOne(task, event)) await cancelTimer(ctx, userId, nameOf(task.id), task.version)
    }
    await armTimers(ctx, userId, timers)
  },
}

// Only a change takes a reminder away; whatever else happens to a task that has none is not worth a call.
function mayHaveOne({ remindAt }: z.infer<typeof Remindable>, { type }: DomainEvent): boolean {
  return type === 'task.updated' || (remindAt !== null && type !== 'task.created')
}

function nameOf(taskId: string): string {
  return `reminder:${taskId}`
}

// A timer of the past rings at once.
function timerOf(task: z.infer<typeof Remindable>, event: DomainEvent, now: Date): NewTimer | null {
  if (!task.remindAt || task.deletedAt !== null || !OPEN.has(task.status)) return null
  const dueMs = Date.parse(task.remindAt.at)
  return isTooLate(dueMs, now) ? null : timerAt(event.userId, task, dueMs)
}

function timerAt(userId: string, task: { id: string; version: number }, dueMs: number): NewTimer {
  const payload = { kind: 'reminder' as const, userId, taskId: task.id }
  return { name: nameOf(task.id), dueMs, version: task.version, payload }
}

function isTooLate(dueMs: number, now: Date): boolean {
  return dueMs <= now.getTime() - DAY_MS
}

type RingCtx = Pick<Ctx, 'db' | 'env' | 'now' | 'newId' | 'waitUntil' | 'log'>
export type Ring = 'rung' | 'too_late' | 'nothing'

/**
 * Gives a reminder whose time has come, once, whoever asks and how often. `nothing`: it was given, moved or is no
 * longer wanted. What is a day late is noted as given and not said. Two trips.
 */
export async function ringReminder(ctx: RingCtx, input: { userId: string; taskId: string }): Promise<Ring> {
  const { db } = ctx
  const actor: PersonActor = { kind: 'person', userId: input.userId, sessionId: null }
  const task = await getReminder({ db, actor }, input.taskId)
  if (!task?.remindAt) return 'nothing'
  const { at } = task.remindAt
  const due = new Date(at)
  if (due.getTime() > ctx.now().getTime() + EARLY_MS) return 'nothing'
  const mark = markReminded(db, input.userId, task.id, at)
  if (isTooLate(due.getTime(), ctx.now())) {
    await mark
    ctx.log.warn('reminder.too_late', { taskId: task.id, userId: input.userId, dueAt: at })
    return 'too_late'
  }
  const reminder = {
    kind: 'reminder' as const,
    title: task.title,
    body: task.notes,
    priority: task.priority,
    link: { kind: 'task' as const, id: task.id },
    dedupeKey: `reminder:${task.id}:${at}`,
    // Put off and given again, it takes the place of the one that nobody saw.
    collapseKey: `reminder:${task.id}`,
    scheduledAt: due,
  }
  // Done, moved or in the bin since it was read, it is not said.
  const isWanted = stillReminds(db, input.userId, task.id, at)
  const tell = insertNotification(db, actor, ctx.newId('ntf'), reminder, isWanted)
  const [, told] = await db.batch([takeTurn(db, actor), tell, mark])
  kick(
    ctx,
    told.flatMap(({ eventId, replaced }) => [eventId, ...replaced]),
  )
  return told.length > 0 ? 'rung' : 'nothing'
}

/**
 * Rings what a lost message or alarm left unsaid, oldest first, and wakes its Steward, and arms again what is soon; answers
 * how many it rang.
 */
export async function sweepReminders(ctx: RingCtx): Promise<number> {
  const nowMs = ctx.now().getTime()
  const found = await waitingReminders(ctx.db, new Date(nowMs + AHEAD_MS), SWEPT)
  const isLate = ({ remindAt }: (typeof found)[number]) => (remindAt?.getTime() ?? 0) <= nowMs - SWEEP_AFTER_MS
  const late = found.filter(isLate).slice(0, SWEEP_LIMIT)
  const soon = found.flatMap((one) =>
    one.remindAt === null || isLate(one) ? [] : timerAt(one.userId, one, one.remindAt.getTime()),
  )
  let rung = 0
  for (let at = 0; at < late.length; at += SWEEP_AT_ONCE) {
    const rings = await Promise.all(late.slice(at, at + SWEEP_AT_ONCE).map((reminder) => ringLate(ctx, reminder)))
    rung += rings.filter((ring) => ring === 'rung').length
  }
  await armAgain(ctx, soon)
  if (rung > 0) ctx.log.warn('reminders.swept', { found: late.length, rung })
  return rung
}

// One that fails waits for the next sweep and stops no other.
async function ringLate(ctx: RingCtx, { id, userId }: { id: string; userId: string }): Promise<Ring> {
  try {
    const ring = await ringReminder(ctx, { userId, taskId: id })
    if (ring === 'rung') await wakeSteward(ctx, userId)
    return ring
  } catch (error) {
    ctx.log.error('reminder.sweep_failed', { taskId: id, userId, ...describeError(error) })
    return 'nothing'
  }
}
