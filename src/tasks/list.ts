import { and, type Column, eq, gte, inArray, isNotNull, isNull, lt, not, type SQL, sql } from 'drizzle-orm'
import { z } from 'zod'
import { decodeCursor, encodeCursor, s, toPage, type UserCtx } from '#core'
import { finding, ownedBy, type Sought, saysAll, wordsOf, written } from '#database'
import { instantOf, shown } from './row.ts'
import { position, SORTS, type Task, type TaskListInput, type TaskSort } from './schema.ts'
import { tasks } from './tables.ts'

const TITLE_KEY_CHARS = 80
const wholeTask = written(() => shown(tasks))
const OPEN = ['pending', 'in_progress']

type ListCtx = Pick<UserCtx, 'actor' | 'db' | 'now'>
type Key = { by: SQL | Column; type: 'instant' | 'number' | 'text'; nullable?: true }

const KEYS: Record<TaskSort, Key> = {
  due: { by: tasks.dueAt, type: 'instant', nullable: true },
  created: { by: tasks.createdAt, type: 'instant' },
  updated: { by: tasks.updatedAt, type: 'instant' },
  completed: { by: tasks.completedAt, type: 'instant', nullable: true },
  position: { by: tasks.position, type: 'number' },
  priority: { by: sql`array_position(array['low', 'medium', 'high', 'urgent'], ${tasks.priority})`, type: 'number' },
  title: { by: sql`left(lower(${tasks.title}), ${TITLE_KEY_CHARS})`.inlineParams(), type: 'text' },
}

/** A page of the person's tasks. One trip; `invalid_cursor` for the cursor of another sort. */
export async function listTasks(
  ctx: ListCtx,
  input: TaskListInput,
): Promise<{ items: Task[]; nextCursor: string | null }> {
  const { actor, db } = ctx
  const sort = input.sort ?? 'created'
  const order = input.order ?? SORTS[sort]
  const list = `tasks.${sort}.${order}`
  const { by, type, nullable } = KEYS[sort]
  const rows = await db
    .select({ task: wholeTask(), key: keyText(by, type) })
    .from(tasks)
    .where(
      and(
        ownedBy(actor, tasks.userId),
        ...filters(ctx, input),
        input.cursor === undefined
          ? undefined
          : after(KEYS[sort], order, decodeCursor(list, input.cursor, cursorKey(KEYS[sort]))),
      ),
    )
    .orderBy(
      // Said only where it matters: an index is read backwards with its nulls first.
      sql`${by} ${direction(order)} ${nullable ? sql`nulls last` : sql``}`,
      sql`${tasks.id} ${direction(order)}`,
    )
    .limit(input.limit + 1)
  const page = toPage(rows, input.limit, ({ key, task }) => encodeCursor(list, [key, task.id]))
  return { items: page.items.map(({ task }) => task), nextCursor: page.nextCursor }
}

/** Those that say it, open or not, for a union over kinds. */
export function tasksSaying({ actor }: Pick<ListCtx, 'actor'>, sought: Sought): SQL {
  const { id, title, notes: body, updatedAt, tainted } = tasks
  const where = and(ownedBy(actor, tasks.userId), isNull(tasks.deletedAt))
  return finding({ area: 'tasks', from: tasks, id, title, body, updatedAt, tainted, where }, sought)
}

const direction = (order: 'asc' | 'desc') => (order === 'asc' ? sql`asc` : sql`desc`)

function filters(ctx: ListCtx, input: TaskListInput): (SQL | undefined)[] {
  const { projectId, parentId, label, priority, status, open, overdue } = input
  const isOpen = inArray(tasks.status, OPEN)
  const isOverdue = sql`(${isOpen} and coalesce(${tasks.dueAt} < ${instantOf(ctx.now())}, false))`
  const at = (value: string) => startOf(ctx, value)
  return [
    input.deleted ? isNotNull(tasks.deletedAt) : isNull(tasks.deletedAt),
    status && inArray(tasks.status, status),
    open === undefined ? undefined : open ? isOpen : not(isOpen),
    overdue === undefined ? undefined : overdue ? isOverdue : not(isOverdue),
    projectId === undefined
      ? undefined
      : projectId === 'none'
        ? isNull(tasks.projectId)
        : eq(tasks.projectId, projectId),
    parentId === undefined ? undefined : parentId === 'none' ? isNull(tasks.parentId) : eq(tasks.parentId, parentId),
    label === undefined ? undefined : sql`${label} = any(${tasks.labels})`,
    priority && eq(tasks.priority, priority),
    input.dueAfter === undefined ? undefined : gte(tasks.dueAt, at(input.dueAfter)),
    input.dueBefore === undefined ? undefined : lt(tasks.dueAt, at(input.dueBefore)),
    input.completedAfter === undefined ? undefined : gte(tasks.completedAt, at(input.completedAfter)),
    input.completedBefore === undefined ? undefined : lt(tasks.completedAt, at(input.completedBefore)),
    saysAll(wordsOf(input.text ?? ''), tasks.title, tasks.notes),
  ]
}

/** An instant as it is; a day is its start in the person's zone. */
function startOf({ actor }: ListCtx, value: string): SQL {
  if (value.length > 10) return sql`${value}::timestamptz`
  return sql`wall_instant(${value}::date::timestamp, person_zone(${actor.userId}))`
}

// As text with microseconds: a cursor that rounds skips what it rounds away.
function keyText(by: Key['by'], type: Key['type']): SQL<string | null> {
  if (type === 'instant') return sql`to_char(${by} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`
  return sql`(${by})::text`
}

// What keyText makes: anything else was not made here, and Postgres might not take it.
const KEY_TEXTS = {
  instant: z.iso.datetime({ precision: 6 }).regex(/^(?:1[89]|[2-9]\d)\d\d-/),
  number: z
    .string()
    .max(40)
    .refine((text) => position.safeParse(Number(text.trim() || Number.NaN)).success),
  text: s.text(2 * TITLE_KEY_CHARS),
}

const cursorKey = ({ type, nullable }: Key) =>
  z.tuple([nullable ? z.union([KEY_TEXTS[type], z.null()]) : KEY_TEXTS[type], s.id('task')])

function after({ by, type, nullable }: Key, order: 'asc' | 'desc', [key, id]: [string | null, string]): SQL {
  const past = order === 'asc' ? sql`>` : sql`<`
  if (key === null) return sql`(${by} is null and ${tasks.id} ${past} ${id})`
  const isPast = sql`(${by}, ${tasks.id}) ${past} (${keyValue(key, type)}, ${id})`
  return nullable ? sql`(${isPast} or ${by} is null)` : isPast
}

function keyValue(key: string, type: Key['type']): SQL {
  switch (type) {
    case 'instant':
      return sql`${key}::timestamptz`
    case 'number':
      return sql`${Number(key)}::double precision`
    case 'text':
      return sql`${key}::text`
  }
}
