import { z } from 'zod'
import { defineEvent } from '#core'
import { type ColumnsOf, iso, jsonObject } from '#database'
import { ActionTaken, AllRead, Notification } from './schema.ts'
import type { notifications } from './tables.ts'

export const notificationCreated = defineEvent('notification.created', 'notifications', Notification)
export const notificationUpdated = defineEvent('notification.updated', 'notifications', Notification)
export const notificationDeleted = defineEvent(
  'notification.deleted',
  'notifications',
  z.strictObject({ id: z.string() }),
)
/** Everything unread until then is read; the single ones are not told. */
export const notificationAllRead = defineEvent('notification.all_read', 'notifications', AllRead)
/** For whoever it is about: the person approved or dismissed it in the notification itself. */
export const notificationAction = defineEvent('notification.action', null, ActionTaken)

export function shown(n: ColumnsOf<typeof notifications>) {
  return jsonObject<Notification>({
    id: n.id,
    kind: n.kind,
    title: n.title,
    body: n.body,
    priority: n.priority,
    link: n.link,
    actions: n.actions,
    actionTaken: n.actionTaken,
    collapseKey: n.collapseKey,
    scheduledAt: iso(n.scheduledAt),
    seenAt: iso(n.seenAt),
    readAt: iso(n.readAt),
    expiresAt: iso(n.expiresAt),
    version: n.version,
    createdAt: iso(n.createdAt),
    updatedAt: iso(n.updatedAt),
  })
}
