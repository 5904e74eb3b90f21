export { deleteNotification, listNotifications, pruneNotifications } from './notification.ts'
export { insertNotification, notify } from './notify.ts'
export { NotificationAction, NotificationKind, NotificationLink } from './schema.ts'
export { notificationTools } from './tools.ts'
