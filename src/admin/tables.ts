import { sql } from 'drizzle-orm'
import { boolean, integer, pgTable, text, timestamp } from 'drizzle-orm/pg-core'

const at = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' })

/** What is tried out before it is for all: on for nobody, for those named, for a share of people, or for all. */
export const featureFlags = pgTable('feature_flags', {
  name: text().primaryKey(),
  enabled: boolean().notNull().default(false),
  /** Of a hundred people, chosen by a hash of their id. */
  percent: integer().notNull().default(100),
  people: text().array().notNull().default(sql`'{}'::text[]`),
  createdAt: at('created_at').notNull().defaultNow(),
  updatedAt: at('updated_at').notNull().defaultNow(),
})

/** When each scheduled job last ran, and what came of it. */
export const jobRuns = pgTable('job_runs', {
  job: text().primaryKey(),
  startedAt: at('started_at').notNull(),
  durationMs: integer('duration_ms').notNull(),
  error: text(),
  failures: integer().notNull().default(0),
})
