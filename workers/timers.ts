import { keepReminders } from '#calendar'
import { performHeld } from '#effects'
import { deliverSoon } from '#notifications'
import { wakeSuggestion } from '#proactivity'
import { ringReminder, type TimerHandlers } from '#scheduler'
import { runDue } from '#workflows'

/** What each kind of timer does when a person's Steward says that it is due. */
export const timers: TimerHandlers = {
  reminder: ringReminder,
  delivery: deliverSoon,
  effect: performHeld,
  event_reminder: keepReminders,
  suggestion: wakeSuggestion,
  trigger: runDue,
}
