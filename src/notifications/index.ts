export { deleteNotification, insertNotification, listNotifications, pruneNotifications } from './notification.ts'
export { notificationsApp } from './routes.ts'
