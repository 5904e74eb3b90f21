import type { Sabotage } from './sabotage.ts'

const DUE = 'src/scheduler/due.ts'
const TRIGGERS = 'src/workflows/due.ts'
const WAKE = 'src/proactivity/wake.ts'
const EFFECTS = 'src/effects/sweep.ts'
const CALENDAR = 'src/calendar/reminders.ts'

/** What was lost of each kind of timer is not found, or something is done too often or too early. */
export const TIMER_SABOTAGES: Record<string, Sabotage[]> = {
  'nobody looks for a schedule whose timer was lost': [
    { file: DUE, find: 'new Date(nowMs + AHEAD_MS)', replace: 'new Date(nowMs - 1e12)' },
  ],
  'nobody looks for a reminder whose timer was lost': [
    { file: 'src/scheduler/reminders.ts', find: 'new Date(nowMs + AHEAD_MS)', replace: 'new Date(nowMs - 1e12)' },
  ],
  'nobody looks for a trigger whose timer was lost': [
    { file: TRIGGERS, find: 'new Date(nowMs + AHEAD_MS)', replace: 'new Date(nowMs - 1e12)' },
  ],
  'nobody looks for a suggestion whose timer was lost': [
    {
      file: WAKE,
      find: '[new Date(nowMs - SWEEP_AFTER_MS), new Date(nowMs + AHEAD_MS)]',
      replace: '[new Date(nowMs - 1e12), new Date(nowMs - 1e12)]',
    },
  ],
  'nobody looks for a held effect whose timer was lost': [
    { file: EFFECTS, find: "and(eq(e.status, 'held'), lt(e.heldUntil, lateBy))", replace: 'sql`false`' },
    { file: EFFECTS, find: 'armAgain(ctx, soon.flatMap(holdTimers))', replace: 'armAgain(ctx, [])' },
  ],
  'nobody looks for an event whose timer was lost': [
    {
      file: CALENDAR,
      find: '<= now() + interval',
      replace: '<= now() - 1e6 * interval',
    },
  ],
  'nobody looks for a delivery whose timer was lost': [
    { file: 'src/notifications/jobs.ts', find: 'await armSoon(ctx)', replace: '' },
    { file: 'src/notifications/ledger.ts', find: '.orderBy(sql`min(', replace: '.having(sql`false`).orderBy(sql`min(' },
  ],
  'nobody arms again what is soon': [
    {
      file: 'src/scheduler/timer.ts',
      find: 'const people = Map.groupBy(timers,',
      replace: 'const people = Map.groupBy(timers.slice(timers.length),',
    },
  ],
  'each who finds a trigger due sets off a run': [
    { file: TRIGGERS, find: 'const cause = `time:', replace: 'const cause = Math.random() + `time:' },
  ],
  'each who finds an event due reminds of it': [
    {
      file: CALENDAR,
      find: 'dedupeKey: `event:',
      replace: "dedupeKey: ctx.newId('ntf') ?? `event:",
    },
  ],
  'what is held goes at once': [
    { file: 'src/effects/kinds.ts', find: 'holdMs: MAIL_HELD_MS }', replace: 'holdMs: 0 }' },
  ],
  'what is debounced runs at once': [
    {
      file: 'src/workflows/react.ts',
      find: 'if (debounceSeconds === undefined) return',
      replace: 'if (debounceSeconds !== 0) return',
    },
  ],
  'a pause has no end': [
    {
      file: TRIGGERS,
      find: 'and paused_until <= ',
      replace: 'and paused_until > ',
    },
  ],
  'what was put off comes back after an hour more': [
    {
      file: 'src/proactivity/decide.ts',
      find: 'const wakeAt = new Date(wakeMs)',
      replace: 'const wakeAt = new Date(wakeMs + 3_600_000)',
    },
  ],
  'mail goes a minute after it was to go': [
    {
      file: 'src/notifications/plan.ts',
      find: 'settings.mailAfterMinutes * MINUTE_MS',
      replace: '(settings.mailAfterMinutes + 1) * MINUTE_MS',
    },
  ],
}
