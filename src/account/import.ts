import { createHash } from 'node:crypto'
import { type SQL, sql } from 'drizzle-orm'
import { MAX_SERIES } from '#calendar'
import type { UserCtx } from '#core'
import { requireFresh } from '#core'
import { ownerId, tainting } from '#database'
import type { Import, Imported } from './schema.ts'

const ID = /^(task|cal|prj|cnv|msg|turn|mem|ntf)_[0-9a-hjkmnp-tv-z]{26}$/
const ID_WITHIN = /\b(?:task|cal|prj|cnv|msg|turn|mem|ntf)_[0-9a-hjkmnp-tv-z]{26}\b/g
const KEPT_END = 8
const NEW_MIDDLE = 8
const LETTERS = '0123456789abcdefghjkmnpqrstvwxyz'

/** What a row needs to be there first: a row of `table`, and of theirs. */
const NEEDS: Record<Import['file'], { column: string; table: string; and?: SQL }[]> = {
  projects: [],
  tasks: [
    { column: 'project_id', table: 'projects' },
    // A subtask has none of its own.
    { column: 'parent_id', table: 'tasks', and: sql`n.parent_id is null` },
  ],
  calendar_events: [],
  conversations: [],
  messages: [{ column: 'conversation_id', table: 'conversations' }],
  memories: [],
  notifications: [],
}

/** What there must be room for: of events that repeat no more than anybody may have. */
const ROOM: Partial<Record<Import['file'], SQL>> = {
  calendar_events: sql`and (r.recurrence is null or r.deleted_at is not null or r.id in (
    select g.id from given g where g.recurrence is not null and g.deleted_at is null
      and not exists (select 1 from calendar_events x where x.id = g.id)
    order by g.id limit greatest(0, ${MAX_SERIES} - (select count(*) from calendar_events x, me
      where x.user_id = me.id and x.recurrence is not null and x.deleted_at is null))))`,
}

/**
 * The id an imported thing has for this person: always the same one, and never one that somebody else could have known
 * to be taken. Its time and its end stay, so that what was in order is in order.
 */
export function mappedId(userId: string, id: string): string {
  const from = id.length - KEPT_END - NEW_MIDDLE
  const digest = createHash('sha256')
    .update(`${userId}|${id.slice(0, -KEPT_END)}`)
    .digest()
  const middle = [...digest.subarray(0, NEW_MIDDLE)].map((byte) => LETTERS[byte & 31]).join('')
  return id.slice(0, from) + middle + id.slice(-KEPT_END)
}

function mapped(userId: string, value: unknown): unknown {
  if (typeof value === 'string') return ID.test(value) ? mappedId(userId, value) : value
  if (Array.isArray(value)) return value.map((item) => mapped(userId, item))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, mapped(userId, inner)]))
}

const snake = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

function toRow(userId: string, item: Import['items'][number], now: Date): Record<string, unknown> {
  const row = Object.fromEntries(Object.entries(item).map(([name, value]) => [snake(name), mapped(userId, value)]))
  if ('dedupeKey' in item) row['dedupe_key'] = item.dedupeKey.replace(ID_WITHIN, (id) => mappedId(userId, id))
  // Nothing reminds of what was before; cron sets the timer of what comes.
  if ('reminders' in item) {
    row['reminded_to'] = now
    row['next_reminder_at'] = item.reminders.length > 0 && item.deletedAt === null ? now : null
  }
  // What was done elsewhere cannot be undone here.
  if ('parts' in item)
    row['undone_calls'] = item.parts.flatMap((part) => (part.type === 'tool_result' ? [part.callId] : []))
  return row
}

/**
 * Takes items of an archive back, as they were but for their ids. What was imported before is left as it is, so that
 * anything may be sent again. Two trips at most.
 */
export async function importItems(ctx: UserCtx, input: Import): Promise<Imported> {
  requireFresh(ctx)
  const { userId } = ctx.actor
  const rows = input.items.map((item) => toRow(userId, item, ctx.now()))
  const [first] = rows
  if (!first) return { imported: 0, known: 0, left: [] }
  const table = sql.identifier(input.file)
  const columns = Object.keys(first).filter((name) => name !== 'user_id')
  const names = sql.join(
    columns.map((name) => sql.identifier(name)),
    sql`, `,
  )
  const values = sql.join(
    columns.map((name) => sql`r.${sql.identifier(name)}`),
    sql`, `,
  )
  const isThere = NEEDS[input.file].map(
    ({ column, table: needed, and = sql`true` }) => sql`and (r.${sql.identifier(column)} is null or exists (
      select 1 from ${sql.identifier(needed)} n where n.id = r.${sql.identifier(column)} and n.user_id = me.id and ${and}))`,
  )
  // A file may say what anybody wrote.
  const { rows: answers } = await tainting(ctx).db.execute<{ made: string[]; known: string[] }>(sql`
    with me as (select ${ownerId(ctx.actor)}::text as id),
    given as (select * from jsonb_populate_recordset(null::${table}, ${JSON.stringify(rows)}::jsonb)),
    made as (
      insert into ${table} (user_id, ${names})
      select me.id, ${values} from me, given r where true ${sql.join(isThere, sql` `)} ${ROOM[input.file] ?? sql``}
      on conflict do nothing returning id)
    select coalesce((select json_agg(id) from made), '[]') as made,
      coalesce((select json_agg(t.id) from ${table} t, me where t.user_id = me.id
        and t.id in (select id from given)), '[]') as known from me`)
  const [answer] = answers
  const done = new Set([...(answer?.made ?? []), ...(answer?.known ?? [])])
  const left = input.items.flatMap(({ id }) => (done.has(mappedId(userId, id)) ? [] : [id]))
  return { imported: answer?.made.length ?? 0, known: answer?.known.length ?? 0, left }
}
