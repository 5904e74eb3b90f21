export {
  type Came,
  type Carrier,
  type Carriers,
  type Due,
  endLostRuns,
  failed,
  onBehalfOf,
  settleRun,
  waitingRuns,
} from './carriers.ts'
export { scheduleSubscriber } from './carry-out.ts'
export { runSchedule, sweepSchedules } from './due.ts'
export { reminderSubscriber, ringReminder, sweepReminders } from './reminders.ts'
export { pruneScheduleRuns } from './runs.ts'
export { MAX_SCHEDULES } from './schedules.ts'
export { NewSchedule, type NewTimer, NewTimers, When } from './schema.ts'
export { pauseSchedules } from './switch.ts'
export {
  AHEAD_MS,
  armAgain,
  armTimers,
  cancelTimer,
  isMomentary,
  listTimers,
  runTimer,
  type TimerHandlers,
} from './timer.ts'
export { nextTimes, whenProblem } from './when.ts'
