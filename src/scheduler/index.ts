export { reminderSubscriber, ringReminder, sweepReminders } from './reminders.ts'
export { type NewTimer, NewTimers } from './schema.ts'
export { listTimers, runTimer } from './timer.ts'
