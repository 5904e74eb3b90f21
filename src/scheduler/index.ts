export { reminderSubscriber, ringReminder, sweepReminders } from './reminders.ts'
export { type NewTimer, NewTimers, When } from './schema.ts'
export { armTimers, cancelTimer, listTimers, runTimer, type TimerHandlers } from './timer.ts'
export { nextTimes, whenProblem } from './when.ts'
