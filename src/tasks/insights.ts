import { sql } from 'drizzle-orm'
import type { UserCtx } from '#core'
import { jsonObject } from '#database'
import { asker, instantOf, step } from './row.ts'
import type { TaskInsights } from './schema.ts'
import { tasks } from './tables.ts'

/** How the person is doing, counted in their own days and hours. What they did counts even from the bin. One trip. */
export async function getInsights(ctx: Pick<UserCtx, 'actor' | 'db' | 'now'>): Promise<TaskInsights> {
  const { db } = ctx
  const now = instantOf(ctx.now())
  const me = asker(ctx)
  const clock = step(
    db,
    'clock',
    sql`
    select me.id, me.zone, today, date_trunc('week', today)::date as monday,
      wall_instant(today::timestamp, me.zone) as day_start, wall_instant((today + 1)::timestamp, me.zone) as day_end
    from me cross join lateral (select (${now} at time zone me.zone)::date as today) t`,
  )
  const live = step(
    db,
    'live',
    sql`
    select count(*)::int as open, count(*) filter (where due_at < ${now})::int as overdue,
      count(*) filter (where due_at >= day_start and due_at < day_end)::int as due_today
    from clock join ${tasks} t on t.user_id = clock.id
    where t.deleted_at is null and t.status in ('pending', 'in_progress')`,
  )
  const done = step(
    db,
    'done',
    sql`
    select t.completed_at at time zone zone as wall, monday, today
    from clock join ${tasks} t on t.user_id = clock.id where t.completed_at is not null and t.completed_at <= ${now}`,
  )
  const days = step(
    db,
    'days',
    sql`
    select day, today, max(day) over () as latest, row_number() over (order by day desc) - 1 as back
    from (select distinct wall::date as day, today from done) d`,
  )
  const weeks = sql`(
    select json_agg(${jsonObject({
      weekStart: sql`week`,
      count: sql`(select count(*) from done
      where wall >= week and wall < week + 7)`,
    })} order by week)
    from (select monday - 7 * back as week from clock, generate_series(0, 7) back) w)`
  const hours = sql`(
    select json_agg((select count(*) from done where extract(hour from wall) = hour and wall >= monday - 49) order by hour)
    from generate_series(0, 23) hour)`
  const streak = sql`(select count(*) from days where latest >= today - 1 and day = latest - back::int)`
  const insights = jsonObject<TaskInsights>({
    timeZone: sql`clock.zone`,
    open: sql`live.open`,
    overdue: sql`live.overdue`,
    dueToday: sql`live.due_today`,
    completedPerWeek: weeks,
    completedPerHour: hours,
    streakDays: streak,
  })
  const [row] = await db.with(me, clock, live, done, days).select({ insights }).from(clock).crossJoin(live)
  if (!row) throw new Error('an aggregate returned no row')
  return row.insights
}
