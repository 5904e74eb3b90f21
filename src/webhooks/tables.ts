import { sql } from 'drizzle-orm'
import { boolean, index, integer, pgTable, text, timestamp, uniqueIndex } from 'drizzle-orm/pg-core'
import { users } from '#users/tables'

const at = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' })
const owner = () =>
  text('user_id')
    .notNull()
    .references(() => users.id, { onDelete: 'cascade' })

/** Where a person wants events posted. Its secrets are sealed; the one before signs too until `previous_until`. */
export const webhookEndpoints = pgTable(
  'webhook_endpoints',
  {
    id: text().primaryKey(),
    userId: owner(),
    url: text().notNull(),
    description: text().notNull(),
    /** None is all. */
    events: text().array().notNull(),
    enabled: boolean().notNull().default(true),
    /** Why we stopped: `gone` (it answered 410) or `failing` (nothing arrived for three days). */
    disabledReason: text('disabled_reason'),
    secret: text().notNull(),
    previousSecret: text('previous_secret'),
    previousUntil: at('previous_until'),
    version: integer().notNull().default(1),
    createdAt: at('created_at').notNull().defaultNow(),
    updatedAt: at('updated_at').notNull().defaultNow(),
  },
  (t) => [index('webhook_endpoints_user').on(t.userId, t.id)],
)

/** One event for one endpoint: `pending` until it is `delivered`, or `failed` for good. */
export const webhookDeliveries = pgTable(
  'webhook_deliveries',
  {
    id: text().primaryKey(),
    userId: owner(),
    endpointId: text('endpoint_id')
      .notNull()
      .references(() => webhookEndpoints.id, { onDelete: 'cascade' }),
    eventId: text('event_id').notNull(),
    type: text().notNull(),
    body: text().notNull(),
    status: text({ enum: ['pending', 'delivered', 'failed'] })
      .notNull()
      .default('pending'),
    attempts: integer().notNull().default(0),
    nextAt: at('next_at').notNull().defaultNow(),
    responseStatus: integer('response_status'),
    error: text(),
    createdAt: at('created_at').notNull().defaultNow(),
    endedAt: at('ended_at'),
  },
  (t) => [
    uniqueIndex('webhook_deliveries_event').on(t.endpointId, t.eventId),
    index('webhook_deliveries_list').on(t.endpointId, t.id),
    index('webhook_deliveries_due').on(t.nextAt).where(sql`${t.status} = 'pending'`),
  ],
)
