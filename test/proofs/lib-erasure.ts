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
  const answer = await (await signedInAgain(world, person)).api('DELETE', '/v1/me')
  if (answer.status !== 202) throw new Error(`erasure is answered ${answer.status}: ${answer.text}`)
  await world.query("update users set deletion_at = now() - interval '1 second' where id = $1", [person.userId])
  return String(JSON.parse(answer.text).receiptId)
}

/** The person, signed in this moment: what asks for a fresh sign-in is asked for however long a run has taken. */
export async function signedInAgain(world: World, person: Person): Promise<Person> {
  const accessToken = await world.token(person.userId, person.sessionId)
  return {
    ...person,
    accessToken,
    api: (method, path, more) => world.call(method, path, { ...more, token: accessToken }),
  }
}

/** The receipt as soon as there is one. */
export async function receiptOf(world: World, id: string, withinMs = WITHIN_MS): Promise<string | undefined> {
  for (const deadline = performance.now() + withinMs; performance.now() < deadline; await wait(LOOK_AGAIN_MS)) {
    // Not asked of the route, which may have answered enough to this address for now.
    const [row] = await world.query('select receipt from erasure_receipts where id = $1', [id])
    if (row) return String(row.receipt)
  }
  return undefined
}

/** Puts something of this person's, with `mark` in its text, in every place that keeps anything. */
export async function fillPlaces(world: World, person: Person, mark: string): Promise<void> {
  const body = { displayName: mark, preferences: { locale: 'de-DE', quietHours: { from: '22:00', to: '07:00' } } }
  await need(person, 'PATCH', '/v1/me', body)
  // An app is nobody's: its name stays.
  for (const [path, kind] of Object.entries(OBJECTS))
    if (path !== '/v1/erasure-receipts') await kind.make(world, person, path === '/v1/oauth/grants' ? 'an app' : mark)
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
  await fillWaysIn(world, person, mark)
  await query(`insert into webhook_deliveries (id, user_id, endpoint_id, event_id, type, body)
    select $2, $1, id, $2, 'task.created', $3 from webhook_endpoints where user_id = $1 limit 1`)
  await need(person, 'PATCH', '/v1/notifications/settings', { dailyAt: '07:30' })
  await query(`insert into deliveries (id, user_id, notification_id, channel, status, due_at, reason, created_at)
    select $2, $1, id, 'mail', 'failed', now(), $3, now() from notifications where user_id = $1 limit 1`)
  await fillProactivity(world, person, mark)
  // People are named by flags, too.
  await world.query("insert into feature_flags (name, people) values ($1, array['somebody else', $2])", [
    makeId('flg'),
    userId,
  ])
}

/** What was suggested to them, decided by them, and done for them unasked. */
async function fillProactivity(world: World, person: Person, mark: string): Promise<void> {
  const { userId } = person
  const query = (sql: string, ...more: string[]) => world.query(sql, [userId, makeId('row'), ...more])
  const rules = [{ kind: 'create_task', workflowId: null, level: 'act_and_tell' }]
  await need(person, 'PUT', '/v1/autonomy', { rules })
  await need(person, 'PATCH', '/v1/suggestions/settings', { maxADay: 5 })
  await query(`insert into suggestion_gates (user_id, kind, workflow_id, reason) values ($1, $2, '', $3)`, mark)
  const suggestion = await OBJECTS['/v1/suggestions']?.make(world, person, mark)
  await need(person, 'POST', `/v1/suggestions/${suggestion}/dismiss`, { reason: mark })
  await query(
    `insert into schedule_runs (id, user_id, schedule_id, due_at, cause, status, outcome, started_at)
      select $2, $1, id, now(), 'hand', 'done', jsonb_build_object('says', $3::text), now() from schedules
        where user_id = $1 limit 1`,
    mark,
  )
  const workflow = await OBJECTS['/v1/workflows']?.make(world, person, mark)
  await need(person, 'POST', `/v1/workflows/${workflow}/run`, {})
  const begun = 'select 1 from workflow_runs where user_id = $1 and instance_id is not null'
  for (const deadline = performance.now() + WITHIN_MS; (await world.query(begun, [userId])).length === 0; ) {
    if (performance.now() > deadline) throw new Error('a run that was asked for is not begun')
    await wait(LOOK_AGAIN_MS)
  }
  await query('insert into password_failures (user_id, failures) values ($1, length($2))')
  await query(
    `insert into audit_denials (user_id, action, reason, count, addresses, started_at, last_at)
      values ($1, 'login', $2, 2, array[$3], now(), now())`,
    mark,
  )
}

/** How they sign in, and what is under way: some of it before it is known who they are. */
async function fillWaysIn(world: World, person: Person, mark: string): Promise<void> {
  const { userId, sessionId, email } = person
  const query = (sql: string, ...more: string[]) => world.query(sql, [userId, makeId('row'), ...more])
  const later = "now() + interval '1 hour'"
  await query('insert into totp_secrets (id, user_id, secret) values ($2, $1, $3)', mark)
  await query('insert into recovery_codes (hash, user_id) values ($2, $1)')
  await query(
    `insert into sign_in_challenges (hash, user_id, method, device_name, expires_at) values ($2, $1, 'password', $3, ${later})`,
    mark,
  )
  await query(
    `insert into passkey_challenges (hash, user_id, session_id, expires_at) values ($2, $1, $3, ${later})`,
    sessionId,
  )
  await query(
    `insert into sign_in_flows (hash, stage, provider, user_id, session_id, return_to, challenge, expires_at)
      values ($2, 'begun', 'google', $1, $3, $4, 'x', ${later})`,
    sessionId,
    mark,
  )
  await query(
    `insert into oauth_requests (id, hash, client_id, user_id, session_id, scopes, resource, redirect_uri, challenge, state, expires_at)
      select $2, $2, client_id, $1, $3, scopes, resource, redirect_uri, 'x', $4, ${later} from oauth_grants where user_id = $1 limit 1`,
    sessionId,
    mark,
  )
  for (const path of ['password-reset', 'magic-link']) await need(person, 'POST', `/v1/auth/${path}`, { email })
  // Until it is known whose they are, their events are nobody's, and nobody waits for them.
  const unmade = 'select 1 from auth_codes where email = $1 and hash is null'
  for (const deadline = performance.now() + WITHIN_MS; (await world.query(unmade, [email])).length > 0; ) {
    if (performance.now() > deadline) throw new Error('a code that was asked for is not made')
    await wait(LOOK_AGAIN_MS)
  }
  // As who registers by mail leaves it, before they are a person.
  await world.query(
    `insert into auth_codes (id, kind, email, hash, expires_at) values ($1, 'register', $2, $1, ${later})`,
    [makeId('cod'), email.toUpperCase()],
  )
  await world.query(
    `insert into email_messages (id, key, kind, to_address, status) values ($1, $1, 'verify_address', $2, 'sent')`,
    [makeId('eml'), email],
  )
}
