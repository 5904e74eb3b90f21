import { sql } from 'drizzle-orm'
import {
  boolean,
  check,
  date,
  index,
  integer,
  jsonb,
  pgTable,
  text,
  time,
  timestamp,
  uniqueIndex,
} from 'drizzle-orm/pg-core'
import { users } from '#users/tables'

const at = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' })

/**
 * A start and an end are four columns each: the wall clock as it was said, its zone, and the instant it means. A whole
 * day has no time; its end is the beginning of the day after the last one.
 */
export const calendarEvents = pgTable(
  'calendar_events',
  {
    id: text().primaryKey(),
    userId: text('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    title: text().notNull(),
    notes: text().notNull().default(''),
    location: text().notNull().default(''),
    status: text().notNull().default('confirmed'),
    transparency: text().notNull().default('busy'),
    attendees: jsonb().notNull().default([]),
    startDate: date('start_date').notNull(),
    startTime: time('start_time'),
    startZone: text('start_zone').notNull(),
    startAt: at('start_at').notNull(),
    endDate: date('end_date').notNull(),
    endTime: time('end_time'),
    endZone: text('end_zone').notNull(),
    endAt: at('end_at').notNull(),
    recurrence: text(),
    // By the day an occurrence falls on by the rule: that it is cancelled, and what of it is otherwise.
    exceptions: jsonb().notNull().default({}),
    // Minutes before the start.
    reminders: integer().array().notNull().default(sql`'{}'::integer[]`),
    // The next reminder, and up to when all were given.
    nextReminderAt: at('next_reminder_at'),
    remindedTo: at('reminded_to'),
    // How often these were set: the version of the timer.
    armings: integer().notNull().default(0),
    externalProvider: text('external_provider'),
    externalId: text('external_id'),
    /** Others' words are in it, as far as is known: a trigger says so. */
    tainted: boolean().notNull().default(false),
    deletedAt: at('deleted_at'),
    version: integer().notNull().default(1),
    createdAt: at('created_at').notNull().defaultNow(),
    updatedAt: at('updated_at').notNull().defaultNow(),
  },
  (t) => [
    check('calendar_events_status', sql`${t.status} in ('confirmed', 'tentative', 'cancelled')`),
    check('calendar_events_transparency', sql`${t.transparency} in ('busy', 'free')`),
    check('calendar_events_days', sql`(${t.startTime} is null) = (${t.endTime} is null)`),
    check('calendar_events_order', sql`${t.startAt} <= ${t.endAt}`),
    index('calendar_events_start')
      .on(t.userId, t.startAt, t.id)
      .where(sql`${t.recurrence} is null and ${t.deletedAt} is null`),
    index('calendar_events_series')
      .on(t.userId, t.startAt)
      .where(sql`${t.recurrence} is not null and ${t.deletedAt} is null`),
    index('calendar_events_bin').on(t.deletedAt).where(sql`${t.deletedAt} is not null`),
    index('calendar_events_reminders').on(t.nextReminderAt).where(sql`${t.nextReminderAt} is not null`),
    uniqueIndex('calendar_events_external')
      .on(t.userId, t.externalProvider, t.externalId)
      .where(sql`${t.externalId} is not null`),
  ],
)
