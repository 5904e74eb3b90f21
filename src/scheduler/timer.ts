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

const MAX_LISTED = 100
type WaitingTimer = { name: string; dueMs: number; version: number; attempts: number }

/** What waits, soonest first. */
export function listTimers(storage: SqlStorage): WaitingTimer[] {
  return storage
    .exec<WaitingTimer>(
      `select name, due_ms as "dueMs", version, attempts from timers
       where due_ms is not null order by due_ms, name limit ?`,
      MAX_LISTED,
    )
    .toArray()
}
