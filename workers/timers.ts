import { performHeld } from '#effects'
import { ringReminder, type TimerHandlers } from '#scheduler'

/** What each kind of timer does when a person's Steward says that it is due. */
export const timers: TimerHandlers = {
  reminder: ringReminder,
  effect: performHeld,
}
