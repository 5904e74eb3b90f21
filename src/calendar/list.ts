import { and, isNull, type SQL, sql } from 'drizzle-orm'
import { alias } from 'drizzle-orm/pg-core'
import { z } from 'zod'
import { AppError, createClock, decodeCursor, encodeCursor, s, toPage, type UserCtx } from '#core'
import { finding, iso, ownedBy, type Sought, saysAll, wordsOf } from '#database'
import { type Happening, happenings, toOccurrence, type Window } from './occurrence.ts'
import { asker, MAX_DAYS, type ReadCtx, shown, step } from './row.ts'
import {
  type CalendarEvent,
  type EventFilter,
  MAX_OCCURRENCES,
  type Occurrence,
  refuseBeyond,
  type Today,
} from './schema.ts'
import { calendarEvents } from './tables.ts'

const LIST = 'calendar'
const MAX_IN_DAY = 100
const UPCOMING_DAYS = 370
const USUAL_DAYS = 31

// The end of the page: when the last one begins, its event, which of its occurrences.
const CursorKey = z.tuple([s.instant, s.id('cal'), z.union([s.localDate, z.literal('')])])
type Key = z.infer<typeof CursorKey>
type ListCtx = ReadCtx & Pick<UserCtx, 'now'>

/** Bounds in SQL, in which `me.zone` may be named; `most` is how many events that happen once are read. */
type Asked = { from: SQL; to: SQL; most: number; after?: Key | undefined; also?: SQL | undefined }
type Loaded = { timeZone: string; fromMs: number; toMs: number; events: CalendarEvent[] }

/** What a window has to be made of: what happens once in it, and every series that may. One trip. */
async function loadWindow(ctx: ReadCtx, { from, to, most, after, also }: Asked): Promise<Loaded> {
  const { db } = ctx
  const me = asker(ctx)
  const window = step(db, 'win', sql`select me.id, me.zone, ${from} as from_at, ${to} as to_at from me`)
  const found = alias(calendarEvents, 'found')
  const isTheirs = sql`t.user_id = win.id and t.deleted_at is null ${also ? sql`and ${also}` : sql``}`
  const isLater = after ? sql`and (t.start_at, t.id) > (${after[0]}::timestamptz, ${after[1]})` : sql``
  // A series whose last day is told of has ended by then; what of it was moved may lie anywhere.
  const until = sql`substring(t.recurrence from 'UNTIL=([0-9]{8})')::date`
  const lastDay = sql`(${until} + greatest(t.start_date - ${until}, 0) + 3 + (t.end_date - t.start_date))`
  const rows = step(
    db,
    'found',
    sql`
    (select t.* from win join ${calendarEvents} t on ${isTheirs}
      where t.recurrence is null and t.start_at < win.to_at and (t.end_at > win.from_at or t.start_at >= win.from_at)
        and t.start_at > win.from_at - interval '1 day' * ${MAX_DAYS + 2}::int ${isLater}
      order by t.start_at, t.id limit ${most}::int)
    union all
    select t.* from win join ${calendarEvents} t on ${isTheirs}
      where t.recurrence is not null
        and (t.exceptions <> '{}' or (t.start_at < win.to_at and coalesce(${lastDay} >= win.from_at, true)))`,
  )
  const answer = await db
    .with(me, window, rows)
    .select({
      zone: sql<string>`win.zone`,
      from: sql<string>`${iso(sql`win.from_at`)}`,
      to: sql<string>`${iso(sql`win.to_at`)}`,
      event: sql<CalendarEvent | null>`case when ${found.id} is not null then ${shown(found)} end`,
    })
    .from(window)
    .leftJoin(rows, sql`true`)
  const [first] = answer
  if (!first) throw new Error('a window returned no row')
  return {
    timeZone: first.zone,
    fromMs: Date.parse(first.from),
    toMs: Date.parse(first.to),
    events: answer.flatMap(({ event }) => event ?? []),
  }
}

const dayStart = (day: SQL) => sql`wall_instant(${day}::timestamp, me.zone)`
const todayOf = (now: Date) => sql`(${now.toISOString()}::timestamptz at time zone me.zone)::date`

/** An instant as it is; a day is its start in the person's zone. */
export function startOf(value: string): SQL {
  return value.length > 10 ? sql`${value}::timestamptz` : dayStart(sql`${value}::date`)
}

const keyOf = ({ startMs, event, occurrence }: Happening): Key => [
  new Date(startMs).toISOString(),
  event.id,
  occurrence ?? '',
]

// Instants of the same length: as text they are in order.
function inOrder(one: Key, other: Key): number {
  const at = one.findIndex((part, n) => part !== other[n])
  return at < 0 ? 0 : (one[at] ?? '') < (other[at] ?? '') ? -1 : 1
}

/** Everything that happens, in order of its start; of each series at most about `most` after `after`. */
function allOf({ events, ...window }: Loaded, most: number, after?: Key): Happening[] {
  const clock = createClock()
  const within: Window = { ...window, sinceMs: after && Date.parse(after[0]) }
  return events
    .flatMap((event) => happenings(clock, event, within, most))
    .map((happening) => ({ happening, key: keyOf(happening) }))
    .filter(({ key }) => !after || inOrder(key, after) > 0)
    .sort((one, other) => inOrder(one.key, other.key))
    .map(({ happening }) => happening)
}

/** All that happens in a window and takes time of the person's. `invalid_request` where it is more than can be told of. */
export async function loadBusy(ctx: ReadCtx, bounds: Pick<Asked, 'from' | 'to'>) {
  // Before they are cut off: what takes no time takes no place either. One of a series may differ from it.
  const also = sql`(t.recurrence is not null or (t.status <> 'cancelled' and t.transparency = 'busy'))`
  const loaded = await loadWindow(ctx, { ...bounds, most: MAX_OCCURRENCES + 1, also })
  const found = allOf(loaded, MAX_OCCURRENCES + 1).filter(({ event, exception }) => {
    const { status, transparency } = { ...event, ...exception }
    return status !== 'cancelled' && transparency === 'busy'
  })
  if (found.length > MAX_OCCURRENCES)
    throw new AppError('invalid_request', `More than ${MAX_OCCURRENCES} events: ask for a shorter time`)
  return { ...loaded, found }
}

async function page(ctx: ReadCtx, asked: Asked, limit: number) {
  const loaded = await loadWindow(ctx, { ...asked, most: limit + 1 })
  const clock = createClock()
  const { items, nextCursor } = toPage(allOf(loaded, limit + 1, asked.after), limit, (last) =>
    encodeCursor(LIST, keyOf(last)),
  )
  return { items: items.map((happening) => toOccurrence(clock, happening)), nextCursor, timeZone: loaded.timeZone }
}

/** A page of what happens in a window, each occurrence of a series for itself. One trip; `invalid_cursor` for another list's. */
export async function listEvents(
  ctx: ListCtx,
  { from, to, text = '', limit, cursor }: EventFilter,
): Promise<{ items: Occurrence[]; nextCursor: string | null }> {
  if (from === undefined && to !== undefined) refuseBeyond(ctx.now(), to)
  const start = from === undefined ? dayStart(todayOf(ctx.now())) : startOf(from)
  const { items, nextCursor } = await page(
    ctx,
    {
      from: start,
      to: to === undefined ? sql`${start} + interval '1 day' * ${USUAL_DAYS}::int` : startOf(to),
      most: limit,
      after: cursor === undefined ? undefined : decodeCursor(LIST, cursor, CursorKey),
      also: saysAll(wordsOf(text), sql`t.title`, sql`t.notes`, sql`t.location`),
    },
    limit,
  )
  return { items, nextCursor }
}

/** Those that say it, whenever they are and a series once, for a union over kinds. */
export function eventsSaying({ actor }: Pick<ReadCtx, 'actor'>, sought: Sought): SQL {
  const { id, title, updatedAt, tainted } = calendarEvents
  const body = sql`concat_ws(' ', ${calendarEvents.location}, ${calendarEvents.notes})`
  const where = and(ownedBy(actor, calendarEvents.userId), isNull(calendarEvents.deletedAt))
  return finding({ area: 'calendar', from: calendarEvents, id, title, body, updatedAt, tainted, where }, sought)
}

/** What happens from now on, what is on now first. One trip. */
export async function upcoming(ctx: ListCtx, limit: number): Promise<{ items: Occurrence[]; nextCursor: null }> {
  const from = sql`${ctx.now().toISOString()}::timestamptz`
  const to = sql`${from} + interval '1 day' * ${UPCOMING_DAYS}::int`
  const { items } = await page(ctx, { from, to, most: limit }, limit)
  return { items, nextCursor: null }
}

/** The person's day. One trip. */
export async function today(ctx: ListCtx): Promise<Today> {
  const day = todayOf(ctx.now())
  const [from, to] = [dayStart(day), dayStart(sql`(${day} + 1)`)]
  const { items, nextCursor, timeZone } = await page(ctx, { from, to, most: MAX_IN_DAY }, MAX_IN_DAY)
  const { date } = createClock().wall(ctx.now().getTime(), timeZone)
  return { date, timeZone, items, isMore: nextCursor !== null }
}
