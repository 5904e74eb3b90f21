import { createHash } from 'node:crypto'
import { type SQL, sql } from 'drizzle-orm'
import { MAX_SERIES } from '#calendar'
import { MAX_OPEN } from '#commitments'
import { type FieldError, requireFresh, type UserCtx } from '#core'
import { ownerId, tainting } from '#database'
import { MAX_SCHEDULES } from '#scheduler'
import { MAX_WORKFLOWS } from '#workflows'
import { ROOMS } from './import-rooms.ts'
import type { RoomFile } from './import-schema.ts'
import type { Import, Imported } from './schema.ts'

const ID = /\b(?:task|cal|prj|cnv|msg|turn|mem|ntf|sch|wfl|cmt|sug)_[0-9a-hjkmnp-tv-z]{26}\b/g
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
  schedules: [],
  workflows: [],
  // One that comes after the latest would be in the way of the next.
  'workflow-versions': [{ column: 'workflow_id', table: 'workflows', and: sql`n.latest_version >= r.version` }],
  commitments: [],
  suggestions: [],
  'suggestion-decisions': [{ column: 'suggestion_id', table: 'suggestions' }],
}

/** Of what no more are taken than a person may have. */
const MOST: Partial<Record<Import['file'], { max: number; counts(row: SQL): SQL }>> = {
  calendar_events: {
    max: MAX_SERIES,
    counts: (row) => sql`${row}.recurrence is not null and ${row}.deleted_at is null`,
  },
  schedules: { max: MAX_SCHEDULES, counts: () => sql`true` },
  workflows: { max: MAX_WORKFLOWS, counts: (row) => sql`${row}.deleted_at is null` },
  commitments: { max: MAX_OPEN, counts: (row) => sql`${row}.status = 'open'` },
}

function roomIn(file: Import['file'], table: SQL): SQL {
  const most = MOST[file]
  if (!most) return sql``
  const { max, counts } = most
  return sql`and (not (${counts(sql`r`)}) or r.id in (
    select g.id from given g where ${counts(sql`g`)} and not exists (select 1 from ${table} x where x.id = g.id)
    order by g.id limit greatest(0, ${max} - (select count(*) from ${table} x, me
      where x.user_id = me.id and ${counts(sql`x`)}))))`
}

const ifThere = (table: string, column: string) =>
  sql`(select n.id from ${sql.identifier(table)} n where n.id = r.${sql.identifier(column)} and n.user_id = me.id)`
/** Columns that are not as they are given. */
const VALUES: Partial<Record<Import['file'], Record<string, SQL>>> = {
  // What named no zone is meant where its person is.
  schedules: {
    when: sql`case when r.follows_zone or r."when"->>'timeZone' is null
      then jsonb_set(r."when", '{timeZone}', to_jsonb(person_zone(me.id))) else r."when" end`,
  },
  commitments: { suggestion_id: ifThere('suggestions', 'suggestion_id'), task_id: ifThere('tasks', 'task_id') },
}

/** What is yet to be made would outlast whatever takes away what was there by now. */
const PAST: Record<string, SQL> = {
  created_at: sql`least(r.created_at, now())`,
  updated_at: sql`least(r.updated_at, now())`,
}

/** By what else than its id one is known. */
const KNOWN_BY: Partial<Record<Import['file'], SQL>> = {
  suggestions: sql`or t.key = g.key`,
  notifications: sql`or t.dedupe_key = g.dedupe_key`,
}

// A workflow comes with the version in use: without it there is none.
const withVersion = (rows: string) => sql`, kept as (
  insert into workflow_versions (id, workflow_id, version, user_id, definition, note, created_at)
  select m.id || '.' || m.definition_version, m.id, m.definition_version, m.user_id, g.in_use->'definition',
    g.in_use->>'note', least((g.in_use->>'createdAt')::timestamptz, now())
  from made m join jsonb_to_recordset(${rows}::jsonb) as g (id text, in_use jsonb) on g.id = m.id
  on conflict do nothing)`

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
  if (typeof value === 'string') return value.replace(ID, (id) => mappedId(userId, id))
  if (Array.isArray(value)) return value.map((item) => mapped(userId, item))
  return typeof value === 'object' && value !== null ? mappedItem(userId, value) : value
}
const mappedItem = (userId: string, item: object): Item =>
  Object.fromEntries(Object.entries(item).map(([name, inner]) => [name, mapped(userId, inner)]))

type Item = Record<string, unknown>
/** An item of the archive by its id there, and as its row is to be. */
type Ready = { old: string; item: Item; wasOn: boolean }
type OfRoom = Extract<Import, { file: RoomFile }>

const isOfRoom = (input: Import): input is OfRoom => input.file in ROOMS

async function readAll(userId: string, input: Import, now: Date): Promise<{ ready: Ready[]; refused: FieldError[] }> {
  const ready: Ready[] = []
  const refused: FieldError[] = []
  if (!isOfRoom(input)) {
    for (const item of input.items)
      ready.push({ old: item.id, item: { ...mappedItem(userId, item), ...asNow(item, now) }, wasOn: false })
    return { ready, refused }
  }
  for (const [n, given] of input.items.entries()) {
    const read = await ROOMS[input.file](mappedItem(userId, given), now)
    if ('item' in read) ready.push({ old: String(given['id']), ...read })
    else
      refused.push(
        ...read.map(({ pointer, detail }) => ({ pointer: `/items/${n}${pointer}`.replace(/\/$/, ''), detail })),
      )
  }
  return { ready, refused }
}

function asNow(item: Exclude<Import, OfRoom>['items'][number], now: Date): Item {
  // Nothing reminds of what was before; cron sets the timer of what comes.
  if ('reminders' in item)
    return { remindedTo: now, nextReminderAt: item.reminders.length > 0 && item.deletedAt === null ? now : null }
  // What was done elsewhere cannot be undone here.
  if ('parts' in item)
    return { undoneCalls: item.parts.flatMap((part) => (part.type === 'tool_result' ? [part.callId] : [])) }
  return {}
}

const snake = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
const toRow = (item: Item): Item =>
  Object.fromEntries(Object.entries(item).map(([name, value]) => [snake(name), value]))
// No columns: whose it is, and what is written elsewhere.
const ELSEWHERE: ReadonlySet<string> = new Set(['user_id', 'in_use'])

/**
 * Takes items of an archive back, as they were but for their ids; what would act by itself is off. What was imported
 * before is left as it is, so that anything may be sent again. Two trips at most.
 */
export async function importItems(ctx: UserCtx, input: Import): Promise<Imported> {
  requireFresh(ctx)
  const { userId } = ctx.actor
  const { ready, refused } = await readAll(userId, input, ctx.now())
  const answer = await insert(ctx, input.file, ready)
  const [made, known] = [new Set(answer.made), new Set(answer.known)]
  const left = ready.filter(({ item: { id } }) => !made.has(id) && !known.has(id))
  return {
    imported: made.size,
    known: known.size,
    left: left.map(({ old }) => old),
    refused,
    switchedOff: ready.flatMap(({ item: { id }, wasOn }) => (wasOn && made.has(id) ? [String(id)] : [])),
  }
}

type Answer = { made: unknown[]; known: unknown[] }

async function insert(ctx: UserCtx, file: Import['file'], ready: Ready[]): Promise<Answer> {
  const rows = ready.map(({ item }) => toRow(item))
  const json = JSON.stringify(rows)
  const table = sql`${sql.identifier(file.replaceAll('-', '_'))}`
  const columns = Object.keys(rows[0] ?? { id: '' }).filter((name) => !ELSEWHERE.has(name))
  const names = sql.join(
    columns.map((name) => sql.identifier(name)),
    sql`, `,
  )
  const values = sql.join(
    columns.map((name) => VALUES[file]?.[name] ?? PAST[name] ?? sql`r.${sql.identifier(name)}`),
    sql`, `,
  )
  const isThere = NEEDS[file].map(
    ({ column, table: needed, and = sql`true` }) => sql`and (r.${sql.identifier(column)} is null or exists (
      select 1 from ${sql.identifier(needed)} n where n.id = r.${sql.identifier(column)} and n.user_id = me.id and ${and}))`,
  )
  // A file may say what anybody wrote.
  const { rows: answers } = await tainting(ctx).db.execute<Answer>(sql`
    with me as (select ${ownerId(ctx.actor)}::text as id),
    given as (select * from jsonb_populate_recordset(null::${table}, ${json}::jsonb)),
    made as (
      insert into ${table} (user_id, ${names})
      select me.id, ${values} from me, given r where true ${sql.join(isThere, sql` `)} ${roomIn(file, table)}
      on conflict do nothing returning *)${file === 'workflows' ? withVersion(json) : sql``}
    select coalesce((select json_agg(id) from made), '[]') as made,
      coalesce((select json_agg(g.id) from given g, me where exists (select 1 from ${table} t
        where t.user_id = me.id and (t.id = g.id ${KNOWN_BY[file] ?? sql``}))), '[]') as known from me`)
  return answers[0] ?? { made: [], known: [] }
}
