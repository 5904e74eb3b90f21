import { globSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { DEFINITION } from '../matrix-objects.ts'
import { makeId, type Person, type World } from '../world.ts'

const ANSWER_WITHIN_MS = 20_000
const ROOT = resolve(import.meta.dirname, '../..')

/** The kinds of event the source declares: whoever declares one more must make it happen here. */
export function declaredKinds(): string[] {
  const files = globSync('src/**/*.ts', { cwd: ROOT }).filter((path) => !path.endsWith('.test.ts'))
  const texts = files.map((path) => readFileSync(join(ROOT, path), 'utf8'))
  return texts.flatMap((text) => [...text.matchAll(/defineEvent\(\s*'([\w.]+)'/g)].map(([, kind]) => kind ?? '')).sort()
}

/** Messages as the relay and the senders put them into the queue. */
export const envelope = (outboxId: unknown) => ({ v: 1, kind: 'event', outboxId })

export type Made = { id: string; version: number; output: { id: string } }

/** Asks, and throws where it is refused. */
export async function need(person: Person, method: string, path: string, body?: unknown): Promise<Made> {
  const signal = AbortSignal.timeout(ANSWER_WITHIN_MS)
  const headers = method === 'PATCH' && { headers: { 'if-match': '*' } }
  const answer = await person.api(method, path, { body, signal, ...headers })
  if (answer.status >= 300) throw new Error(`${method} ${path} answered ${answer.status}: ${answer.text}`)
  return answer.text === '' ? { id: '', version: 0, output: { id: '' } } : JSON.parse(answer.text)
}

/** A wall clock so many minutes from now, in UTC. */
export function clock(minutes: number): { date: string; time: string; timeZone: string } {
  const [date = '', time = ''] = new Date(Date.now() + minutes * 60_000).toISOString().split('T')
  return { date, time: time.slice(0, 5), timeZone: 'UTC' }
}

// A little later than so many minutes from now: what reminds so long before is yet to come when it is written.
function soonAfter(minutes: number): { date: string; time: string; timeZone: string } {
  const [date = '', time = ''] = new Date(Date.now() + minutes * 60_000 + 2000).toISOString().split('T')
  return { date, time: time.slice(0, 8), timeZone: 'UTC' }
}

/** Everything that can happen to tasks, projects, memories and the person; three reminders ring as soon as they are heard of. */
export async function live(person: Person): Promise<void> {
  const project = await need(person, 'POST', '/v1/projects', { name: 'garden' })
  const other = await need(person, 'POST', '/v1/projects', { name: 'attic' })
  await need(person, 'PATCH', `/v1/projects/${project.id}`, { name: 'the garden' })
  await need(person, 'DELETE', `/v1/projects/${other.id}`)
  const later = { projectId: project.id, remindAt: clock(3 * 24 * 60) }
  const task = await need(person, 'POST', '/v1/tasks', { title: 'prune the roses', ...later })
  await need(person, 'PATCH', `/v1/tasks/${task.id}`, { title: 'prune all roses', remindAt: clock(4 * 24 * 60) })
  const done = await need(person, 'POST', '/v1/tasks', { title: 'buy gloves', ...later })
  await need(person, 'POST', `/v1/tasks/${done.id}/complete`)
  const again = await need(person, 'POST', '/v1/tasks', { title: 'sharpen the shears', ...later })
  await need(person, 'POST', `/v1/tasks/${again.id}/complete`)
  await need(person, 'POST', `/v1/tasks/${again.id}/reopen`)
  const daily = { due: clock(60), recurrence: 'FREQ=DAILY', remindAt: clock(30) }
  const habit = await need(person, 'POST', '/v1/tasks', { title: 'water the seeds', ...daily })
  await need(person, 'POST', `/v1/tasks/${habit.id}/complete`)
  const binned = await need(person, 'POST', '/v1/tasks', { title: 'burn the leaves', ...later })
  await need(person, 'DELETE', `/v1/tasks/${binned.id}`)
  const saved = await need(person, 'POST', '/v1/tasks', { title: 'rake the leaves', ...later })
  await need(person, 'DELETE', `/v1/tasks/${saved.id}`)
  await need(person, 'POST', `/v1/tasks/${saved.id}/restore`)
  const memory = await need(person, 'POST', '/v1/memories', { text: 'the shed key is under the pot' })
  await need(person, 'PATCH', `/v1/memories/${memory.id}`, { text: 'the shed key is on the hook' })
  await need(person, 'DELETE', `/v1/memories/${memory.id}`)
  const visit = await need(person, 'POST', '/v1/calendar/events', { title: 'visit', start: clock(60), reminders: [20] })
  await need(person, 'PATCH', `/v1/calendar/events/${visit.id}`, { title: 'visit the nursery', start: clock(90) })
  const market = { title: 'plant market', start: clock(3 * 24 * 60), recurrence: 'FREQ=WEEKLY', reminders: [0, 60] }
  const fair = await need(person, 'POST', '/v1/calendar/events', market)
  await need(person, 'DELETE', `/v1/calendar/events/${fair.id}`)
  await need(person, 'POST', `/v1/calendar/events/${fair.id}/restore`)
  await need(person, 'POST', '/v1/calendar/events', { title: 'compost', start: soonAfter(20), reminders: [20] })
  await schedule(person)
  const workflow = await need(person, 'POST', '/v1/workflows', { name: 'plan the week', definition: DEFINITION })
  await need(person, 'PATCH', `/v1/workflows/${workflow.id}`, { name: 'plan the weekend' })
  await need(person, 'POST', `/v1/workflows/${workflow.id}/run`, {})
  await need(person, 'DELETE', `/v1/workflows/${workflow.id}`)
  const talk = await need(person, 'POST', '/v1/conversations', {})
  await need(person, 'POST', `/v1/conversations/${talk.id}/messages`, { text: "I'll send Ana the seeds on Friday" })
  await need(person, 'PATCH', '/v1/me', { displayName: 'Gardener' })
  const letter = { to: ['ana@example.com'], subject: 'Seeds', text: 'Soon' }
  const draft = await need(person, 'POST', '/v1/effects', { kind: 'draft_mail', input: letter })
  await need(person, 'POST', '/v1/effects', { kind: 'discard_mail', input: { id: draft.output.id } })
  await need(person, 'POST', '/v1/effects', { kind: 'keep_mail', input: { id: draft.output.id } })
  for (const title of ['open the greenhouse', 'feed the cat']) {
    await need(person, 'POST', '/v1/tasks', { title, remindAt: clock(-1) })
  }
}

async function schedule(person: Person): Promise<void> {
  const at = { ...clock(24 * 60), date: '2100-01-01' }
  const daily = { name: 'water', when: { kind: 'cron', cron: '0 7 * * *' }, action: { kind: 'notify', title: 'water' } }
  const kept = await need(person, 'POST', '/v1/schedules', daily)
  await need(person, 'PATCH', `/v1/schedules/${kept.id}`, { when: { kind: 'at', at } })
  await need(person, 'POST', `/v1/schedules/${kept.id}/run`)
  const effect = { kind: 'effect', do: 'create_task', input: { title: 'water the seeds' } }
  const ask = { kind: 'ask_assistant', text: 'What is due today?' }
  for (const action of [effect, ask]) {
    const { id } = await need(person, 'POST', '/v1/schedules', { ...daily, action })
    await need(person, 'POST', `/v1/schedules/${id}/run`)
  }
  const gone = await need(person, 'POST', '/v1/schedules', daily)
  await need(person, 'POST', `/v1/schedules/${gone.id}/pause`)
  await need(person, 'POST', `/v1/schedules/${gone.id}/resume`)
  await need(person, 'DELETE', `/v1/schedules/${gone.id}`)
}

// Nobody offers anything by a route: it is written as the verb writes it, and told of.
async function offer(
  { world, person }: { world: Pick<World, 'query'>; person: Person },
  withheld: boolean,
): Promise<string> {
  const [id, type] = [makeId('sug'), withheld ? 'withheld' : 'created']
  const why = { trigger: 'a proof', facts: [], score: {}, rule: null, model: null, costMicros: 0, decisionId: null }
  await world.query(
    `insert into suggestions (id, user_id, key, kind, title, body, actions, alternatives, why, source, confidence, rank,
        priority, tainted, status, reason, fingerprint, moment, wake_at, expires_at, proposed_at)
      values ($1, $2, $1, 'overdue_triage', 'Move three tasks', '', '[]', '[]', $4::jsonb, '{"kind":"run","runId":"run_1"}',
        0.5, 0.5, 'routine', false, $3, case when $3 = 'withheld' then 'quiet_hours' end, $1, 'morning/weekday',
        case when $3 = 'withheld' then now() + interval '1 hour' end, now() + interval '1 day',
        case when $3 = 'proposed' then now() end)`,
    [id, person.userId, withheld ? 'withheld' : 'proposed', JSON.stringify(why)],
  )
  await world.query(
    `insert into outbox (id, type, user_id, room, key, version, data)
      select id || '.1.suggestion.' || $2, 'suggestion.' || $2, user_id, case when $2 = 'created' then 'suggestions' end,
        id, 1, json_build_object('id', id, 'status', status, 'wakeAt', wake_at, 'expiresAt', expires_at, 'version', 1)
      from suggestions where id = $1`,
    [id, type],
  )
  return id
}

/** What can happen to suggestions: one is decided, one put off, one is offered, one still waits to be said. */
export async function suggest(world: Pick<World, 'query'>, person: Person): Promise<void> {
  const decided = await offer({ world, person }, false)
  await need(person, 'POST', `/v1/suggestions/${decided}/seen`)
  await need(person, 'POST', `/v1/suggestions/${decided}/approve`, {})
  const later = await offer({ world, person }, false)
  await need(person, 'POST', `/v1/suggestions/${later}/snooze`, { minutes: 600 })
  await offer({ world, person }, false)
  await offer({ world, person }, true)
  const unwanted = await offer({ world, person }, false)
  await need(person, 'POST', `/v1/suggestions/${unwanted}/dismiss`, {})
}

/** What can happen to notifications that are there. */
export async function readAll(world: Pick<World, 'query'>, person: Person, ids: string[]): Promise<void> {
  const [first = '', second = ''] = ids
  const actions = [{ id: 'approve', label: 'Do it', method: 'approve', target: '/v1/tasks' }]
  await world.query('update notifications set actions = $1 where id = $2', [JSON.stringify(actions), first])
  await need(person, 'POST', `/v1/notifications/${second}/seen`)
  await need(person, 'POST', `/v1/notifications/${first}/actions/approve`)
  await need(person, 'POST', `/v1/notifications/${first}/read`)
  await need(person, 'POST', '/v1/notifications/read-all')
  await need(person, 'DELETE', `/v1/notifications/${second}`)
}

/** A second session of this person's, behind the API. */
export async function secondSession(world: World, person: Person): Promise<{ id: string; token: string }> {
  const id = makeId('ses')
  await world.query(
    `insert into sessions (id, user_id, device_name, user_agent, address, expires_at)
      values ($1, $2, 'second', 'second', '192.0.2.3', now() + interval '1 day')`,
    [id, person.userId],
  )
  return { id, token: await world.token(person.userId, id) }
}
