import { z } from '@hono/zod-openapi'
import { answer, createApp, personRoute, s } from '#core'
import {
  deleteNotification,
  listNotifications,
  markAllRead,
  markRead,
  markSeen,
  takeAction,
  unreadCount,
} from './notification.ts'
import {
  AllRead,
  Notification,
  NotificationAction,
  NotificationPage,
  NotificationQuery,
  UnreadCount,
} from './schema.ts'

const tags = ['Notifications']
const params = z.strictObject({ id: s.id('ntf') })

const list = personRoute({
  method: 'get',
  path: '/notifications',
  operationId: 'listNotifications',
  summary: 'What the person was told, newest first',
  tags,
  request: { query: NotificationQuery },
  responses: { 200: answer(NotificationPage, 'A page of notifications') },
})
const unread = personRoute({
  method: 'get',
  path: '/notifications/unread-count',
  operationId: 'countUnreadNotifications',
  summary: 'How many wait to be read',
  tags,
  responses: { 200: answer(UnreadCount, 'The number') },
})
const read = personRoute({
  method: 'post',
  path: '/notifications/{id}/read',
  operationId: 'readNotification',
  summary: 'Mark one as read',
  tags,
  request: { params },
  responses: { 200: answer(Notification, 'The notification, read') },
})
const readAll = personRoute({
  method: 'post',
  path: '/notifications/read-all',
  operationId: 'readAllNotifications',
  summary: 'Mark every unread one as read',
  tags,
  responses: { 200: answer(AllRead, 'How many were marked') },
})
const seen = personRoute({
  method: 'post',
  path: '/notifications/{id}/seen',
  operationId: 'seeNotification',
  summary: 'Say that a device showed it',
  tags,
  request: { params },
  responses: { 200: answer(Notification, 'The notification, seen') },
})
const act = personRoute(
  {
    method: 'post',
    path: '/notifications/{id}/actions/{actionId}',
    operationId: 'takeNotificationAction',
    summary: 'Approve or dismiss it where it is shown',
    tags,
    request: { params: z.strictObject({ id: s.id('ntf'), actionId: NotificationAction.shape.id }) },
    responses: { 200: answer(Notification, 'The notification, read, with the action that was taken') },
  },
  { problems: [409] },
)
const remove = personRoute({
  method: 'delete',
  path: '/notifications/{id}',
  operationId: 'deleteNotification',
  summary: 'Take one away for good',
  tags,
  request: { params },
  responses: { 204: { description: 'Gone' } },
})

export const app = createApp()
  .openapi(list, async (c) => c.json(await listNotifications(c.var.ctx, c.req.valid('query')), 200))
  .openapi(unread, async (c) => c.json({ count: await unreadCount(c.var.ctx) }, 200))
  .openapi(readAll, async (c) => c.json(await markAllRead(c.var.ctx), 200))
  .openapi(read, async (c) => c.json(await markRead(c.var.ctx, c.req.valid('param').id), 200))
  .openapi(seen, async (c) => c.json(await markSeen(c.var.ctx, c.req.valid('param').id), 200))
  .openapi(act, async (c) => {
    const { id, actionId } = c.req.valid('param')
    return c.json(await takeAction(c.var.ctx, id, actionId), 200)
  })
  .openapi(remove, async (c) => {
    await deleteNotification(c.var.ctx, c.req.valid('param').id)
    return c.body(null, 204)
  })
