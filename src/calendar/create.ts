import { type SQL, sql } from 'drizzle-orm'
import { alias } from 'drizzle-orm/pg-core'
import { preparedAs } from '#database'
import { kick } from '#queue'
import { eventCreated, tellOf } from './events.ts'
import { MAX_SERIES, type Problem, refusal } from './problem.ts'
import { asker, type CreateCtx, changing, shown, step, TIMES_PROBLEM, timesOf } from './row.ts'
import type { CalendarEvent, NewEvent, Origin } from './schema.ts'
import { calendarEvents } from './tables.ts'

/** Inserts the `draft`, in JSON, of a source that tells its `owner` and its times; an id that is there is left alone. */
export function insertDraft(id: string, source: SQL): SQL {
  return sql`
    insert into ${calendarEvents} (id, user_id, title, notes, location, status, transparency, attendees, recurrence,
      exceptions, reminders, external_provider, external_id, tainted,
      start_date, start_time, start_zone, start_at, end_date, end_time, end_zone, end_at)
    select ${id}, owner, draft->>'title', coalesce(draft->>'notes', ''), coalesce(draft->>'location', ''),
      coalesce(draft->>'status', 'confirmed'),
      coalesce(draft->>'transparency', case when start_time is null then 'free' else 'busy' end),
      coalesce(draft->'attendees', '[]'), draft->>'recurrence', coalesce(draft->'exceptions', '{}'),
      array(select value::int from jsonb_array_elements_text(coalesce(draft->'reminders', '[]'))),
      draft->>'externalProvider', draft->>'externalId', coalesce((draft->>'tainted')::boolean, false),
      start_date, start_time, start_zone, start_at, end_date, end_time, end_zone, end_at
    from ${source} on conflict (id) do nothing returning *`
}

/** How many of a person's events repeat: each is looked through whenever a window is asked for. */
export function seriesOf(userId: SQL): SQL {
  return sql`(select count(*) from ${calendarEvents} x
    where x.user_id = ${userId} and x.recurrence is not null and x.deleted_at is null)`
}

const insertEvent = preparedAs((ctx, { id, draft }: { id: string; draft: string }) => {
  const { db } = ctx
  const me = asker(ctx)
  const judged = step(
    db,
    'judged',
    sql`
    select me.id as owner, d.draft, s.*, e.*, w.end_zone, case
      when t.id is not null then null ${TIMES_PROBLEM}
      when d.draft->>'recurrence' is not null and ${seriesOf(sql`me.id`)} >= ${MAX_SERIES} then 'many'
    end as problem
    from me cross join (select ${draft}::jsonb as draft) d
      left join ${calendarEvents} t on t.id = ${id} and t.user_id = me.id
      ${timesOf(sql`d.draft`, sql`me.zone`)}`,
  )
  const made = changing(db, 'made', insertDraft(id, sql`judged where problem is null`))
  const told = tellOf(db, made, eventCreated)
  const known = alias(calendarEvents, 'known')
  return db
    .with(me, judged, made.cte, told)
    .select({
      problem: sql<Problem | null>`judged.problem`,
      isThere: sql<boolean>`coalesce(${made.rows.id}, ${known.id}) is not null`,
      event: sql<CalendarEvent>`case when ${made.rows.id} is not null then ${shown(made.rows)} else ${shown(known)} end`,
      eventId: sql<string | null>`(select id from told)`,
    })
    .from(judged)
    .leftJoin(made.cte, sql`true`)
    .leftJoin(known, sql`${known.id} = ${id} and ${known.userId} = judged.owner`)
})

/** Makes an event with what is told of it. One trip; the same id again (an Idempotency-Key re-run) answers the one that is there. */
export async function createEvent(ctx: CreateCtx, input: NewEvent & Origin): Promise<CalendarEvent> {
  const [row] = await insertEvent(ctx, { id: ctx.newId('cal'), draft: JSON.stringify(input) })
  if (row?.problem) throw refusal(row.problem)
  if (!row?.isThere) throw new Error('an insert returned no row')
  kick(ctx, [row.eventId])
  return row.event
}
