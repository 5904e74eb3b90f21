import type { NewSuggestion } from '#proactivity'
import type { Gap, Ground, Job } from './lib-named-timers.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
// What policies take for an outage.
const LATE_MS = 5 * MINUTE_MS
const MAIL_HELD_MS = 20_000
const QUIET_MS = 30 * MINUTE_MS
const POLICIES = ['skip', 'once', 'all'] as const
type Policy = (typeof POLICIES)[number]
type Span = { untilMs: number; gap: Gap | null }
type Make = (ground: Ground, span: Span) => Promise<Job[]>

const iso = (ms: number) => new Date(ms).toISOString()
const wallOf = (ms: number) => {
  const [date = '', time = ''] = iso(ms).split(/[T.]/)
  return { date, time: time.slice(0, 8) }
}
/** Some time in the hour to come, to the second. */
const soon = ({ chance, startMs }: Ground) => startMs + 2 * MINUTE_MS + chance.int(60 * 60) * 1000
const soonMinute = (ground: Ground) => Math.ceil(soon(ground) / MINUTE_MS) * MINUTE_MS

/** Rows that tell when something happened, and in `due` for which time; where they do not, for the only one there is. */
const rows =
  ({ database }: Ground, query: string, params: unknown[], dueMs?: number) =>
  async () =>
    (await database.query(query, params)).map(({ at, due }) => ({
      forMs: dueMs ?? Date.parse(String(due)),
      atMs: Date.parse(String(at)),
    }))

/** One of everything that the shell has timers for, with the times at which it is to happen. */
export async function jobsOf(ground: Ground, span: Span): Promise<Job[]> {
  const jobs: Job[] = []
  for (const make of MAKES) jobs.push(...(await make(ground, span)))
  return jobs
}

const actorOf = ({ shell, userId }: Ground) => shell.actor(userId)
const ACT = { kind: 'notify', title: 'due', body: '', priority: 'low' } as const

const reminder: Make = async (ground) => {
  const dueMs = soon(ground)
  const remindAt = { ...wallOf(dueMs), timeZone: 'UTC' }
  const { id } = await ground.shell.source.tasks.createTask(actorOf(ground), { title: 'ring', remindAt })
  const query = `select created_at as at, scheduled_at as due from notifications
    where user_id = $1 and kind = 'reminder' and link->>'id' = $2`
  return [{ of: 'a reminder', dueMs: [dueMs], found: rows(ground, query, [ground.userId, id]) }]
}

/** Of what repeats: each time once, those of a gap by their policy. */
function owed(first: number, stepMs: number, policy: Policy, { untilMs, gap }: Span): number[] {
  const all: number[] = []
  for (let ms = first; ms <= untilMs; ms += stepMs) all.push(ms)
  const isIn = (ms: number) => gap !== null && ms > gap.fromMs && ms <= gap.toMs
  const missed = all.filter(isIn)
  const caught = policy === 'all' ? missed : missed.slice(-1)
  const isDone = (ms: number) => policy !== 'skip' || gap === null || gap.toMs - ms <= LATE_MS
  return [...all.filter((ms) => !isIn(ms)), ...caught.filter(isDone)]
}

const schedules: Make = async (ground, span) => {
  const jobs: Job[] = []
  for (const missed of POLICIES) {
    const [minutes, from] = [9 + ground.chance.int(9), soonMinute(ground)]
    const when = { kind: 'every', minutes, from: iso(from) } as const
    const input = { name: missed, when, missed, action: ACT }
    const { id } = await ground.shell.source.createSchedule(actorOf(ground), input)
    const query = `select r.due_at as due, n.created_at as at from schedule_runs r
      join notifications n on n.user_id = r.user_id and n.dedupe_key = 'schedule:' || r.id where r.schedule_id = $1`
    jobs.push({
      of: `a schedule, ${missed}`,
      dueMs: owed(from, minutes * MINUTE_MS, missed, span),
      found: rows(ground, query, [id]),
    })
  }
  return jobs
}

const BARE = { priority: 'routine', gather: [], analysis: null, suggestion: null }
async function workflow(ground: Ground, definition: object): Promise<string> {
  // What is set off is what counts: it does nothing.
  const actions = [{ id: 'note', do: 'create_project', input: { name: 'made' }, when: 'now.hour > 24' }]
  const input = { name: 'w', definition: { ...BARE, actions, ...definition } }
  const { NewWorkflow } = ground.shell.source.workflows
  const { id } = await ground.shell.source.createWorkflow(actorOf(ground), NewWorkflow().parse(input))
  return id
}

const timesOfRuns = `select created_at as at, substring(cause from 'time:(.*)') as due from workflow_runs where workflow_id = $1`
const runs = `select created_at as at from workflow_runs where workflow_id = $1`

const triggers: Make = async (ground, span) => {
  const jobs: Job[] = []
  for (const missed of POLICIES) {
    const [minutes, from] = [9 + ground.chance.int(9), soonMinute(ground)]
    const id = await workflow(ground, { triggers: [{ kind: 'every', minutes, from: iso(from), missed }] })
    const dueMs = owed(from, minutes * MINUTE_MS, missed, span)
    jobs.push({ of: `a trigger of every so often, ${missed}`, dueMs, found: rows(ground, timesOfRuns, [id]) })
  }
  const at = soonMinute(ground)
  const { date, time } = wallOf(at)
  const once = await workflow(ground, { triggers: [{ kind: 'at', at: { date, time: time.slice(0, 5) } }] })
  jobs.push({ of: 'a trigger of one time', dueMs: [at], found: rows(ground, timesOfRuns, [once]) })
  const [hour, minute] = wallOf(at).time.split(':').map(Number)
  const cron = await workflow(ground, { triggers: [{ kind: 'cron', cron: `${minute} ${hour} * * *` }] })
  jobs.push({ of: 'a trigger by cron', dueMs: [at], found: rows(ground, timesOfRuns, [cron]) })
  const rrule = { kind: 'rrule', start: { date, time: time.slice(0, 5) }, rrule: 'FREQ=DAILY' }
  const rule = await workflow(ground, { triggers: [rrule] })
  jobs.push({ of: 'a trigger by a rule', dueMs: [at], found: rows(ground, timesOfRuns, [rule]) })
  return jobs
}

const check: Make = async (ground) => {
  const at = soonMinute(ground)
  const trigger = { kind: 'condition', when: 'now.hour >= 0', check: [wallOf(at).time.slice(0, 5)] }
  const id = await workflow(ground, { triggers: [trigger] })
  return [{ of: 'a check of a condition', dueMs: [at], found: rows(ground, runs, [id], at) }]
}

const debounce: Make = async (ground) => {
  const waits = 60 + ground.chance.int(3000)
  const dueMs = ground.startMs + waits * 1000
  const id = await workflow(ground, { triggers: [{ kind: 'event', type: 'task.created' }], debounceSeconds: waits })
  await ground.shell.source.tasks.createTask(actorOf(ground), { title: 'happens' })
  return [{ of: 'a debounce', dueMs: [dueMs], found: rows(ground, runs, [id], dueMs) }]
}

const pause: Make = async (ground) => {
  const at = soon(ground)
  const id = await workflow(ground, { triggers: [{ kind: 'manual' }] })
  await ground.shell.source.setStatus(actorOf(ground), id, { status: 'paused', until: iso(at) })
  const query = `select created_at as at from outbox where user_id = $1 and key = $2 and type = 'workflow.updated'
    and data->>'status' = 'enabled'`
  return [{ of: 'the end of a pause', dueMs: [at], found: rows(ground, query, [ground.userId, id], at) }]
}

const event: Make = async (ground) => {
  const { shell, userId, startMs } = ground
  const at = startMs + (35 + ground.chance.int(30)) * MINUTE_MS
  const heard = await workflow(ground, { triggers: [{ kind: 'event', type: 'event.soon' }] })
  const reminders = [30, 20, 5]
  const times = { start: { ...wallOf(at), timeZone: 'UTC' }, end: { ...wallOf(at + 12 * HOUR_MS), timeZone: 'UTC' } }
  const { id } = await shell.source.createEvent(shell.actor(userId), { title: 'Review', reminders, ...times })
  const dueMs = reminders.map((minutes) => at - minutes * MINUTE_MS)
  const query = `select created_at as at, scheduled_at as due from notifications
    where user_id = $1 and kind = 'event' and link->>'id' = $2`
  const soonRuns = `select created_at as at, $2::timestamptz - ((trigger->'data'->>'minutes') || ' minutes')::interval as due
    from workflow_runs where workflow_id = $1`
  return [
    { of: 'a reminder of an event', dueMs, found: rows(ground, query, [userId, id]) },
    { of: 'an event that is soon', dueMs, found: rows(ground, soonRuns, [heard, iso(at)]) },
  ]
}

const offer = (key: string, expiresMs: number, priority: NewSuggestion['priority']): NewSuggestion => ({
  ...{ key, kind: `kind_${key}`, title: `${key} ${expiresMs}`, body: '', actions: [], alternatives: [] },
  why: { trigger: 'a proof', facts: [], score: {}, rule: null, model: null, costMicros: 0, decisionId: null },
  ...{ confidence: 0.9, priority, expiresAt: iso(expiresMs), source: { kind: 'system' }, tainted: false },
})

const TOLD = `select created_at as at from outbox where user_id = $1 and key = $2 and type = $3 and data->>'status' = $4
  and version > 1`

const suggestions: Make = async (ground) => {
  const { shell, userId, startMs } = ground
  const { propose } = shell.source.proactivity
  const ctx = actorOf(ground)
  const jobs: Job[] = []
  const tell = (of: string, id: string, dueMs: number, type: string, status: string) =>
    jobs.push({ of, dueMs: [dueMs], found: rows(ground, TOLD, [userId, id, type, status], dueMs) })
  const over = soon(ground)
  const ending = await propose(ctx, offer('ends', over, 'urgent'))
  tell('the end of a suggestion', ending.id, over, 'suggestion.updated', 'expired')
  const back = Math.max(soon(ground), startMs + QUIET_MS + MINUTE_MS)
  const put = await propose(ctx, offer('returns', startMs + 40 * HOUR_MS, 'urgent'))
  await shell.source.snoozeSuggestion(ctx, put.id, { until: iso(back) })
  tell('a suggestion that was put off', put.id, back, 'suggestion.updated', 'proposed')
  const quiet = JSON.stringify({ from: '08:00', to: wallOf(startMs + QUIET_MS).time.slice(0, 5) })
  await ground.database.query('update users set quiet_hours = $2::jsonb where id = $1', [userId, quiet])
  const night = await propose(ctx, offer('waits', startMs + 40 * HOUR_MS, 'important'))
  tell('a suggestion of quiet hours', night.id, startMs + QUIET_MS, 'suggestion.created', 'proposed')
  return jobs
}

const held: Make = async (ground) => {
  const { shell, userId, startMs } = ground
  const input = { to: ['ada@example.com'], subject: 'Friday', text: 'At nine?' }
  const effect = {
    kind: 'send_mail',
    input,
    key: 'held',
    origin: { kind: 'api' },
    tainted: false,
    isAgreed: true,
  } as const
  await shell.source.effects.realEffects(actorOf(ground)).perform(effect)
  const query = `select created_at as at from email_messages where user_id = $1 and kind = 'letter'`
  const dueMs = startMs + MAIL_HELD_MS
  return [{ of: 'a mail that is held', dueMs: [dueMs], found: rows(ground, query, [userId], dueMs) }]
}

const WAYS = {
  default: { push: 'never', mail: 'never', timing: 'instant' },
  rules: [
    { kind: 'security', push: 'never', mail: 'always', timing: 'instant' },
    { kind: 'budget', push: 'never', mail: 'always', timing: 'hourly' },
  ],
  ...{ urgentBreaksQuiet: true, mailAfterMinutes: 12 },
}

const deliveries: Make = async (ground) => {
  const { shell, database, userId, startMs } = ground
  await database.query('insert into notification_settings (user_id, settings) values ($1, $2::jsonb)', [
    userId,
    JSON.stringify(WAYS),
  ])
  const jobs: Job[] = []
  const [quietMs, hourMs] = [startMs + QUIET_MS, Math.ceil((startMs + 1) / HOUR_MS) * HOUR_MS]
  for (const [of, kind, priority, dueMs] of [
    ['a mail after nobody looked', 'security', 'urgent', startMs + 12 * MINUTE_MS],
    ['a mail after quiet hours', 'security', 'high', quietMs + 12 * MINUTE_MS],
    ['a digest', 'budget', 'low', hourMs],
  ] as const) {
    const note = { kind, title: of, body: '', priority, dedupeKey: of } as const
    await shell.source.notifications.notify(actorOf(ground), note)
    const query = `select d.ended_at as at from deliveries d join notifications n on n.id = d.notification_id
      where n.user_id = $1 and n.dedupe_key = $2 and d.channel <> 'socket' and d.status = 'sent'`
    jobs.push({ of, dueMs: [dueMs], found: rows(ground, query, [userId, of], dueMs) })
  }
  return jobs
}

const MAKES: Make[] = [reminder, schedules, triggers, check, debounce, pause, event, suggestions, held, deliveries]
