import type { Ctx } from '#core'
import { ringReminder } from './reminders.ts'
import { TimerPayload } from './schema.ts'

/** Does what a due timer is for, by the kind of its payload. Throws: the timer is tried again. */
export async function runTimer(ctx: Ctx, timer: { payload: unknown }): Promise<void> {
  const payload = TimerPayload.parse(timer.payload)
  switch (payload.kind) {
    case 'reminder':
      await ringReminder(ctx, payload)
  }
}
