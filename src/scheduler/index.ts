export { reminderSubscriber, ringReminder, sweepReminders } from './reminders.ts'
export { type NewTimer, NewTimers } from './schema.ts'
export { runTimer } from './timer.ts'
