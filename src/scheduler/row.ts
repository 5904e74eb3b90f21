import { and, eq, type SQL } from 'drizzle-orm'
import { AppError, defineEvent, type PersonActor, type UserCtx } from '#core'
import { type ColumnsOf, iso, jsonObject, ownedBy } from '#database'
import { Schedule, ScheduleDue, type ScheduleRun } from './schema.ts'
import { type scheduleRuns, schedules } from './tables.ts'

export const scheduleCreated = defineEvent('schedule.created', 'schedules', Schedule)
export const scheduleUpdated = defineEvent('schedule.updated', 'schedules', Schedule)
export const scheduleDeleted = defineEvent('schedule.deleted', 'schedules', Schedule)
/** A time has come and what is to be done was written down; the schedule is as it stands after it. */
export const scheduleDue = defineEvent('schedule.due', 'schedules', ScheduleDue)

export type ReadCtx = Pick<UserCtx, 'actor' | 'db'>
export type ChangeCtx = ReadCtx & Pick<UserCtx, 'now' | 'env' | 'waitUntil' | 'log'>
export type CreateCtx = ChangeCtx & Pick<UserCtx, 'newId'>

export const missing = () => new AppError('not_found', 'There is no such schedule')
export const mine = (actor: PersonActor, id: string) => and(eq(schedules.id, id), ownedBy(actor, schedules.userId))

export function shown(s: ColumnsOf<typeof schedules>): SQL<Schedule> {
  return jsonObject<Schedule>({
    id: s.id,
    name: s.name,
    when: s.when,
    followsZone: s.followsZone,
    missed: s.missed,
    action: s.action,
    status: s.status,
    nextAt: iso(s.nextAt),
    version: s.version,
    createdAt: iso(s.createdAt),
    updatedAt: iso(s.updatedAt),
  })
}

export function shownRun(r: ColumnsOf<typeof scheduleRuns>): SQL<ScheduleRun> {
  return jsonObject<ScheduleRun>({
    id: r.id,
    scheduleId: r.scheduleId,
    dueAt: iso(r.dueAt),
    cause: r.cause,
    status: r.status,
    missed: r.missed,
    outcome: r.outcome,
    startedAt: iso(r.startedAt),
    endedAt: iso(r.endedAt),
  })
}
