import { sql } from 'drizzle-orm'
import {
  boolean,
  doublePrecision,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  timestamp,
  uniqueIndex,
} from 'drizzle-orm/pg-core'
import { users } from '#users/tables'

/** An act that is offered: the kind of effect, and what it is given. */
export type ActionOffer = {
  id: string
  kind: string
  input: Record<string, unknown>
  says: string
  outward: boolean
  reversible: boolean
}

const at = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' })
const owner = () =>
  text('user_id')
    .notNull()
    .references(() => users.id, { onDelete: 'cascade' })

/** What was thought of for a person: offered to them, or withheld with the reason. */
export const suggestions = pgTable(
  'suggestions',
  {
    id: text().primaryKey(),
    userId: owner(),
    /** The proposer's own: the same again is the same suggestion. */
    key: text().notNull(),
    kind: text().notNull(),
    title: text().notNull(),
    body: text().notNull(),
    actions: jsonb().$type<ActionOffer[]>().notNull(),
    alternatives: jsonb().$type<ActionOffer[]>().notNull(),
    /** The actions as they were approved, perhaps edited. */
    agreed: jsonb().$type<ActionOffer[]>(),
    why: jsonb().$type<object>().notNull(),
    source: jsonb().$type<object>().notNull(),
    /** Whose rules of autonomy it goes by, besides the general ones. */
    workflowId: text('workflow_id'),
    confidence: doublePrecision().notNull(),
    /** What a list of open ones goes by: priority, confidence and the acceptance that was learned. */
    rank: doublePrecision().notNull(),
    priority: text({ enum: ['urgent', 'important', 'routine'] }).notNull(),
    tainted: boolean().notNull(),
    status: text({
      enum: [
        'withheld',
        'proposed',
        'seen',
        'approved',
        'dismissed',
        'snoozed',
        'expired',
        'running',
        'done',
        'failed',
        'undone',
      ],
    }).notNull(),
    /** Why it was withheld. */
    reason: text(),
    /** Of what is offered, in one hash. */
    fingerprint: text().notNull(),
    /** Which part of which week it was offered in: what is learned goes by it. */
    moment: text().notNull(),
    /** When something is to happen to it by itself: it is offered after all, or comes back. */
    wakeAt: at('wake_at'),
    expiresAt: at('expires_at').notNull(),
    proposedAt: at('proposed_at'),
    seenAt: at('seen_at'),
    decidedAt: at('decided_at'),
    effectIds: jsonb('effect_ids').$type<string[]>().notNull().default([]),
    detail: text(),
    version: integer().notNull().default(1),
    createdAt: at('created_at').notNull().defaultNow(),
    updatedAt: at('updated_at').notNull().defaultNow(),
  },
  (t) => [
    uniqueIndex('suggestions_key').on(t.userId, t.key),
    index('suggestions_user').on(t.userId, t.id),
    index('suggestions_proposed').on(t.userId, t.proposedAt),
    index('suggestions_wake').on(t.wakeAt).where(sql`${t.wakeAt} is not null`),
    index('suggestions_expiry').on(t.expiresAt).where(sql`${t.status} in ('withheld', 'proposed', 'seen', 'snoozed')`),
    index('suggestions_unfinished').on(t.updatedAt).where(sql`${t.status} in ('approved', 'running')`),
  ],
)

/** What was decided of a suggestion, one row for each time. */
export const suggestionDecisions = pgTable(
  'suggestion_decisions',
  {
    /** The suggestion and its version by the decision. */
    id: text().primaryKey(),
    suggestionId: text('suggestion_id')
      .notNull()
      .references(() => suggestions.id, { onDelete: 'cascade' }),
    userId: owner(),
    kind: text().notNull(),
    decision: text().notNull(),
    isEdited: boolean('is_edited').notNull().default(false),
    reason: text(),
    createdAt: at('created_at').notNull().defaultNow(),
  },
  (t) => [
    index('suggestion_decisions_suggestion').on(t.suggestionId),
    index('suggestion_decisions_user').on(t.userId, t.createdAt),
  ],
)

/** How much a person wants to hear; no row: the defaults. */
export const suggestionSettings = pgTable('suggestion_settings', {
  userId: owner().primaryKey(),
  maxOpen: integer('max_open').notNull().default(3),
  maxADay: integer('max_a_day').notNull().default(8),
  cooldownMinutes: integer('cooldown_minutes').notNull().default(240),
  cooldowns: jsonb().$type<Record<string, number>>().notNull().default({}),
  muted: jsonb().$type<string[]>().notNull().default([]),
  urgentInQuietHours: boolean('urgent_in_quiet_hours').notNull().default(false),
  inferCommitments: boolean('infer_commitments').notNull().default(true),
  /** What a model is not told when it looks at facts. */
  privacy: text({ enum: ['secrets', 'contacts', 'strict'] })
    .notNull()
    .default('contacts'),
  version: integer().notNull().default(1),
  updatedAt: at('updated_at').notNull().defaultNow(),
})

/** What was last looked at for a kind or a workflow, and how often nothing was said since. */
export const suggestionGates = pgTable(
  'suggestion_gates',
  {
    userId: owner(),
    kind: text().notNull(),
    /** Empty: of no workflow. */
    workflowId: text('workflow_id').notNull(),
    factsHash: text('facts_hash'),
    /** Who asked last when it opened: asking again is answered the same. */
    askId: text('ask_id'),
    openedAt: at('opened_at'),
    closedAt: at('closed_at'),
    reason: text(),
    closed: integer().notNull().default(0),
  },
  (t) => [primaryKey({ columns: [t.userId, t.kind, t.workflowId] })],
)

/** What may be done without asking; no row: ask. */
export const autonomyRules = pgTable(
  'autonomy_rules',
  {
    userId: owner(),
    /** The kind and the workflow. */
    name: text().notNull(),
    kind: text().notNull(),
    /** Empty: of any workflow. */
    workflowId: text('workflow_id').notNull(),
    level: text({ enum: ['never', 'ask', 'act_and_tell', 'act_silently'] }).notNull(),
    updatedAt: at('updated_at').notNull().defaultNow(),
  },
  (t) => [primaryKey({ columns: [t.userId, t.name] })],
)
