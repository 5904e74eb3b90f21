import { eq, sql } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { accountReclaimed } from '#auth'
import { addServer } from '#integrations'
import { mcpServers } from '#integrations/tables'
import { makePerson, type Person } from '#test/database'
import { getMe } from '#users'
import { users } from '#users/tables'
import { CLAIMS } from './claims.ts'
import { callOffDeletion } from './erase.ts'
import { RECLAIMED, reclaimSubscriber } from './reclaim.ts'
import { erasures } from './tables.ts'

/** By the statement of whoever comes in: what lets in does not wait for an event. */
const AT_ONCE = [
  'sessions',
  'refresh_tokens',
  'credentials',
  'password_failures',
  'totp_secrets',
  'recovery_codes',
  'passkeys',
  'identities',
  'sign_in_challenges',
  'auth_codes',
  'api_keys',
  'webhook_endpoints',
  'webhook_deliveries',
]
/** Good for nothing once the session it was made in has ended. */
const OF_A_SESSION = ['oauth_grants', 'oauth_requests', 'passkey_challenges', 'sign_in_flows', 'jobs']
/** With what they are a part of. */
const PARTS = ['triggers', 'workflow_versions', 'run_steps', 'schedule_runs', 'oauth_states', 'signature_nonces']
/** Words, and what was done: it lets nobody in and goes nowhere by itself. */
const STAYS = [
  'audit_denials',
  'audit_heads',
  'audit_log',
  'batch_calls',
  'cached_answers',
  'calendar_events',
  'changed_sources',
  'commitments',
  'conversations',
  'data_exports',
  'dead_letters',
  'deliveries',
  'email_messages',
  'feature_flags',
  'idempotency_keys',
  'inbox',
  'mail_drafts',
  'memories',
  'messages',
  'notification_settings',
  'notifications',
  'outbox',
  'projects',
  'suggestion_decisions',
  'suggestion_gates',
  'suggestion_settings',
  'suggestions',
  'tasks',
  'usage_events',
]

test('of every table with anything of a person it is decided what becomes of it when its owner comes in', () => {
  const decided = [...Object.keys(RECLAIMED), ...AT_ONCE, ...OF_A_SESSION, ...PARTS, ...STAYS]
  expect(decided.toSorted()).toEqual(Object.keys(CLAIMS).toSorted())
})

/** Nothing is added to these by somebody whose session ends: they are a part of something, or checked otherwise. */
const NOT_BY_TRIGGER = [
  'sessions',
  'refresh_tokens',
  'credentials',
  'password_failures',
  'sign_in_challenges',
  'auth_codes',
  'webhook_deliveries',
  'workflow_runs',
  'effects',
  'users',
]

test('whatever opens the account or acts in it later is added by a session that lives when the row is there', async () => {
  const { db } = await makePerson()
  const { rows } = await db.execute<{ name: string }>(sql`
    select c.relname as name from pg_trigger t join pg_class c on c.oid = t.tgrelid where t.tgname = 'alive_only'`)
  const held = [...AT_ONCE, ...Object.keys(RECLAIMED)].filter((table) => !NOT_BY_TRIGGER.includes(table))
  expect(rows.map(({ name }) => name).toSorted()).toEqual(held.toSorted())
})

const reclaimed = (person: Person, until: string) => {
  const { userId } = person.actor
  const { type, room } = accountReclaimed
  return [{ id: `${userId}.2.${type}`, type, userId, room, key: userId, version: 2, data: { until }, at: until }]
}

test('what the owner adds afterwards stays, however often it is told that they came', async () => {
  const person = await makePerson()
  const theirs = eq(mcpServers.userId, person.actor.userId)
  const server = { url: 'https://mcp.example.com/', auth: { type: 'none' as const }, enabled: true }
  await addServer(person, { name: 'left', ...server })
  await person.db
    .update(mcpServers)
    .set({ createdAt: new Date('2026-01-01') })
    .where(theirs)
  await addServer(person, { name: 'own', ...server })
  for (let n = 0; n < 3; n++) await reclaimSubscriber.handle(person, reclaimed(person, '2026-01-02T00:00:00+00:00'))
  const rows = await person.db.select({ name: mcpServers.name }).from(mcpServers).where(theirs)
  expect(rows).toEqual([{ name: 'own' }])
})

test('an erasure that was asked for by then is called off, also where its day has come; what has begun goes on', async () => {
  for (const [days, state, stays] of [
    [14, 'asked', true],
    [-1, 'asked', true],
    [-1, 'begun', false],
  ] as const) {
    const person = await makePerson()
    const { userId } = person.actor
    const erasureId = person.newId('era')
    const deletionAt = new Date(person.now().getTime() + days * 86_400_000)
    await person.db.update(users).set({ deletionAt, erasureId }).where(eq(users.id, userId))
    if (state === 'begun') await person.db.insert(erasures).values({ id: erasureId, userId })
    await callOffDeletion(person, new Date(person.now().getTime() - 60_000))
    expect((await getMe(person)).deletionAt).not.toBeNull()
    await callOffDeletion(person, new Date(person.now().getTime() + 60_000))
    expect([state, (await getMe(person)).deletionAt === null]).toEqual([state, stays])
    await person.db.delete(users).where(eq(users.id, userId))
    await person.db.delete(erasures).where(eq(erasures.userId, userId))
  }
})
