import { randomBytes } from 'node:crypto'
import { makeExport, makeIdentity, makePasskey, makeReceipt, makeSigningKey, need } from './matrix-identity.ts'
import { COMMITMENT, SUGGESTION } from './matrix-suggestions.ts'
import { makeId, type Person, type World } from './world.ts'

type Step = (world: World, person: Person, id: string) => Promise<void>

/** How one kind of object comes to be and goes, so that every path that names one can be tried with a real one. */
export type ObjectKind = {
  /** Of its ids. */
  prefix: string
  /** A new one of this person's, with `mark` somewhere in its text where it has any. */
  make(world: World, person: Person, mark: string): Promise<string>
  /** Deletes it as its owner would; without one the kind cannot be deleted alone. */
  discard?(world: World, person: Person, id: string): Promise<void>
  /** What an operation needs the object to have been through before its owner may call it. */
  before?: Record<string, Step>
  /** Operations that are there for deleted objects. */
  forDeleted?: string[]
}

const creator = (path: string, bodyOf: (mark: string) => object) => async (_: World, person: Person, mark: string) =>
  String((await need(person, 'POST', path, bodyOf(mark))).id)
const remover =
  (path: string): Step =>
  async (_, person, id) => {
    await need(person, 'DELETE', `${path}/${id}`)
  }

async function makeSession(world: World, person: Person): Promise<string> {
  const id = makeId('ses')
  await world.query(
    `insert into sessions (id, user_id, device_name, user_agent, address, expires_at)
      values ($1, $2, 'other', 'other', '192.0.2.2', now() + interval '1 day')`,
    [id, person.userId],
  )
  return id
}

async function makeGrant(world: World, person: Person, mark: string): Promise<string> {
  const [id, clientId, sessionId] = [makeId('grt'), makeId('cli'), await makeSession(world, person)]
  await world.query('insert into oauth_clients (id, name, redirect_uris) values ($1, $2, $3)', [
    clientId,
    mark,
    '{https://app.example/callback}',
  ])
  await world.query(
    `insert into oauth_grants (id, user_id, session_id, client_id, scopes, resource, redirect_uri, challenge,
        code_hash, code_expires_at, code_used_at)
      values ($1, $2, $3, $4, '{tasks:read}', 'https://aurelius.test', 'https://app.example/callback', 'x', $1, now(), now())`,
    [id, person.userId, sessionId, clientId],
  )
  return id
}

async function makeNotification(world: World, person: Person, mark: string): Promise<string> {
  const id = makeId('ntf')
  const actions = [{ id: 'approve', label: 'Do it', method: 'approve', target: '/v1/tasks' }]
  await world.query(
    `insert into notifications (id, user_id, kind, title, dedupe_key, actions) values ($1, $2, 'reminder', $3, $1, $4)`,
    [id, person.userId, mark, JSON.stringify(actions)],
  )
  return id
}

// As the port holds one: taking it back is that it is never done.
export async function makeEffect(world: World, person: Person, mark: string): Promise<string> {
  const id = makeId('eff')
  await world.query(
    `insert into effects (id, user_id, key, kind, input, says, changes, status, outward, tainted, agreed, origin, held_until)
      values ($1, $2, $1, 'create_task', $4, $3, '[]', 'held', false, false, false, 'api', now() + interval '1 day')`,
    [id, person.userId, mark, JSON.stringify({ title: mark })],
  )
  return id
}

async function makeDraft(_: World, person: Person, mark: string): Promise<string> {
  const input = { to: ['ada@example.com'], subject: 'x', text: mark }
  const { output } = await need(person, 'POST', '/v1/effects', { kind: 'draft_mail', input })
  return String(output.id)
}
const discardDraft: Step = async (_, person, id) => {
  await need(person, 'POST', '/v1/effects', { kind: 'discard_mail', input: { id } })
}

// One that asks something and waits.
async function makeRun(world: World, person: Person, mark: string): Promise<string> {
  const workflow = await need(person, 'POST', '/v1/workflows', { name: mark, definition: DEFINITION })
  const id = makeId('run')
  await world.query(
    `insert into workflow_runs (id, user_id, workflow_id, definition_version, trigger_kind, cause, priority, status, deadline_at)
      values ($1, $2, $3, 1, 'manual', $1, 'routine', 'waiting', now() + interval '1 day')`,
    [id, person.userId, workflow.id],
  )
  const question = { step: 'ask', question: mark, choices: [], expiresAt: '2999-01-01T00:00:00.000Z' }
  await world.query(
    `insert into run_steps (id, run_id, step, user_id, kind, status, says, output)
      values ($1 || '.ask:ask', $1, 'ask:ask', $2, 'question', 'waiting', $3, $4::jsonb)`,
    [id, person.userId, mark, JSON.stringify(question)],
  )
  return id
}

const failRun: Step = async (world, _, id) => {
  await world.query("update workflow_runs set status = 'failed', ended_at = now() where id = $1", [id])
}

const conversation = creator('/v1/conversations', (mark) => ({ title: mark }))

async function makeTurn(world: World, person: Person, mark: string): Promise<string> {
  const id = await conversation(world, person, mark)
  const turn = await need(person, 'POST', `/v1/conversations/${id}/messages`, { text: mark })
  return String(turn.turnId)
}

// The decision behind the first thing said in a conversation of its own.
async function makeDecision(world: World, person: Person, mark: string): Promise<string> {
  const id = await conversation(world, person, mark)
  await need(person, 'POST', `/v1/conversations/${id}/messages`, { text: mark })
  await need(person, 'GET', '/v1/ai/usage')
  const [row] = await world.query('select call_id from usage_events where conversation_id = $1 limit 1', [id])
  return String(row?.call_id)
}

// It hears of little: cron would be busy for long with what never arrives.
const createWebhook = creator('/v1/webhooks', (mark) => ({
  url: 'https://hooks.aurelius.invalid/',
  description: mark,
  events: ['project.deleted'],
}))

// A person has at most twenty, and a matrix asks for one more for each of its routes: the oldest make room. Where rows
// are counted without asking whose they are, those of others do.
async function webhook(world: World, person: Person, mark: string): Promise<string> {
  const others = "user_id <> $1 and created_at < now() - interval '1 second'"
  const oldest = 'id in (select id from webhook_endpoints where user_id = $1 order by id desc offset 11)'
  await world.query(`delete from webhook_endpoints where ${oldest}`, [person.userId])
  return await createWebhook(world, person, mark).catch(async () => {
    await world.query(`delete from webhook_endpoints where ${others}`, [person.userId])
    return await createWebhook(world, person, mark)
  })
}

async function makeDelivery(world: World, person: Person, mark: string): Promise<string> {
  const hook = await webhook(world, person, mark)
  return String((await need(person, 'POST', `/v1/webhooks/${hook}/test`)).id)
}

/** A workflow that can be run, and is only when somebody outside or its person asks for it. */
export const DEFINITION = {
  triggers: [{ kind: 'webhook' }],
  priority: 'routine',
  gather: [],
  analysis: null,
  suggestion: null,
  actions: [{ id: 'plan', do: 'create_task', input: { title: 'plan' } }],
}

const workflow = creator('/v1/workflows', (mark) => ({ name: mark, definition: DEFINITION }))

const switchOff: Step = async (_, person, id) => {
  await need(person, 'POST', `/v1/workflows/${id}/disable`)
}

async function makeHook(world: World, person: Person, mark: string): Promise<string> {
  const whole = await need(person, 'GET', `/v1/workflows/${await workflow(world, person, mark)}`)
  return String(whole.triggers[0].id)
}

const pause: Step = async (_, person, id) => {
  await need(person, 'POST', `/v1/schedules/${id}/pause`)
}

const deleteTask = remover('/v1/tasks')
const tomorrow = () => new Date(Date.now() + 86_400_000).toISOString().slice(0, 10)
const deleteEvent = remover('/v1/calendar/events')
const completeTask: Step = async (_, person, id) => {
  await need(person, 'POST', `/v1/tasks/${id}/complete`)
}

/** By the path before the id. A path that bears an id and is not here is a hole in the matrices, and reported as one. */
export const OBJECTS: Record<string, ObjectKind> = {
  '/v1/auth/sessions': { prefix: 'ses', make: makeSession, discard: remover('/v1/auth/sessions') },
  '/v1/auth/passkeys': { prefix: 'psk', make: makePasskey, discard: remover('/v1/auth/passkeys') },
  '/v1/api-keys': {
    prefix: 'key',
    make: creator('/v1/api-keys', (mark) => ({ name: mark, scopes: ['tasks:read'] })),
    discard: remover('/v1/api-keys'),
  },
  '/v1/auth/identities': { prefix: 'idt', make: makeIdentity, discard: remover('/v1/auth/identities') },
  '/v1/signing-keys': { prefix: 'sgk', make: makeSigningKey, discard: remover('/v1/signing-keys') },
  '/v1/tasks': {
    prefix: 'task',
    make: creator('/v1/tasks', (mark) => ({ title: mark })),
    discard: deleteTask,
    before: { restoreTask: deleteTask, reopenTask: completeTask },
    forDeleted: ['restoreTask'],
  },
  '/v1/calendar/events': {
    prefix: 'cal',
    make: creator('/v1/calendar/events', (mark) => ({ title: mark, start: { date: tomorrow() } })),
    discard: deleteEvent,
    before: { restoreEvent: deleteEvent },
    forDeleted: ['restoreEvent'],
  },
  '/v1/projects': {
    prefix: 'prj',
    make: creator('/v1/projects', (mark) => ({ name: mark })),
    discard: remover('/v1/projects'),
  },
  '/v1/conversations': { prefix: 'cnv', make: conversation, discard: remover('/v1/conversations') },
  '/v1/turns': { prefix: 'turn', make: makeTurn },
  '/v1/ai/decisions': { prefix: 'aic', make: makeDecision },
  '/v1/memories': {
    prefix: 'mem',
    make: creator('/v1/memories', (mark) => ({ text: mark })),
    discard: remover('/v1/memories'),
  },
  '/v1/mcp/servers': {
    prefix: 'mcp',
    make: creator('/v1/mcp/servers', (mark) => ({
      name: 'forecast',
      url: `https://mcp.aurelius.invalid/${encodeURIComponent(mark)}`,
    })),
    discard: remover('/v1/mcp/servers'),
  },
  '/v1/webhooks': { prefix: 'whk', make: webhook, discard: remover('/v1/webhooks') },
  '/v1/runs': { prefix: 'run', make: makeRun, before: { retryRun: failRun } },
  '/v1/workflows': {
    prefix: 'wfl',
    make: workflow,
    discard: remover('/v1/workflows'),
    before: { enableWorkflow: switchOff, resumeWorkflow: switchOff },
  },
  '/v1/hooks': { prefix: 'trg', make: makeHook },
  '/v1/webhook-deliveries': { prefix: 'whd', make: makeDelivery },
  '/v1/oauth/grants': { prefix: 'grt', make: makeGrant, discard: remover('/v1/oauth/grants') },
  '/v1/me/exports': { prefix: 'exp', make: makeExport },
  '/v1/erasure-receipts': { prefix: 'era', make: makeReceipt },
  '/v1/schedules': {
    prefix: 'sch',
    make: creator('/v1/schedules', (mark) => ({
      name: mark,
      when: { kind: 'cron', cron: '0 8 * * *' },
      action: { kind: 'notify', title: mark },
    })),
    discard: remover('/v1/schedules'),
    before: { resumeSchedule: pause },
  },
  '/v1/devices': {
    prefix: 'dev',
    make: creator('/v1/devices', (mark) => ({ kind: 'fcm', name: mark, token: randomBytes(20).toString('hex') })),
    discard: remover('/v1/devices'),
  },
  '/v1/effects': { prefix: 'eff', make: makeEffect },
  '/v1/mail/drafts': { prefix: 'mdr', make: makeDraft, discard: discardDraft },
  '/v1/suggestions': SUGGESTION,
  '/v1/commitments': COMMITMENT,
  '/v1/notifications': { prefix: 'ntf', make: makeNotification, discard: remover('/v1/notifications') },
}

/** The kind of object a path with one id is about. */
export function kindOf(path: string): ObjectKind | undefined {
  return OBJECTS[path.slice(0, path.indexOf('/{'))]
}

export function kindByPrefix(prefix: string): ObjectKind | undefined {
  return Object.values(OBJECTS).find((kind) => kind.prefix === prefix)
}
