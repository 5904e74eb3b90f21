import { z } from '@hono/zod-openapi'
import { s } from '#core'

const MAX_TITLE = 300
const MAX_BODY = 500

const NotificationKind = z.enum(['reminder', 'webhook', 'schedule']).openapi('NotificationKind')

const NotificationPriority = z.enum(['low', 'medium', 'high', 'urgent']).openapi('NotificationPriority')

// Not a component of the document: one that may be null somewhere would be null everywhere.
const NotificationLink = z
  .strictObject({
    kind: z.enum(['task', 'schedule']),
    id: z
      .string()
      .max(40)
      .regex(/^[a-z]{2,5}_[0-9a-hjkmnp-tv-z]{26}$/)
      .openapi({ example: 'task_01jd6w3k9q0123456789abcdef' }),
  })
  .openapi({ description: 'What it is about' })

export const Notification = s.later(() =>
  z
    .strictObject({
      id: s.id('ntf'),
      kind: NotificationKind,
      title: z.string().max(MAX_TITLE),
      body: z.string().max(MAX_BODY),
      priority: NotificationPriority,
      link: NotificationLink.nullable(),
      scheduledAt: s.instant.nullable().openapi({ description: 'The time it was meant for' }),
      readAt: s.instant.nullable(),
      expiresAt: s.instant.nullable().openapi({ description: 'When it is no longer shown' }),
      version: s.int(1, 2_147_483_647),
      createdAt: s.instant,
      updatedAt: s.instant,
    })
    .openapi('Notification'),
)
export type Notification = z.infer<ReturnType<typeof Notification>>

export const NotificationPage = s.later(() => s.pageOf(Notification()).openapi('NotificationPage'))

export const NotificationQuery = z.strictObject({
  limit: s.limit,
  cursor: s.cursor,
  unread: s.flag.optional(),
  kind: NotificationKind.optional(),
})
export type NotificationQuery = z.infer<typeof NotificationQuery>

export const UnreadCount = s.later(() => z.strictObject({ count: s.int(0, 2_147_483_647) }).openapi('UnreadCount'))

export const AllRead = s.later(() =>
  z
    .strictObject({ marked: s.int(0, 2_147_483_647), readAt: s.instant.nullable() })
    .openapi('AllRead', { description: 'How many were unread, and when they were marked; null when none was' }),
)
export type AllRead = z.infer<ReturnType<typeof AllRead>>

/** What a domain says to a person. Long texts are cut; a second one with the same `dedupeKey` is none. */
export const NewNotification = z.strictObject({
  kind: NotificationKind,
  title: z.string().transform((value) => cut(value, MAX_TITLE)),
  body: z
    .string()
    .default('')
    .transform((value) => cut(value, MAX_BODY)),
  priority: NotificationPriority.default('medium'),
  link: NotificationLink.nullable().default(null),
  dedupeKey: z.string().min(1).max(200),
  scheduledAt: z.date().nullable().default(null),
  expiresAt: z.date().nullable().default(null),
})
export type NewNotification = z.input<typeof NewNotification>

// Never through the middle of a surrogate pair, which no text column would take.
function cut(value: string, max: number): string {
  return value.length <= max ? value : `${value.slice(0, max - 1).replace(/[\ud800-\udbff]$/, '')}…`
}
