import { sql } from 'drizzle-orm'
import { type Ctx, createClock, describeError, type PersonActor } from '#core'
import { iso } from '#database'
import { insertNotification } from '#notifications'
import { kick, type Subscriber, tell } from '#queue'
import { AHEAD_MS, armAgain, armTimers, cancelTimer, type NewTimer } from '#scheduler'
import { type EventSoon, eventSoon } from './events.ts'
import { nextReminders, type Reminder } from './remind.ts'
import { shown } from './row.ts'
import type { CalendarEvent } from './schema.ts'
import { calendarEvents } from './tables.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const EARLY_MS = 1000
const MAX_PASSES = 20
const SWEEP_AFTER_S = 15
const SWEEP_LIMIT = 200
const SWEPT = 1000
const GIVEN_UP_AFTER_DAYS = 7
// A Worker has six connections at once; one is left for the queue.
const SWEEP_AT_ONCE = 5

type Whose = { userId: string; id: string }
type RingCtx = Pick<Ctx, 'db' | 'env' | 'now' | 'newId' | 'waitUntil' | 'log'>
/** What is to be given next, and what was; `armings` counts how often that was set. */
type Known = {
  event: CalendarEvent
  home: string
  nextReminderAt: string | null
  remindedTo: string | null
  armings: number
}

const e = calendarEvents

/** Keeps the timer of each event at its next reminder. */
export const eventReminderSubscriber: Subscriber = {
  name: 'event-reminders',
  wants: (type) => type.startsWith('event.') && type !== eventSoon.type,
  handle: async (ctx, events) => {
    const whose = new Map(events.map(({ key, userId }) => [key, userId]))
    for (const [id, userId] of whose) await keepReminders(ctx, { userId, id })
  },
}

/**
 * Gives what is to be given of an event by now, each reminder once, whoever asks and how often, and sets the timer of
 * the next. Answers how many it gave. Two trips, and one more for each time that has come.
 */
export async function keepReminders(ctx: RingCtx, whose: Whose): Promise<number> {
  let given = 0
  for (let pass = 0; pass < MAX_PASSES; pass++) {
    const known = await findKnown(ctx, whose)
    if (!known || (known.event.reminders.length === 0 && known.armings === 0)) return given
    const nowMs = ctx.now().getTime()
    const next = nextReminders(known.event, sinceMs(known, nowMs))
    const isDue = next[0] !== undefined && next[0].atMs <= nowMs + EARLY_MS
    if (isDue) given += await give(ctx, whose, known, next)
    else if (await setNext(ctx, whose, known, next[0])) return given
  }
  throw new Error('the event keeps changing')
}

async function findKnown({ db }: Pick<Ctx, 'db'>, { userId, id }: Whose): Promise<Known | undefined> {
  const home = sql<string>`person_zone(${userId})`
  const [row] = await db
    .select({
      event: shown(e),
      home,
      nextReminderAt: iso(e.nextReminderAt),
      remindedTo: iso(e.remindedTo),
      armings: e.armings,
    })
    .from(e)
    .where(sql`${e.id} = ${id} and ${e.userId} = ${userId}`)
  return row
}

// From the last change on, or from what should have been given before it; what is a day late is not looked at.
function sinceMs({ event, nextReminderAt, remindedTo }: Known, nowMs: number): number {
  const owedMs = Math.min(
    Date.parse(event.updatedAt),
    nextReminderAt === null ? Number.POSITIVE_INFINITY : Date.parse(nextReminderAt),
  )
  return Math.max(owedMs, nowMs - DAY_MS, remindedTo === null ? 0 : Date.parse(remindedTo) + 1)
}

// As it was read: of two who set it at once, or one who read what has changed, nothing is heard.
const isAsRead = ({ userId, id }: Whose, { armings, event }: Known) =>
  sql`${e.id} = ${id} and ${e.userId} = ${userId} and ${e.armings} = ${armings} and ${e.version} = ${event.version}`

async function give(ctx: RingCtx, whose: Whose, known: Known, due: Reminder[]): Promise<number> {
  const { db } = ctx
  const nowMs = ctx.now().getTime()
  const at = new Date(due[0]?.atMs ?? nowMs)
  const actor: PersonActor = { kind: 'person', userId: whose.userId, sessionId: null }
  const wanted = due.filter(({ atMs, endMs }) => endMs > nowMs || atMs > nowMs - HOUR_MS)
  if (wanted.length < due.length)
    ctx.log.warn('event_reminder.too_late', { eventId: whose.id, dueAt: at.toISOString() })
  const tells = wanted.map((reminder) =>
    insertNotification(db, actor, ctx.newId('ntf'), {
      kind: 'event',
      title: reminder.occurrence.title,
      body: sayWhen(reminder, known.home),
      link: { kind: 'event', id: whose.id },
      dedupeKey: `event:${whose.id}:${reminder.occurrence.start.at}:${reminder.minutes}`,
      scheduledAt: at,
    }),
  )
  const [soon, ...told] = await db.batch([tellSoon(ctx, whose, known, wanted, at), ...tells])
  const made = told.flat()
  kick(ctx, [...soon.map(({ eventId }) => eventId), ...made.map(({ eventId }) => eventId)])
  return made.length
}

/** Marks what is given by now, and tells of it what a workflow may wait for. Each of them has a version of its own. */
function tellSoon({ db }: RingCtx, whose: Whose, known: Known, wanted: Reminder[], at: Date) {
  const armings = known.armings + Math.max(1, wanted.length)
  const mark = db
    .$with('mark')
    .as(db.update(e).set({ remindedTo: at, armings }).where(isAsRead(whose, known)).returning({ id: e.id }))
  const all = wanted.map(({ minutes, occurrence }, n) => {
    const data: EventSoon = { ...occurrence, minutes }
    return { version: known.armings + n + 1, data }
  })
  const soon = db
    .$with('soon', {})
    .as(
      sql`select r.version, r.data from ${mark}, jsonb_to_recordset(${JSON.stringify(all)}::jsonb) as r (version int, data jsonb)`,
    )
  const told = tell(db, 'told', soon, {
    kind: eventSoon,
    userId: whose.userId,
    key: sql`${whose.id}::text`,
    version: sql`soon.version`,
    data: sql`soon.data`,
  })
  return db.with(mark, soon, told).select({ eventId: told.id }).from(told)
}

function sayWhen({ occurrence: { start, location } }: Reminder, home: string): string {
  const { date, time } = createClock().wall(Date.parse(start.at), home)
  const when = start.time === null ? start.date : `${date} ${time.slice(0, 5)}`
  return location === '' ? when : `${when} \u00b7 ${location}`
}

async function setNext(ctx: RingCtx, whose: Whose, known: Known, next: Reminder | undefined): Promise<boolean> {
  const [noted] = await ctx.db
    .update(e)
    .set({ nextReminderAt: next ? new Date(next.atMs) : null, armings: sql`${e.armings} + 1` })
    .where(isAsRead(whose, known))
    .returning({ armings: e.armings })
  if (!noted) return false
  if (next) await armTimers(ctx, whose.userId, [timerAt(whose, next.atMs, noted.armings)])
  else await cancelTimer(ctx, whose.userId, nameOf(whose.id), noted.armings)
  return true
}

const nameOf = (id: string) => `event:${id}`

function timerAt({ userId, id }: Whose, dueMs: number, version: number): NewTimer {
  return { name: nameOf(id), dueMs, version, payload: { kind: 'event_reminder', userId, id } }
}

/** Gives what a lost message or alarm left unsaid, oldest first, and arms again what is soon; answers how many it gave. */
export async function sweepEventReminders(ctx: RingCtx): Promise<number> {
  const found = await ctx.db
    .select({
      ...{ id: e.id, userId: e.userId, armings: e.armings, at: e.nextReminderAt },
      // Imported and never armed: it has no version yet that a timer may have.
      isLate: sql<boolean>`${e.nextReminderAt} <= now() - interval '1 second' * ${SWEEP_AFTER_S} or ${e.armings} = 0`,
    })
    .from(e)
    .where(
      sql`${e.nextReminderAt} <= now() + interval '1 second' * ${AHEAD_MS / 1000}
        and ${e.nextReminderAt} > now() - interval '1 day' * ${GIVEN_UP_AFTER_DAYS}`,
    )
    .orderBy(e.nextReminderAt)
    .limit(SWEPT)
  const late = found.filter(({ isLate }) => isLate).slice(0, SWEEP_LIMIT)
  const soon = found.flatMap((one) =>
    one.at === null || one.isLate ? [] : timerAt(one, one.at.getTime(), one.armings),
  )
  let given = 0
  for (let at = 0; at < late.length; at += SWEEP_AT_ONCE) {
    const counts = await Promise.all(late.slice(at, at + SWEEP_AT_ONCE).map((whose) => keepLate(ctx, whose)))
    given += counts.reduce((sum, count) => sum + count, 0)
  }
  await armAgain(ctx, soon)
  if (given > 0) ctx.log.warn('event_reminders.swept', { found: late.length, given })
  return given
}

// One that fails waits for the next sweep and stops no other.
async function keepLate(ctx: RingCtx, whose: Whose): Promise<number> {
  try {
    return await keepReminders(ctx, whose)
  } catch (error) {
    ctx.log.error('event_reminder.sweep_failed', { eventId: whose.id, ...describeError(error) })
    return 0
  }
}
