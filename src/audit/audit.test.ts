import { readFileSync } from 'node:fs'
import { eq, sql } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { credentials } from '#auth/tables'
import { AppError } from '#core'
import { acting, connect } from '#database'
import { createTask, updateTask } from '#tasks'
import { brokenAt, linesOf as chainOf, headOf as headIn } from '#test/audit-chain'
import { makePerson, type Person, testCtx } from '#test/database'
import { setPreferences } from '#users'
import { users } from '#users/tables'
import { listAudit, verifyAudit } from './audit.ts'
import { noteDenial, tellDenials } from './denials.ts'

// Of these a person has nothing, or what is in them is told elsewhere: a cache, the ledger, what waits to be sent.
const NOT_AUDITED = [
  'audit_denials',
  'audit_heads',
  'audit_log',
  'audit_tombstones',
  'batch_calls',
  'cached_answers',
  'changed_sources',
  'deliveries',
  'email_messages',
  'embeddings',
  'erasure_receipts',
  'erasures',
  'idempotency_keys',
  'inbox',
  'job_attempts',
  'job_queues',
  'job_runs',
  'jobs',
  'oauth_clients',
  'oauth_requests',
  'oauth_states',
  'outbox',
  'passkey_challenges',
  'password_failures',
  'refresh_tokens',
  'run_steps',
  'schedule_runs',
  'sign_in_challenges',
  'sign_in_flows',
  'signature_nonces',
  'suggestion_decisions',
  'suggestion_gates',
  'usage_events',
  'webhook_deliveries',
  'workflow_versions',
]

/** As one request would. */
function asking(person: Person, operation: string) {
  const requestId = person.newId('req')
  return acting({ ...person, requestId }, operation)
}

const audit = async (person: Person) => (await listAudit(person, { limit: 100 })).items
/** What the chain is read by, in the shared test database. */
const world = (person: Person) => ({
  query: async (text: string, params: unknown[] = []) =>
    (await person.db.$client.query(text, params)).rows as Record<string, unknown>[],
})
const linesOf = (person: Person) => chainOf(world(person), person.actor.userId)
const headOf = (person: Person) => headIn(world(person), person.actor.userId)

test('a change is told in its own commit: who, what, of which, from where, before and after', async () => {
  const person = await makePerson()
  const create = asking(person, 'createTask')
  const task = await createTask(create, { title: 'Call the dentist', priority: 'high' })
  const update = asking(person, 'updateTask')
  await updateTask(update, task.id, { priority: 'low', title: 'Call her' }, '*')
  const [second, first] = await audit(person)
  expect(first).toMatchObject({
    action: 'createTask',
    actor: { kind: 'session', id: person.actor.sessionId },
    target: task.id,
    outcome: 'done',
    requestId: create.requestId,
    address: '192.0.2.1',
    agent: 'test',
    changes: { table: 'tasks', after: { priority: 'high', status: 'pending' } },
  })
  expect(second?.changes).toEqual({
    table: 'tasks',
    before: { priority: 'high' },
    after: { priority: 'low', title: '[hidden]' },
  })
  expect(JSON.stringify(await audit(person))).not.toContain('dentist')
})

test('no trip is added: a change and its line are one', async () => {
  const person = await makePerson()
  const ctx = asking(person, 'createTask')
  ctx.meter.trips = 0
  await createTask(ctx, { title: 'One' })
  expect(ctx.meter.trips).toBe(1)
})

test('what changed nothing is not told, and an act of several commits is told once', async () => {
  const person = await makePerson()
  const ctx = asking(person, 'updatePreferences')
  await setPreferences(ctx, { locale: 'de-DE' })
  const told = await audit(person)
  const task = await createTask(ctx, { title: 'One' })
  expect(await audit(person)).toEqual(told)
  const later = asking(person, 'updateTask')
  await expect(updateTask(later, task.id, { title: 'Two' }, 77)).rejects.toMatchObject({ code: 'version_stale' })
  expect(await audit(person)).toEqual(told)
  await updateTask(later, task.id, { title: 'Two' }, '*')
  expect((await audit(person)).length).toBe(told.length + 1)
})

test('a secret is not told, nor its hash', async () => {
  const person = await makePerson()
  const ctx = asking(person, 'setPassword')
  await ctx.db.insert(credentials).values({ userId: person.actor.userId, passwordHash: 'argon2id-of-my-cat' })
  await asking(person, 'changePassword')
    .db.update(credentials)
    .set({ passwordHash: 'argon2id-of-my-dog' })
    .where(eq(credentials.userId, person.actor.userId))
  const [changed] = await audit(person)
  expect(changed?.changes).toEqual({ table: 'credentials', before: {}, after: { password_hash: '[hidden]' } })
  expect(JSON.stringify(await linesOf(person))).not.toContain('argon2id')
})

test('a change by hand is told as one', async () => {
  const person = await makePerson()
  const task = await createTask(asking(person, 'createTask'), { title: 'One' })
  // Without a context, as from psql.
  const byHand = connect(person.config.database, person.meter)
  await byHand.execute(sql`update tasks set priority = 'urgent' where id = ${task.id}`)
  const [last] = await audit(person)
  expect(last).toMatchObject({ actor: { kind: 'database' }, action: 'sql', target: task.id })
})

test('no line can be changed or taken away, nor a head', async () => {
  const person = await makePerson()
  await createTask(asking(person, 'createTask'), { title: 'One' })
  for (const attempt of [
    sql`update audit_log set target = 'x' where user_id = ${person.actor.userId}`,
    sql`delete from audit_log where user_id = ${person.actor.userId}`,
    sql`truncate audit_log`,
    sql`update audit_heads set hash = 'x' where user_id = ${person.actor.userId}`,
    sql`delete from audit_heads where user_id = ${person.actor.userId}`,
    sql`truncate audit_heads`,
    sql`truncate audit_tombstones`,
  ])
    await expect(person.db.execute(attempt)).rejects.toMatchObject({ cause: { code: '23001' } })
})

test('the role of the Worker writes what it changes, and can write no line of its own', async () => {
  const person = await makePerson()
  const { db } = person
  const grants = /```sql\n([^`]*aurelius_worker[^`]*)```/.exec(readFileSync('docs/operations.md', 'utf8'))?.[1] ?? ''
  for (const grant of grants.split(/;\n/).filter(Boolean)) await db.execute(sql.raw(grant))
  const worker = db.execute(sql`set local role aurelius_worker`)
  const mine = sql`user_id = ${person.actor.userId}`
  for (const attempt of [
    sql`insert into audit_log select * from audit_log where ${mine}`,
    sql`update audit_log set target = 'x' where ${mine}`,
    sql`delete from audit_log where ${mine}`,
    sql`truncate audit_log`,
    sql`update audit_heads set hash = 'x' where ${mine}`,
    sql`alter table audit_log disable trigger keep_audit`,
  ])
    await expect(db.batch([worker, db.execute(attempt)])).rejects.toMatchObject({ code: '42501' })
  const before = await audit(person)
  const ctx = asking(person, 'rename')
  await ctx.db.batch([
    ctx.db.execute(sql`set local role aurelius_worker`),
    ctx.db.update(users).set({ timeZone: 'Asia/Tokyo' }).where(eq(users.id, person.actor.userId)),
  ])
  expect((await audit(person)).length).toBe(before.length + 1)
})

test('the chain is whole, hashed here as in Postgres, also when many write at once', async () => {
  const person = await makePerson()
  await Promise.all(
    Array.from({ length: 12 }, (_, n) =>
      createTask(asking(person, 'createTask'), { title: `Zahnärztin "${n}" \\ \u0001` }),
    ),
  )
  const lines = await linesOf(person)
  expect(lines.length).toBe(13)
  expect(brokenAt(lines, await headOf(person))).toBe(null)
  const verdict = await verifyAudit(person, undefined)
  expect(verdict).toMatchObject({ ok: true, length: 13, brokenAt: null })
})

test('a head that was given before must be in the chain, and be ours', async () => {
  const [person, other] = [await makePerson(), await makePerson()]
  const { head } = await verifyAudit(person, undefined)
  await createTask(asking(person, 'createTask'), { title: 'One' })
  expect((await verifyAudit(person, head ?? '')).ok).toBe(true)
  await expect(verifyAudit(other, head ?? '')).rejects.toMatchObject({ code: 'invalid_request' })
  await expect(verifyAudit(person, `${head}x`)).rejects.toMatchObject({ code: 'invalid_request' })
})

test('who is erased leaves the last hash of their chain under no name', async () => {
  const person = await makePerson()
  await createTask(asking(person, 'createTask'), { title: 'One' })
  const before = await headOf(person)
  await asking(person, 'deleteMe').db.delete(users).where(eq(users.id, person.actor.userId))
  expect(await linesOf(person)).toEqual([])
  expect(await headOf(person)).toBeUndefined()
  const { rows } = await person.db.execute<{ seq: string }>(
    sql`select seq::text, hash from audit_tombstones where seq = ${Number(before?.seq) + 1} order by erased_at desc limit 1`,
  )
  expect(rows.length).toBe(1)
  expect(JSON.stringify(rows)).not.toContain(person.actor.userId)
})

test('a refusal of somebody known is told once, of nobody not at all', async () => {
  const person = await makePerson()
  const refused = asking(person, 'getTask')
  const target = person.newId('task')
  noteDenial(refused, new AppError('not_found', 'No such task'), target)
  noteDenial(refused, new AppError('version_stale', 'Stale'), target)
  const stranger = testCtx({ actor: { kind: 'anonymous' } })
  noteDenial(stranger, new AppError('invalid_credentials', 'Wrong', { subject: person.actor.userId }), '')
  noteDenial(stranger, new AppError('invalid_credentials', 'Wrong'), '')
  await Promise.all([person.settled(), stranger.settled()])
  const [second, first] = await audit(person)
  expect([first, second].map((line) => line?.reason).toSorted()).toEqual(['invalid_credentials', 'not_found'])
  const { rows } = await person.db.execute(sql`select 1 from audit_log where user_id = ''`)
  expect(rows).toEqual([])
})

const refusals = async (person: Person) => (await audit(person)).filter(({ outcome }) => outcome === 'denied')

test('a thousand wrong passwords of strangers are two lines in the chain of their owner, and each is counted', async () => {
  const person = await makePerson()
  const subject = person.actor.userId
  const guess = async (address: string) => {
    const client = { address, country: null, userAgent: 'guesser' }
    const stranger = testCtx({ actor: { kind: 'anonymous' }, client, operation: 'login' })
    noteDenial(stranger, new AppError('invalid_credentials', 'Wrong', { subject }), '')
    await stranger.settled()
  }
  for (let n = 0; n < 10; n++) await Promise.all(Array.from({ length: 100 }, () => guess(`192.0.2.${n * 5}`)))
  for (let n = 0; n < 20; n++) await guess(`198.51.100.${n}`)
  await tellDenials(person)
  const first = { action: 'login', outcome: 'denied', reason: 'invalid_credentials', actor: { kind: 'anonymous' } }
  expect(await refusals(person)).toMatchObject([{ ...first, address: '192.0.2.0', changes: {} }])
  const passes = sql`update audit_denials set started_at = now() - interval '61 minutes' where user_id = ${subject}`
  await person.db.execute(passes)
  await Promise.all([tellDenials(person), tellDenials(person)])
  const [counted, ...rest] = await refusals(person)
  expect(rest).toHaveLength(1)
  expect(counted).toMatchObject({ ...first, address: '', changes: { count: 1019 } })
  expect(counted?.changes).toMatchObject({ addresses: Array.from({ length: 10 }, (_, n) => `192.0.2.${n * 5}`) })
  await guess('203.0.113.9')
  expect(await refusals(person)).toMatchObject([{ address: '203.0.113.9' }, { changes: { count: 1019 } }, {}])
  await person.db.execute(passes)
  await tellDenials(person)
  expect(await refusals(person)).toHaveLength(3)
  expect(await verifyAudit(person, undefined)).toMatchObject({ ok: true, length: 4 })
})

test('what somebody signed in is refused is a line each time', async () => {
  const person = await makePerson()
  const refused = asking(person, 'getTask')
  for (let n = 0; n < 3; n++) noteDenial(refused, new AppError('not_found', 'No such task'), person.newId('task'))
  await person.settled()
  expect(await refusals(person)).toHaveLength(3)
})

test('every table is under audit with all of its columns, or is named here', async () => {
  const { db } = testCtx()
  const { rows } = await db.execute<{ name: string; source: string | null; columns: string[] }>(sql`
    select c.relname as name, (select json_agg(a.attname) from pg_attribute a
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns,
      (select string_agg(p.prosrc, '') from pg_trigger t join pg_proc p on p.oid = t.tgfoid
        where t.tgrelid = c.oid and t.tgname like 'audit\\_%') as source
    from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' order by 1`)
  expect(rows.filter(({ source }) => source === null).map(({ name }) => name)).toEqual(NOT_AUDITED)
  // A column that was added later is in no trigger: the migration that adds it calls `audit_table` again.
  const QUIET =
    /^(version|updated_at|security_stamp|last_used_at|ai_confidence|token_\w+|status|last_error|tools|checked_at|erasure_id|last_step|failures|failed_at|counter|backed_up|tries|latest_version|failures_in_row|next_at|is_true|pending_at|pending|last_fired_at|window_at|window_used|next_reminder_at|reminded_to|armings|last_sent_at)$/
  // Of an effect it is told what became of it.
  const lacking = rows.flatMap(({ name, source, columns }) =>
    columns
      .filter(
        (column) =>
          name !== 'effects' &&
          source?.includes('r join old_rows') &&
          !QUIET.test(column) &&
          !new RegExp(`r\\."?${column}"? is`).test(source),
      )
      .map((column) => `${name}.${column}`),
  )
  expect(lacking).toEqual([])
})
