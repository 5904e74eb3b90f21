export { deleteNotification, listNotifications, pruneNotifications } from './notification.ts'
export { insertNotification, notify } from './notify.ts'
export { type NewNotification, NotificationAction, NotificationKind, NotificationLink } from './schema.ts'
