import { setTimeout as wait } from 'node:timers/promises'
import { OBJECTS } from '../matrix-objects.ts'
import { makeId, type Person, type World } from '../world.ts'
import { clock, need } from './lib-kinds.ts'

const LOOK_AGAIN_MS = 50
const WITHIN_MS = 30_000

/** Has a person erased as they would ask for it, with the grace behind them; answers whether the receipt came. */
export async function erasePerson(world: World, person: Person): Promise<boolean> {
  const receiptId = await askForErasure(world, person)
  await world.scheduled()
  return (await receiptOf(world, receiptId)) !== undefined
}

/** Schedules it, and lets the grace be over. */
export async function askForErasure(world: World, person: Person): Promise<string> {
  const answer = await person.api('DELETE', '/v1/me')
  if (answer.status !== 202) throw new Error(`erasure is answered ${answer.status}: ${answer.text}`)
  await world.query("update users set deletion_at = now() - interval '1 second' where id = $1", [person.userId])
  return String(JSON.parse(answer.text).receiptId)
}

/** The receipt as soon as there is one. */
export async function receiptOf(world: World, id: string, withinMs = WITHIN_MS): Promise<string | undefined> {
  for (const deadline = performance.now() + withinMs; performance.now() < deadline; await wait(LOOK_AGAIN_MS)) {
    const { status, text } = await world.call('GET', `/v1/erasure-receipts/${id}`)
    if (status === 200) return String(JSON.parse(text).receipt)
  }
  return undefined
}

/** Puts something of this person's, with `mark` in its text, in every place that keeps anything. */
export async function fillPlaces(world: World, person: Person, mark: string): Promise<void> {
  const body = { displayName: mark, preferences: { locale: 'de-DE', quietHours: { from: '22:00', to: '07:00' } } }
  await need(person, 'PATCH', '/v1/me', body)
  for (const [path, kind] of Object.entries(OBJECTS))
    if (path !== '/v1/erasure-receipts') await kind.make(world, person, mark)
  const project = await need(person, 'POST', '/v1/projects', { name: mark, colour: '#3366cc' })
  const due = { due: clock(600), remindAt: clock(500), labels: ['a', 'b'], priority: 'high' }
  const parent = await need(person, 'POST', '/v1/tasks', { title: mark, projectId: project.id, notes: mark, ...due })
  await need(person, 'POST', '/v1/tasks', { title: mark, parentId: parent.id })
  const habit = await need(person, 'POST', '/v1/tasks', { title: mark, due: clock(60), recurrence: 'FREQ=DAILY' })
  await need(person, 'POST', `/v1/tasks/${habit.id}/complete`)
  const binned = await need(person, 'POST', '/v1/tasks', { title: mark })
  await need(person, 'DELETE', `/v1/tasks/${binned.id}`)
  await person.api('POST', '/v1/memories', { body: { text: mark }, headers: { 'idempotency-key': mark } })
  const { userId } = person
  const query = (sql: string) => world.query(sql, [userId, makeId('row'), mark])
  await query(`insert into embeddings (key, user_id, kind, id, space, meta) values ($2, $1, 'memory', $3, 's', '{}')`)
  await query(`insert into cached_answers (id, user_id, key, frame, text, answer, sources, expires_at)
    values ($2, $1, $3, 'f', $3, '{}', '{}', now() + interval '1 day')`)
  await query(`insert into batch_calls (id, user_id, kind, feature, call, decision, provider, model, state, deadline_at, due_at, poll_at)
    values ($2, $1, 'k', 'f', json_build_object('said', $3::text), '{}', 'p', 'm', 'answered', now(), now(), now())`)
  await query(`insert into changed_sources (user_id, source) values ($1, $3 || $2)`)
  await query(`insert into oauth_states (server_id, hash, user_id, server_version, sealed, expires_at)
    select id, $2, $1, 1, $3, now() + interval '1 hour' from mcp_servers where user_id = $1 limit 1`)
  await query(`insert into dead_letters (id, queue, message_id, outbox_id, body)
    select $2, 'q', $3, id, '{}' from outbox where user_id = $1 limit 1`)
}
