import { type SQL, sql } from 'drizzle-orm'
import {
  type AnyPgColumn,
  boolean,
  check,
  date,
  doublePrecision,
  index,
  integer,
  pgTable,
  text,
  time,
  timestamp,
  uniqueIndex,
} from 'drizzle-orm/pg-core'
import { users } from '#users/tables'

const at = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' })
const owner = () =>
  text('user_id')
    .notNull()
    .references(() => users.id, { onDelete: 'cascade' })

export const projects = pgTable(
  'projects',
  {
    id: text().primaryKey(),
    userId: owner(),
    name: text().notNull(),
    colour: text(),
    icon: text(),
    position: doublePrecision().notNull(),
    archivedAt: at('archived_at'),
    /** Others' words are in it, as far as is known: a trigger says so. */
    tainted: boolean().notNull().default(false),
    version: integer().notNull().default(1),
    createdAt: at('created_at').notNull().defaultNow(),
    updatedAt: at('updated_at').notNull().defaultNow(),
  },
  (t) => [index('projects_user').on(t.userId, t.position, t.id)],
)

/** A moment is four columns: the wall clock as it was said, its zone, and the instant it means. */
export const tasks = pgTable(
  'tasks',
  {
    id: text().primaryKey(),
    userId: owner(),
    title: text().notNull(),
    notes: text().notNull().default(''),
    status: text().notNull().default('pending'),
    priority: text().notNull().default('medium'),
    labels: text().array().notNull().default(sql`'{}'::text[]`),
    projectId: text('project_id').references(() => projects.id, { onDelete: 'set null' }),
    parentId: text('parent_id').references((): AnyPgColumn => tasks.id, { onDelete: 'cascade' }),
    startDate: date('start_date'),
    startTime: time('start_time'),
    startZone: text('start_zone'),
    startAt: at('start_at'),
    dueDate: date('due_date'),
    dueTime: time('due_time'),
    dueZone: text('due_zone'),
    dueAt: at('due_at'),
    remindDate: date('remind_date'),
    remindTime: time('remind_time'),
    remindZone: text('remind_zone'),
    remindAt: at('remind_at'),
    remindedAt: at('reminded_at'),
    estimateMinutes: integer('estimate_minutes'),
    actualMinutes: integer('actual_minutes'),
    recurrence: text(),
    // The occurrence this one came after, so that no occurrence is ever followed twice.
    followsId: text('follows_id'),
    position: doublePrecision().notNull(),
    externalProvider: text('external_provider'),
    externalId: text('external_id'),
    aiReason: text('ai_reason'),
    aiConfidence: doublePrecision('ai_confidence'),
    /** Others' words are in it, as far as is known: a trigger says so. */
    tainted: boolean().notNull().default(false),
    completedAt: at('completed_at'),
    deletedAt: at('deleted_at'),
    version: integer().notNull().default(1),
    createdAt: at('created_at').notNull().defaultNow(),
    updatedAt: at('updated_at').notNull().defaultNow(),
  },
  (t) => [
    check('tasks_status', sql`${t.status} in ('pending', 'in_progress', 'completed', 'cancelled')`),
    check('tasks_priority', sql`${t.priority} in ('low', 'medium', 'high', 'urgent')`),
    check('tasks_completed', sql`(${t.status} = 'completed') = (${t.completedAt} is not null)`),
    index('tasks_due').on(t.userId, t.dueAt, t.id).where(sql`${t.deletedAt} is null`),
    index('tasks_created').on(t.userId, t.createdAt, t.id),
    index('tasks_completions').on(t.userId, t.completedAt).where(sql`${t.completedAt} is not null`),
    index('tasks_bin').on(t.deletedAt).where(sql`${t.deletedAt} is not null`),
    index('tasks_project').on(t.projectId).where(sql`${t.projectId} is not null`),
    index('tasks_parent').on(t.parentId).where(sql`${t.parentId} is not null`),
    index('tasks_follows').on(t.followsId).where(sql`${t.followsId} is not null`),
    index('tasks_reminders').on(t.remindAt).where(waitsToRemind(t)),
    uniqueIndex('tasks_external')
      .on(t.userId, t.externalProvider, t.externalId)
      .where(sql`${t.externalId} is not null`),
  ],
)

type Reminding = Record<'remindAt' | 'remindedAt' | 'deletedAt' | 'status', AnyPgColumn>

/** A reminder that is still to be given: what its index holds and its queries ask. */
export function waitsToRemind(t: Reminding): SQL {
  return sql`${t.remindAt} is not null and ${t.remindedAt} is null and ${t.deletedAt} is null and ${t.status} in ('pending', 'in_progress')`
}
