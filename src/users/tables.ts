import { sql } from 'drizzle-orm'
import { index, integer, jsonb, pgTable, text, timestamp, uniqueIndex } from 'drizzle-orm/pg-core'

const at = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' })

export type QuietHours = { from: string; to: string }
export type WorkingHours = { from: string; to: string; days: number[] }
export type Voice = { voiceId?: string; speed?: number; pitch?: number; language?: string; input?: 'text' | 'voice' }

export const users = pgTable(
  'users',
  {
    id: text().primaryKey(),
    email: text().notNull(),
    /** When they showed that mail to the address reaches them. */
    emailVerifiedAt: at('email_verified_at'),
    displayName: text('display_name').notNull(),
    role: text({ enum: ['person', 'support', 'admin'] })
      .notNull()
      .default('person'),
    /** Counts up when what opens the account is taken anew: what was shown before lets nobody in. */
    securityStamp: integer('security_stamp').notNull().default(0),
    /** Since when whoever runs the deployment lets them do nothing. */
    disabledAt: at('disabled_at'),
    timeZone: text('time_zone').notNull().default('UTC'),
    locale: text().notNull().default('en-US'),
    quietHours: jsonb('quiet_hours').$type<QuietHours | null>(),
    workingHours: jsonb('working_hours').$type<WorkingHours | null>(),
    voice: jsonb().$type<Voice>().notNull().default({}),
    /** When they are to be erased, and under which id; null: they stay. */
    deletionAt: at('deletion_at'),
    erasureId: text('erasure_id'),
    version: integer().notNull().default(1),
    createdAt: at('created_at').notNull().defaultNow(),
    updatedAt: at('updated_at').notNull().defaultNow(),
  },
  (t) => [
    uniqueIndex('users_email').on(sql`lower(${t.email})`),
    index('users_created').on(t.createdAt),
    index('users_deletion').on(t.deletionAt).where(sql`${t.deletionAt} is not null`),
  ],
)
