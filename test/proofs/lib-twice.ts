import type { Sabotage } from '../world.ts'

// Nothing reaches the queue by itself: every delivery is one of ours.
export const NO_KICK: Sabotage = {
  file: 'src/queue/outbox.ts',
  find: 'if (messages.length + jobs.length === 0) return',
  replace: 'if (messages.length + jobs.length >= 0) return',
}
export const NO_INBOX: Sabotage = {
  file: 'src/queue/consume.ts',
  find: ' && !done.has(subscriber.name)',
  replace: '',
}
export const NO_KNOWN_IDS: Sabotage[] = [
  { file: 'src/realtime/log.ts', find: 'if (known) return', replace: 'if (known && !id) return' },
  { file: 'src/realtime/log.ts', find: 'id text not null unique', replace: 'id text not null' },
]
export const NAMELESS_TIMERS: Sabotage = {
  file: 'src/scheduler/reminders.ts',
  find: 'return { name: nameOf(task.id)',
  replace: 'return { name: nameOf(task.id) + crypto.randomUUID()',
}
export const UNCLAIMED_MAIL: Sabotage[] = [
  { file: 'src/email/deliver.ts', find: "status} = 'queued' or", replace: "status} <> '' or" },
  { file: 'src/email/deliver.ts', find: 'content: null, error: null }', replace: 'error: null }' },
]
export const UNCLAIMED_PUSH: Sabotage[] = [
  { file: 'src/notifications/claim.ts', find: "} = 'waiting' and", replace: "} in ('waiting', 'sent') and" },
  { file: 'src/notifications/claim.ts', find: '} is null or', replace: '} is null or true or' },
]
// What ran is claimed again; beside it mail that forgets its own row, or nobody would see it there.
export const UNCLAIMED_JOBS: Sabotage[] = [
  {
    file: 'src/queue/run-jobs.ts',
    find: "sql`status = 'waiting' and available_at <= now()`",
    replace: "sql`status <> 'dead'`",
  },
  {
    file: 'src/queue/run-jobs.ts',
    find: "w.status = 'waiting' and w.available_at <= now() and (select",
    replace: '(select',
  },
]
export const OUTLIVING: Sabotage = {
  file: 'src/account/claims.ts',
  find: "  outbox: { owner: 'user_id', loose: true },\n",
  replace: '',
}
