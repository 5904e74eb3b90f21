import { sql } from 'drizzle-orm'
import { index, integer, jsonb, pgTable, text, timestamp, uniqueIndex } from 'drizzle-orm/pg-core'
import { sessions } from '#auth/tables'
import { users } from '#users/tables'

const at = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' })
const owner = () =>
  text('user_id')
    .notNull()
    .references(() => users.id, { onDelete: 'cascade' })

type Link = { kind: 'task' | 'event' | 'suggestion' | 'run' | 'workflow' | 'schedule'; id: string }
type Action = { id: string; label: string; method: 'approve' | 'dismiss' | 'open'; target: string }

/** What a person was told. A deleted one is emptied and expired: its key stays a while, so it does not come again. */
export const notifications = pgTable(
  'notifications',
  {
    id: text().primaryKey(),
    userId: owner(),
    kind: text().notNull(),
    title: text().notNull(),
    body: text().notNull().default(''),
    priority: text().notNull().default('medium'),
    link: jsonb().$type<Link | null>(),
    actions: jsonb().$type<Action[]>().notNull().default([]),
    actionTaken: text('action_taken'),
    /** Of what is not yet seen there is one of each. */
    collapseKey: text('collapse_key'),
    dedupeKey: text('dedupe_key').notNull(),
    scheduledAt: at('scheduled_at'),
    seenAt: at('seen_at'),
    readAt: at('read_at'),
    expiresAt: at('expires_at'),
    version: integer().notNull().default(1),
    createdAt: at('created_at').notNull().defaultNow(),
    updatedAt: at('updated_at').notNull().defaultNow(),
  },
  (t) => [
    uniqueIndex('notifications_dedupe').on(t.userId, t.dedupeKey),
    index('notifications_user').on(t.userId, t.id),
    index('notifications_unread').on(t.userId, t.id).where(sql`${t.readAt} is null`),
    index('notifications_collapse')
      .on(t.userId, t.collapseKey)
      .where(sql`${t.collapseKey} is not null and ${t.seenAt} is null`),
    index('notifications_expiry').on(t.expiresAt).where(sql`${t.expiresAt} is not null`),
  ],
)

/** What push reaches. `address` is sealed: where to send, and with which keys; `hash` finds the same device again. */
export const devices = pgTable(
  'devices',
  {
    id: text().primaryKey(),
    userId: owner(),
    /** Whose sign-in registered it: nothing is sent there when that has ended. */
    sessionId: text('session_id')
      .notNull()
      .references(() => sessions.id, { onDelete: 'cascade' }),
    kind: text({ enum: ['web_push', 'fcm', 'apns'] }).notNull(),
    name: text().notNull(),
    address: text().notNull(),
    hash: text().notNull(),
    lastSentAt: at('last_sent_at'),
    createdAt: at('created_at').notNull().defaultNow(),
    updatedAt: at('updated_at').notNull().defaultNow(),
  },
  (t) => [
    uniqueIndex('devices_hash').on(t.hash),
    index('devices_user').on(t.userId, t.id),
    index('devices_session').on(t.sessionId),
  ],
)

/**
 * The ledger of every channel: one row for each way a notification goes, or is taken back (`clear`). `sending` means
 * that nobody knows yet; whoever was sending and never said leaves `unknown`, which is never sent again.
 */
export const deliveries = pgTable(
  'deliveries',
  {
    id: text().primaryKey(),
    userId: owner(),
    notificationId: text('notification_id')
      .notNull()
      .references(() => notifications.id, { onDelete: 'cascade' }),
    channel: text({ enum: ['socket', 'push', 'mail', 'digest'] }).notNull(),
    purpose: text({ enum: ['show', 'clear'] })
      .notNull()
      .default('show'),
    /** Empty but for push. */
    deviceId: text('device_id').notNull().default(''),
    status: text({ enum: ['waiting', 'sending', 'sent', 'acknowledged', 'skipped', 'failed', 'unknown'] }).notNull(),
    dueAt: at('due_at').notNull(),
    attempts: integer().notNull().default(0),
    claimedAt: at('claimed_at'),
    providerId: text('provider_id'),
    reason: text(),
    createdAt: at('created_at').notNull(),
    endedAt: at('ended_at'),
  },
  (t) => [
    uniqueIndex('deliveries_once').on(t.notificationId, t.channel, t.purpose, t.deviceId),
    index('deliveries_user').on(t.userId, t.status, t.dueAt),
    index('deliveries_ended').on(t.endedAt).where(sql`${t.endedAt} is not null`),
    index('deliveries_overdue').on(t.dueAt).where(sql`${t.status} in ('waiting', 'sending')`),
  ],
)

/** How a person wants to be told; who has no row is told as the defaults say. */
export const notificationSettings = pgTable('notification_settings', {
  userId: text('user_id')
    .primaryKey()
    .references(() => users.id, { onDelete: 'cascade' }),
  settings: jsonb().$type<object>().notNull(),
  version: integer().notNull().default(1),
  createdAt: at('created_at').notNull().defaultNow(),
  updatedAt: at('updated_at').notNull().defaultNow(),
})
