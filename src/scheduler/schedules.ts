import { and, count, desc, eq, lt, ne, sql } from 'drizzle-orm'
import { z } from 'zod'
import { AppError, decodeCursor, encodeCursor, s, toPage } from '#core'
import { ownedBy, ownerId } from '#database'
import { kick, tell } from '#queue'
import {
  type ChangeCtx,
  type CreateCtx,
  mine,
  missing,
  type ReadCtx,
  scheduleCreated,
  scheduleUpdated,
  shown,
} from './row.ts'
import type {
  NewSchedule,
  NextTimes,
  Preview,
  Schedule,
  SchedulePatch,
  ScheduleQuery,
  ScheduleTemplates,
  ScheduleWithNext,
  When,
} from './schema.ts'
import { schedules } from './tables.ts'
import { TEMPLATES } from './templates.ts'
import { nextTimes } from './when.ts'

const LIST = 'schedules'
const CursorKey = z.tuple([s.id('sch')])
export const MAX_SCHEDULES = 200
const SHOWN_NEXT = 5

const stale = () => new AppError('version_stale', 'The schedule has changed since you read it')

/** Makes a schedule with its event; without a zone of its own it has the person's, and follows it. Two trips. */
export async function createSchedule(ctx: CreateCtx, input: NewSchedule): Promise<ScheduleWithNext> {
  const { db, actor } = ctx
  const id = ctx.newId('sch')
  const { timeZone, others } = await homeOf(ctx, id)
  if (others >= MAX_SCHEDULES)
    throw new AppError('conflict', `There are ${MAX_SCHEDULES} schedules already; delete one first`)
  const when = fixed(input.when, timeZone, ctx.now())
  const row = {
    ...input,
    when,
    followsZone: !namesZone(input.when),
    id,
    userId: ownerId(actor),
    nextAt: requireNext(when, ctx.now()),
  }
  const made = db
    .$with('made')
    .as(db.insert(schedules).values(row).onConflictDoNothing({ target: schedules.id }).returning())
  const told = tell(db, 'told', made, {
    kind: scheduleCreated,
    userId: made.userId,
    key: made.id,
    version: made.version,
    data: shown(made),
  })
  const [answer] = await db
    .with(made, told)
    .select({ schedule: shown(made), eventId: told.id })
    .from(made)
    .leftJoin(told, sql`true`)
  // The same id again: an Idempotency-Key whose first answer was lost.
  if (!answer) return await getSchedule(ctx, id)
  kick(ctx, [answer.eventId])
  return withNext(answer.schedule, ctx.now())
}

/** Their zone, and how many schedules they have beside this one. */
async function homeOf({ db, actor }: ReadCtx, id = ''): Promise<{ timeZone: string; others: number }> {
  const [row] = await db
    .select({ timeZone: sql<string>`person_zone(${actor.userId})`, others: count() })
    .from(schedules)
    .where(and(ownedBy(actor, schedules.userId), ne(schedules.id, id)))
  if (!row) throw new Error('a count answered no row')
  return row
}

function namesZone(when: When): boolean {
  return when.timeZone !== undefined || (when.kind === 'at' && when.at.timeZone !== undefined)
}

// With its zone, and what repeats every so often with its beginning: its times are then the same whenever they are asked for.
function fixed(when: When, home: string, now: Date): When & { timeZone: string } {
  if (when.kind === 'at') {
    const { timeZone = when.timeZone ?? home, ...at } = when.at
    return { kind: 'at', at, timeZone }
  }
  const timeZone = when.timeZone ?? home
  return when.kind === 'every' ? { from: now.toISOString(), ...when, timeZone } : { ...when, timeZone }
}

function requireNext(when: When, now: Date): Date {
  const [next] = nextTimes(when, now, 1)
  if (next) return next
  const detail = 'falls on no time to come'
  throw new AppError('invalid_request', `/when: ${detail}`, { errors: [{ pointer: '/when', detail }] })
}

function withNext(schedule: Schedule, now: Date): ScheduleWithNext {
  return { ...schedule, next: timesOf(schedule, now, SHOWN_NEXT) }
}

function timesOf({ status, when, nextAt }: Schedule, now: Date, count: number): string[] {
  if (status !== 'active') return []
  // One that is due this moment is still to come.
  const after = nextAt === null ? now : new Date(Math.min(now.getTime(), Date.parse(nextAt) - 1))
  return nextTimes(when, after, count).map((at) => at.toISOString())
}

/** One schedule with its next times. One trip. */
export async function getSchedule(ctx: ReadCtx & Pick<ChangeCtx, 'now'>, id: string): Promise<ScheduleWithNext> {
  const [row] = await ctx.db
    .select({ schedule: shown(schedules) })
    .from(schedules)
    .where(mine(ctx.actor, id))
  if (!row) throw missing()
  return withNext(row.schedule, ctx.now())
}

/** The next times of one, or none while it is paused. One trip. */
export async function nextOf(
  ctx: ReadCtx & Pick<ChangeCtx, 'now'>,
  id: string,
  { count }: { count: number },
): Promise<NextTimes> {
  const schedule = await getSchedule(ctx, id)
  return { timeZone: schedule.when.timeZone ?? 'UTC', next: timesOf(schedule, ctx.now(), count) }
}

/** The next times of what is not yet a schedule. One trip. */
export async function previewTimes(
  ctx: ReadCtx & Pick<ChangeCtx, 'now'>,
  { when: given, count }: Preview,
): Promise<NextTimes> {
  const when = fixed(given, (await homeOf(ctx)).timeZone, ctx.now())
  const next = nextTimes(when, ctx.now(), count)
  return { timeZone: when.timeZone, next: next.map((at) => at.toISOString()) }
}

/** The schedules that are ready to be made, in the person's own zone. One trip. */
export async function listTemplates(ctx: ReadCtx): Promise<ScheduleTemplates> {
  const { timeZone } = await homeOf(ctx)
  return {
    items: TEMPLATES.map(({ schedule, ...rest }) => ({
      ...rest,
      schedule: { ...schedule, when: { ...schedule.when, timeZone } },
    })),
  }
}

/** The person's schedules, newest first. One trip. */
export async function listSchedules(ctx: ReadCtx, { limit, cursor, status }: ScheduleQuery) {
  const [after] = cursor ? decodeCursor(LIST, cursor, CursorKey) : []
  const rows = await ctx.db
    .select({ schedule: shown(schedules) })
    .from(schedules)
    .where(
      and(
        ownedBy(ctx.actor, schedules.userId),
        status && eq(schedules.status, status),
        after === undefined ? undefined : lt(schedules.id, after),
      ),
    )
    .orderBy(desc(schedules.id))
    .limit(limit + 1)
  return toPage(
    rows.map(({ schedule }) => schedule),
    limit,
    (last) => encodeCursor(LIST, [last.id]),
  )
}

/**
 * Changes what is given; another `when` begins anew from now, also after the last time was done. One trip, two where a
 * `when` names no zone; 412 when it has moved on, which its due times do too.
 */
export async function updateSchedule(
  ctx: ChangeCtx,
  id: string,
  { when: given, ...patch }: SchedulePatch,
  version: number | '*',
): Promise<ScheduleWithNext> {
  const { db, actor } = ctx
  if (given === undefined && Object.keys(patch).length === 0) return requireVersion(await getSchedule(ctx, id), version)
  const when = given && fixed(given, (await homeOf(ctx)).timeZone, ctx.now())
  const isPaused = sql`${schedules.status} = 'paused'`
  const at = when && requireNext(when, ctx.now()).toISOString()
  const current = db.$with('current').as(db.select({ id: schedules.id }).from(schedules).where(mine(actor, id)))
  const changed = db.$with('changed').as(
    db
      .update(schedules)
      .set({
        ...patch,
        ...(when && {
          when,
          followsZone: !namesZone(given),
          nextAt: sql`case when not ${isPaused} then ${at}::timestamptz end`,
          status: sql`case when ${isPaused} then 'paused' else 'active' end`,
        }),
        version: sql`${schedules.version} + 1`,
        updatedAt: sql`now()`,
      })
      .where(and(mine(actor, id), version === '*' ? undefined : eq(schedules.version, version)))
      .returning(),
  )
  const told = tell(db, 'told', changed, {
    kind: scheduleUpdated,
    userId: changed.userId,
    key: changed.id,
    version: changed.version,
    data: shown(changed),
  })
  const [row] = await db
    .with(current, changed, told)
    .select({ changed: changed.id, schedule: shown(changed), eventId: told.id })
    .from(current)
    .leftJoin(changed, eq(changed.id, current.id))
    .leftJoin(told, sql`true`)
  if (!row) throw missing()
  if (row.changed === null) throw stale()
  kick(ctx, [row.eventId])
  return withNext(row.schedule, ctx.now())
}

function requireVersion(schedule: ScheduleWithNext, version: number | '*'): ScheduleWithNext {
  if (version !== '*' && version !== schedule.version) throw stale()
  return schedule
}
