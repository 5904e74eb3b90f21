import { type Column, type SQL, sql, type WithSubquery } from 'drizzle-orm'
import { alias } from 'drizzle-orm/pg-core'
import type { UserCtx } from '#core'
import { type ColumnsOf, iso, jsonObject, liveSession } from '#database'
import type { CalendarEvent, EventTime } from './schema.ts'
import { calendarEvents } from './tables.ts'

export type ReadCtx = Pick<UserCtx, 'actor' | 'db'>
export type ChangeCtx = ReadCtx & Pick<UserCtx, 'now' | 'env' | 'waitUntil' | 'log'>
export type CreateCtx = ChangeCtx & Pick<UserCtx, 'newId'>
/** A CTE that writes events and returns them whole, with its columns. */
export type Changed = { cte: WithSubquery; rows: ColumnsOf<typeof calendarEvents> }

export const MAX_DAYS = 366
export const LAST_DAY = '9999-12-30'

/** The chosen columns of an event, as JSON made by Postgres: one form for the answer and for what is told of it. */
export function shown(e: ColumnsOf<typeof calendarEvents>): SQL<CalendarEvent> {
  return jsonObject<CalendarEvent>({
    id: e.id,
    title: e.title,
    notes: e.notes,
    location: e.location,
    status: e.status,
    transparency: e.transparency,
    attendees: e.attendees,
    start: eventTime(e.startDate, e.startTime, e.startZone, e.startAt),
    end: eventTime(e.endDate, e.endTime, e.endZone, e.endAt),
    recurrence: e.recurrence,
    exceptions: sql`(select coalesce(json_agg(jsonb_build_object('occurrence', x.key) || x.value order by x.key), '[]')
      from jsonb_each(${e.exceptions}) x)`,
    reminders: e.reminders,
    tainted: e.tainted,
    externalProvider: e.externalProvider,
    externalId: e.externalId,
    deletedAt: iso(e.deletedAt),
    version: e.version,
    createdAt: iso(e.createdAt),
    updatedAt: iso(e.updatedAt),
  })
}

function eventTime(date: Column, time: Column, zone: Column, at: Column): SQL<EventTime> {
  const clock = sql`regexp_replace(${time}::text, ':00$', '')`
  return jsonObject<EventTime>({ date, time: clock, timeZone: zone, at: iso(at) })
}

/** One row, `me(id, zone)`, whatever else is found: the statement that starts from it fails when the session has ended. */
export function asker({ db, actor }: ReadCtx): WithSubquery {
  const zone = sql`person_zone(${actor.userId}) as zone`
  return step(db, 'me', sql`select ${actor.userId}::text as id, ${zone} where ${liveSession(actor) ?? sql`true`}`)
}

/** A CTE that is written by hand. */
export function step(db: ReadCtx['db'], name: string, rows: SQL): WithSubquery {
  return db.$with(name, {}).as(rows)
}

export function changing(db: ReadCtx['db'], name: string, write: SQL): Changed {
  return { cte: step(db, name, write), rows: alias(calendarEvents, name) }
}

/**
 * The columns of a start and an end, as LATERALs: of the `patch` in JSON what it says, else what `t`, an event, has. An
 * end that is not said stays as far from the start as it was; a zone that is not said is `home`. Where the hour that never
 * comes would put the end at its start or before, it lasts as long as the clocks say.
 */
export function timesOf(patch: SQL, home: SQL): SQL {
  const [start, end] = [sql`${patch}->'start'`, sql`${patch}->'end'`]
  const has = (name: string) => sql`${patch} ? ${name}`.inlineParams()
  const wall = sql`(${end}->>'date')::date + coalesce((${end}->>'time')::time, '00:00')`
  const length = sql`((t.end_date + t.end_time) - (t.start_date + t.start_time))`
  return sql`
    cross join lateral (select
      case when ${has('start')} then (${start}->>'date')::date else t.start_date end as start_date,
      case when ${has('start')} then (${start}->>'time')::time else t.start_time end as start_time,
      case when ${has('start')} then coalesce(${start}->>'timeZone', ${home}) else t.start_zone end as start_zone) s
    cross join lateral (select
      case when ${has('end')} then ${wall}
        when not ${has('start')} then t.end_date + coalesce(t.end_time, '00:00')
        when s.start_time is null and t.start_time is null then (s.start_date + coalesce(t.end_date - t.start_date, 0))::timestamp
        when s.start_time is null then s.start_date::timestamp
        when t.start_time is null then s.start_date + s.start_time + interval '1 hour'
        else s.start_date + s.start_time + ${length} end as wall,
      case when ${has('end')} then ${end}->>'time' is null when ${has('start')} then s.start_time is null
        else t.end_time is null end as is_day,
      case when ${has('end')} then coalesce(${end}->>'timeZone', s.start_zone)
        when ${has('start')} and t.end_zone = t.start_zone then s.start_zone else coalesce(t.end_zone, s.start_zone) end as end_zone) w
    cross join lateral (select s.start_date + coalesce(s.start_time, '00:00') as start_wall,
      w.end_zone = s.start_zone as is_one_zone) walls
    cross join lateral (select wall_instant(walls.start_wall, s.start_zone) as start_at,
      wall_instant(case when w.is_day then date_trunc('day', w.wall) + interval '1 day' else w.wall end, w.end_zone) as end_at) clocks
    cross join lateral (select w.wall::date as end_date, case when not w.is_day then w.wall::time end as end_time,
      clocks.start_at, case when clocks.end_at > clocks.start_at or not walls.is_one_zone then clocks.end_at
        else clocks.start_at + (w.wall - walls.start_wall) end as end_at) e`
}

/** What is wrong with them: in one zone the clocks tell what comes first, else the instants. */
export const TIMES_PROBLEM = sql`when (s.start_time is null) <> w.is_day then 'shape'
  when case when walls.is_one_zone then w.wall < walls.start_wall else e.end_at < e.start_at end then 'order'
  when e.end_date - s.start_date > ${MAX_DAYS} or e.end_date > ${LAST_DAY} then 'long'`.inlineParams()
