import { sql } from 'drizzle-orm'
import { boolean, index, integer, jsonb, pgTable, text, timestamp, uniqueIndex } from 'drizzle-orm/pg-core'
import { users } from '#users/tables'

// As #core says them.
type Change = { target: string | null; before: object | null; after: object | null }
type Undo = { tool: string; input: unknown; says: string }

const at = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' })

export const STATUSES = [
  'intended',
  'held',
  'sending',
  'done',
  'failed',
  'refused',
  'unknown',
  'undoing',
  'undone',
  'cancelled',
] as const
export const ORIGINS = ['turn', 'run', 'suggestion', 'schedule', 'api'] as const

/** What was done to the world for a person. Its `key` is theirs alone: the same one again is the same act. */
export const effects = pgTable(
  'effects',
  {
    id: text().primaryKey(),
    userId: text('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    key: text().notNull(),
    kind: text().notNull(),
    input: jsonb().$type<unknown>().notNull(),
    says: text().notNull(),
    changes: jsonb().$type<Change[]>().notNull(),
    /** Until it is done: what it acts upon as it was claimed, from which follows what takes it back. */
    before: jsonb().$type<unknown>(),
    /** The versions it found and those it left, by id: what has another by now was changed since. */
    found: jsonb().$type<Record<string, number>>(),
    lefts: jsonb().$type<Record<string, number>>(),
    status: text({ enum: STATUSES }).notNull(),
    outward: boolean().notNull(),
    tainted: boolean().notNull(),
    agreed: boolean().notNull(),
    undo: jsonb().$type<Undo>(),
    undoUntil: at('undo_until'),
    /** While it is taken back: whether whatever changed since is to give way, and what it was before. */
    undoForced: boolean('undo_forced').notNull().default(false),
    undoFrom: text('undo_from', { enum: ['done', 'unknown'] }),
    heldUntil: at('held_until'),
    output: jsonb().$type<unknown>(),
    evidenceId: text('evidence_id'),
    provider: text(),
    errorCode: text('error_code'),
    error: text(),
    isRetryable: boolean('is_retryable').notNull().default(false),
    origin: text({ enum: ORIGINS }).notNull(),
    messageId: text('message_id'),
    callId: text('call_id'),
    runId: text('run_id'),
    step: text(),
    suggestionId: text('suggestion_id'),
    action: text(),
    scheduleRunId: text('schedule_run_id'),
    /** Who is at it, and until when nobody else is. */
    holder: text(),
    leaseUntil: at('lease_until'),
    attempts: integer().notNull().default(0),
    version: integer().notNull().default(1),
    doneAt: at('done_at'),
    endedAt: at('ended_at'),
    createdAt: at('created_at').notNull().defaultNow(),
    updatedAt: at('updated_at').notNull().defaultNow(),
  },
  (t) => [
    uniqueIndex('effects_key').on(t.userId, t.key),
    index('effects_list').on(t.userId, t.id),
    index('effects_message').on(t.messageId).where(sql`${t.messageId} is not null`),
    index('effects_run').on(t.runId).where(sql`${t.runId} is not null`),
    index('effects_held').on(t.heldUntil).where(sql`${t.status} = 'held'`),
    index('effects_lease').on(t.leaseUntil).where(sql`${t.status} in ('intended', 'undoing', 'sending')`),
  ],
)
