import { z } from '@hono/zod-openapi'
import { s } from '#core'

const MAX_TITLE = 300
const MAX_BODY = 500

const MAX_ACTIONS = 4

const KINDS = [
  'reminder',
  'webhook',
  'suggestion',
  'run',
  'digest',
  'schedule',
  'question',
  'event',
  'security',
  'budget',
] as const
export const NotificationKind = z.enum(KINDS).openapi('NotificationKind')
export type NotificationKind = z.infer<typeof NotificationKind>

const NotificationPriority = z.enum(['low', 'medium', 'high', 'urgent']).openapi('NotificationPriority')

// Not a component of the document: one that may be null somewhere would be null everywhere.
export const NotificationLink = z
  .strictObject({
    kind: z.enum(['task', 'event', 'suggestion', 'run', 'workflow', 'schedule']),
    id: z
      .string()
      .max(40)
      .regex(/^[a-z]{2,5}_[0-9a-hjkmnp-tv-z]{26}$/)
      .openapi({ example: 'task_01jd6w3k9q0123456789abcdef' }),
  })
  .openapi({ description: 'What it is about' })
export type NotificationLink = z.infer<typeof NotificationLink>

export const NotificationAction = z
  .strictObject({
    id: z
      .string()
      .max(40)
      .regex(/^[a-z][a-z0-9_-]*$/)
      .openapi({ example: 'approve' }),
    label: s.line(60),
    method: z.enum(['approve', 'dismiss', 'open']),
    target: z
      .string()
      .max(300)
      .regex(/^\/(?!\/)[\x21-\x7e]*$/)
      .openapi({ description: 'What approves or dismisses is POSTed here; what opens is shown', example: '/v1/tasks' }),
  })
  .openapi('NotificationAction')
export type NotificationAction = z.infer<typeof NotificationAction>

export const Notification = s.later(() =>
  z
    .strictObject({
      id: s.id('ntf'),
      kind: NotificationKind,
      title: z.string().max(MAX_TITLE),
      body: z.string().max(MAX_BODY),
      priority: NotificationPriority,
      link: NotificationLink.nullable(),
      actions: s.list(NotificationAction, MAX_ACTIONS),
      actionTaken: z.string().max(40).nullable().openapi({ description: 'Which of them approved or dismissed it' }),
      collapseKey: z
        .string()
        .max(200)
        .nullable()
        .openapi({ description: 'A newer one of the same replaces it, unseen' }),
      scheduledAt: s.instant.nullable().openapi({ description: 'The time it was meant for' }),
      seenAt: s.instant.nullable().openapi({ description: 'When a device of theirs first showed it' }),
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

export const ActionTaken = s.later(() =>
  z
    .strictObject({
      id: s.id('ntf'),
      kind: NotificationKind,
      action: NotificationAction,
      link: NotificationLink.nullable(),
    })
    .openapi('ActionTaken'),
)

/**
 * What a domain says to a person. Long texts are cut; a second one with the same `dedupeKey` is none; a newer one with
 * the same `collapseKey` replaces what was not yet seen.
 */
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
  actions: s.list(NotificationAction, MAX_ACTIONS).default([]),
  collapseKey: z.string().min(1).max(200).nullable().default(null),
  scheduledAt: z.date().nullable().default(null),
  expiresAt: z.date().nullable().default(null),
})
export type NewNotification = z.input<typeof NewNotification>

// Never through the middle of a surrogate pair, which no text column would take.
function cut(value: string, max: number): string {
  return value.length <= max ? value : `${value.slice(0, max - 1).replace(/[\ud800-\udbff]$/, '')}…`
}
