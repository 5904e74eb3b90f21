import { keepReminders } from '#calendar'
import { performHeld } from '#effects'
import { deliverSoon } from '#notifications'
import { wakeSuggestion } from '#proactivity'
import { ringReminder, runSchedule, type TimerHandlers } from '#scheduler'
import { runDue } from '#workflows'

/** What each kind of timer does when a person's Steward says that it is due. */
export const timers: TimerHandlers = {
  reminder: ringReminder,
  event_reminder: keepReminders,
  schedule: runSchedule,
  delivery: deliverSoon,
  suggestion: wakeSuggestion,
  effect: performHeld,
  trigger: runDue,
}
