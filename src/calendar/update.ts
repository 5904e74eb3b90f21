import { type SQL, sql } from 'drizzle-orm'
import { alias } from 'drizzle-orm/pg-core'
import { findAppError } from '#core'
import { preparedAs } from '#database'
import { kick } from '#queue'
import { seriesOf } from './create.ts'
import { eventUpdated, tellOf } from './events.ts'
import { MAX_SERIES, missing, type Problem, refusal } from './problem.ts'
import { asker, type ChangeCtx, changing, shown, step, TIMES_PROBLEM, timesOf } from './row.ts'
import { movedRule } from './rule.ts'
import type { CalendarEvent, EventException, EventPatch } from './schema.ts'
import { calendarEvents } from './tables.ts'

const MAX_TRIES = 3

export type Change = { before: CalendarEvent; after: CalendarEvent }
type Exceptions = Record<string, Omit<EventException, 'occurrence'>>
type WholePatch = EventPatch & { exceptions?: Exceptions }

const value = (name: string) => sql`j.patch->>${name}`.inlineParams()

// What the patch names is taken from it, even null; the rest stays.
const VALUES: [keyof WholePatch & keyof typeof calendarEvents.$inferInsert, SQL][] = [
  ['title', value('title')],
  ['notes', value('notes')],
  ['location', value('location')],
  ['status', value('status')],
  ['transparency', value('transparency')],
  ['attendees', sql`j.patch->'attendees'`],
  ['recurrence', value('recurrence')],
  ['exceptions', sql`j.patch->'exceptions'`],
  ['reminders', sql`array(select value::int from jsonb_array_elements_text(j.patch->'reminders'))`],
]
const TIMES = ['start_date', 'start_time', 'start_zone', 'start_at', 'end_date', 'end_time', 'end_zone', 'end_at']

const TIMES_NEW = [
  sql`s.start_date as new_start_date, s.start_time as new_start_time, s.start_zone as new_start_zone`,
  sql`e.start_at as new_start_at, e.end_date as new_end_date, e.end_time as new_end_time`,
  sql`w.end_zone as new_end_zone, e.end_at as new_end_at`,
]

function assignments(): SQL {
  const given = VALUES.map(([name, from]) => {
    const column = sql.identifier(calendarEvents[name].name)
    return sql`${column} = case when ${sql`j.patch ? ${name}`.inlineParams()} then ${from} else t.${column} end`
  })
  const times = TIMES.map((name) => sql`${sql.identifier(name)} = j.${sql.identifier(`new_${name}`)}`)
  return sql.join([...given, ...times, sql`version = t.version + 1`, sql`updated_at = now()`], sql`, `)
}

type Given = { id: string; patch: string; version: number | null }

const changeEvent = preparedAs((ctx, { id, patch, version }: Given) => {
  const { db } = ctx
  const me = asker(ctx)
  const before = alias(calendarEvents, 'judged')
  const judged = step(
    db,
    'judged',
    sql`
    select t.*, i.patch, ${sql.join(TIMES_NEW, sql`, `)}, case
      when t.id is null then 'missing'
      when t.version <> ${version}::int then 'stale' ${TIMES_PROBLEM}
      when i.patch ? 'start' and not i.patch ? 'recurrence' and s.start_date <> t.start_date
        and t.recurrence like '%BY%' then 'ruled'
      when i.patch->>'recurrence' is not null and t.recurrence is null and ${seriesOf(sql`me.id`)} >= ${MAX_SERIES} then 'many'
    end as problem
    from me cross join (select ${patch}::jsonb as patch) i
      left join ${calendarEvents} t on t.id = ${id} and t.user_id = me.id and t.deleted_at is null
      ${timesOf(sql`i.patch`, sql`me.zone`)}`,
  )
  // The version of the snapshot, so that `before` is what was there to the last.
  const changed = changing(
    db,
    'changed',
    sql`
    update ${calendarEvents} t set ${assignments()} from judged j
      where t.id = j.id and t.version = j.version and j.patch <> '{}' and j.problem is null returning t.*`,
  )
  const told = tellOf(db, changed, eventUpdated)
  return db
    .with(me, judged, changed.cte, told)
    .select({
      problem: sql<Problem | null>`judged.problem`,
      before: shown(before),
      // An empty patch changes nothing and tells nobody.
      after: sql<CalendarEvent>`case when ${changed.rows.id} is not null then ${shown(changed.rows)} else ${shown(before)} end`,
      isDone: sql<boolean>`${changed.rows.id} is not null or judged.patch = '{}'`,
      eventId: sql<string | null>`(select id from told)`,
    })
    .from(judged)
    .leftJoin(changed.cte, sql`true`)
})

/** Done again, from the reading on, where somebody else changed it meanwhile and no version was asked for. */
export async function untilDone<T>(version: number | '*', attempt: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await attempt()
    } catch (error) {
      if (version !== '*' || tries === MAX_TRIES || findAppError(error)?.code !== 'version_stale') throw error
    }
  }
}

/**
 * Changes what is given of the whole series, with what was there before. 404 when missing, 412 when it moved on. One trip,
 * two where its rule names days and it moves to another.
 */
export async function updateWhole(
  ctx: ChangeCtx,
  id: string,
  patch: WholePatch,
  version: number | '*',
): Promise<Change> {
  return await untilDone(version, () => updateOnce(ctx, id, patch, version))
}

async function updateOnce(ctx: ChangeCtx, id: string, patch: WholePatch, version: number | '*'): Promise<Change> {
  const given = { id, patch: JSON.stringify(patch), version: version === '*' ? null : version }
  const [row] = await changeEvent(ctx, given)
  if (!row) throw missing()
  const { problem, before, after } = row
  if (problem === 'ruled' && patch.start) {
    const recurrence = movedRule(before.recurrence ?? '', before.start.date, patch.start.date)
    return await updateOnce(ctx, id, { ...patch, recurrence }, before.version)
  }
  if (problem) throw refusal(problem)
  if (!row.isDone) throw refusal('stale')
  kick(ctx, [row.eventId])
  return { before, after }
}
