import { sql } from 'drizzle-orm'
import { boolean, index, integer, jsonb, pgTable, text, timestamp, uniqueIndex } from 'drizzle-orm/pg-core'
import { users } from '#users/tables'

const at = (name: string) => timestamp(name, { withTimezone: true, mode: 'date', precision: 3 })
const owner = () =>
  text('user_id')
    .notNull()
    .references(() => users.id, { onDelete: 'cascade' })

/** What a person wants done, and when: `next_at` is its next time, none while it is paused or when it is done. */
export const schedules = pgTable(
  'schedules',
  {
    id: text().primaryKey(),
    userId: owner(),
    name: text().notNull(),
    /** A `When` with its zone. */
    when: jsonb().$type<Record<string, unknown>>().notNull(),
    /** It named no zone: it is meant where its person is, also when they move. */
    followsZone: boolean('follows_zone').notNull().default(false),
    missed: text({ enum: ['skip', 'once', 'all'] }).notNull(),
    action: jsonb().$type<Record<string, unknown>>().notNull(),
    status: text({ enum: ['active', 'paused', 'done'] })
      .notNull()
      .default('active'),
    nextAt: at('next_at'),
    version: integer().notNull().default(1),
    createdAt: at('created_at').notNull().defaultNow(),
    updatedAt: at('updated_at').notNull().defaultNow(),
  },
  (t) => [
    index('schedules_user').on(t.userId, t.id),
    index('schedules_due').on(t.nextAt).where(sql`${t.nextAt} is not null`),
  ],
)

/** One time at which a schedule was due, or at which its person asked for it; of a due time there is one. */
export const scheduleRuns = pgTable(
  'schedule_runs',
  {
    id: text().primaryKey(),
    userId: owner(),
    scheduleId: text('schedule_id')
      .notNull()
      .references(() => schedules.id, { onDelete: 'cascade' }),
    dueAt: at('due_at').notNull(),
    cause: text({ enum: ['time', 'person'] }).notNull(),
    status: text({ enum: ['waiting', 'done', 'failed', 'missed'] }).notNull(),
    /** How many earlier times were missed that this one stands for. */
    missed: integer().notNull().default(0),
    outcome: jsonb().$type<Record<string, unknown>>(),
    startedAt: at('started_at').notNull(),
    endedAt: at('ended_at'),
  },
  (t) => [
    uniqueIndex('schedule_runs_due').on(t.scheduleId, t.dueAt).where(sql`${t.cause} = 'time'`),
    index('schedule_runs_schedule').on(t.scheduleId, t.id),
    index('schedule_runs_user').on(t.userId, t.startedAt),
    index('schedule_runs_waiting').on(t.startedAt).where(sql`${t.status} = 'waiting'`),
    index('schedule_runs_ended').on(t.endedAt).where(sql`${t.endedAt} is not null`),
  ],
)
