import { sql } from 'drizzle-orm'
import {
  bigint,
  boolean,
  doublePrecision,
  index,
  integer,
  jsonb,
  pgTable,
  text,
  timestamp,
  uniqueIndex,
} from 'drizzle-orm/pg-core'
import { users } from '#users/tables'

const at = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' })
const owner = () =>
  text('user_id')
    .notNull()
    .references(() => users.id, { onDelete: 'cascade' })

/** `version` counts every change of the row, `definition_version` says which of workflow_versions is used. */
export const workflows = pgTable(
  'workflows',
  {
    id: text().primaryKey(),
    userId: owner(),
    name: text().notNull(),
    description: text().notNull().default(''),
    status: text({ enum: ['enabled', 'disabled', 'paused'] })
      .notNull()
      .default('enabled'),
    /** Why it is paused: `failing` (the engine paused it) or `person`. */
    pausedReason: text('paused_reason'),
    pausedUntil: at('paused_until'),
    definitionVersion: integer('definition_version').notNull().default(1),
    latestVersion: integer('latest_version').notNull().default(1),
    params: jsonb().notNull().default({}),
    templateKey: text('template_key'),
    savesMinutes: integer('saves_minutes').notNull().default(0),
    failuresInRow: integer('failures_in_row').notNull().default(0),
    /** The window of its throttle, and how many runs began in it. */
    windowAt: at('window_at'),
    windowUsed: integer('window_used').notNull().default(0),
    deletedAt: at('deleted_at'),
    version: integer().notNull().default(1),
    createdAt: at('created_at').notNull().defaultNow(),
    updatedAt: at('updated_at').notNull().defaultNow(),
  },
  (t) => [
    index('workflows_user').on(t.userId, t.id),
    index('workflows_bin').on(t.deletedAt).where(sql`${t.deletedAt} is not null`),
  ],
)

/** Never changed: a run is pinned to the one it began with. Its id is `wfl_....3`, of which it is the third. */
export const workflowVersions = pgTable(
  'workflow_versions',
  {
    id: text().primaryKey(),
    workflowId: text('workflow_id')
      .notNull()
      .references(() => workflows.id, { onDelete: 'cascade' }),
    version: integer().notNull(),
    userId: owner(),
    definition: jsonb().notNull(),
    note: text().notNull().default(''),
    createdAt: at('created_at').notNull().defaultNow(),
  },
  (t) => [
    uniqueIndex('workflow_versions_of').on(t.workflowId, t.version),
    index('workflow_versions_user').on(t.userId, t.id),
  ],
)

/** One trigger of the version in use. Its key is made of what it says: a change of another leaves its state alone. */
export const triggers = pgTable(
  'triggers',
  {
    id: text().primaryKey(),
    userId: owner(),
    workflowId: text('workflow_id')
      .notNull()
      .references(() => workflows.id, { onDelete: 'cascade' }),
    key: text().notNull(),
    kind: text({
      enum: ['at', 'every', 'cron', 'rrule', 'event', 'condition', 'webhook', 'manual', 'workflow'],
    }).notNull(),
    config: jsonb().notNull(),
    /** Types of events it looks at: `task.completed`, `task.*`. */
    patterns: text().array().notNull().default(sql`'{}'::text[]`),
    active: boolean().notNull().default(true),
    /** The next time of its own: a temporal trigger fires then, a condition is looked at. */
    nextAt: at('next_at'),
    /** A condition: whether it held when it was last looked at. */
    isTrue: boolean('is_true').notNull().default(false),
    /** A debounced firing that waits: when it is due, and of what. */
    pendingAt: at('pending_at'),
    pending: jsonb(),
    lastFiredAt: at('last_fired_at'),
    /** Of a webhook: sealed. */
    secret: text(),
    createdAt: at('created_at').notNull().defaultNow(),
    updatedAt: at('updated_at').notNull().defaultNow(),
  },
  (t) => [
    uniqueIndex('triggers_key').on(t.workflowId, t.key),
    index('triggers_user').on(t.userId).where(sql`${t.active}`),
    index('triggers_due').on(t.nextAt).where(sql`${t.active} and ${t.nextAt} is not null`),
    index('triggers_pending').on(t.pendingAt).where(sql`${t.pendingAt} is not null`),
  ],
)

/** One firing, made in status `requested`; the same cause again finds the row it made. */
export const workflowRuns = pgTable(
  'workflow_runs',
  {
    id: text().primaryKey(),
    userId: owner(),
    workflowId: text('workflow_id')
      .notNull()
      .references(() => workflows.id, { onDelete: 'cascade' }),
    definitionVersion: integer('definition_version').notNull(),
    params: jsonb().notNull().default({}),
    status: text({
      enum: ['requested', 'proposed', 'waiting', 'running', 'done', 'failed', 'compensated', 'cancelled', 'expired'],
    })
      .notNull()
      .default('requested'),
    triggerId: text('trigger_id'),
    triggerKind: text('trigger_kind').notNull(),
    /** What expressions see as `trigger`. */
    trigger: jsonb().notNull().default({}),
    /** Unique per workflow: the id of the event, the planned time, the request. */
    cause: text().notNull(),
    /** The window of `oncePer`, where there is one. */
    onceKey: text('once_key'),
    concurrencyKey: text('concurrency_key'),
    priority: text({ enum: ['urgent', 'important', 'routine'] }).notNull(),
    tainted: boolean().notNull().default(false),
    /** How many workflows called each other to come here. */
    depth: integer().notNull().default(0),
    retryOf: text('retry_of'),
    outcome: text(),
    reason: text(),
    evidence: jsonb().notNull().default([]),
    findings: jsonb().notNull().default([]),
    error: jsonb(),
    /** What could not be taken back, and waits for the person. */
    parked: jsonb().notNull().default([]),
    /** The instance that has it. */
    instanceId: text('instance_id'),
    suggestionId: text('suggestion_id'),
    accepted: boolean(),
    confidence: doublePrecision(),
    savedMinutes: integer('saved_minutes').notNull().default(0),
    costMicros: bigint('cost_micros', { mode: 'number' }).notNull().default(0),
    startedAt: at('started_at'),
    endedAt: at('ended_at'),
    /** Past this it is stuck, and is ended with notice. */
    deadlineAt: at('deadline_at'),
    version: integer().notNull().default(1),
    createdAt: at('created_at').notNull().defaultNow(),
    updatedAt: at('updated_at').notNull().defaultNow(),
  },
  (t) => [
    uniqueIndex('workflow_runs_cause').on(t.workflowId, t.cause),
    uniqueIndex('workflow_runs_once').on(t.workflowId, t.onceKey).where(sql`${t.onceKey} is not null`),
    index('workflow_runs_user').on(t.userId, t.id),
    index('workflow_runs_workflow').on(t.workflowId, t.createdAt),
    uniqueIndex('workflow_runs_concurrency')
      .on(t.workflowId, t.concurrencyKey)
      .where(sql`${t.endedAt} is null and ${t.concurrencyKey} is not null`),
    index('workflow_runs_open').on(t.deadlineAt).where(sql`${t.endedAt} is null`),
  ],
)

/** What became of one step of a run. `step` is its place: `notify`, in a for-each with the number of the item `notify.2`; the id `run_....notify`. */
export const runSteps = pgTable(
  'run_steps',
  {
    id: text().primaryKey(),
    runId: text('run_id')
      .notNull()
      .references(() => workflowRuns.id, { onDelete: 'cascade' }),
    step: text().notNull(),
    userId: owner(),
    kind: text().notNull(),
    status: text({
      enum: ['running', 'waiting', 'done', 'skipped', 'failed', 'compensated', 'irreversible'],
    }).notNull(),
    attempts: integer().notNull().default(0),
    says: text(),
    output: jsonb(),
    effectId: text('effect_id'),
    evidence: jsonb(),
    error: jsonb(),
    startedAt: at('started_at').notNull().defaultNow(),
    endedAt: at('ended_at'),
  },
  (t) => [uniqueIndex('run_steps_of').on(t.runId, t.step), index('run_steps_user').on(t.userId, t.id)],
)
