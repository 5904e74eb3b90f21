export { deleteNotification, insertNotification, listNotifications, pruneNotifications } from './notification.ts'
