import { eq, type SQL, sql } from 'drizzle-orm'
import { afterEach, beforeEach, expect, inject, test } from 'vitest'
import { readConfig } from '#config'
import type { DomainEvent } from '#core'
import { jobs } from '#queue/tables'
import { makePerson, type Person } from '#test/database'
import { startReceiver } from '#test/webhook-receiver'
import { listDeliveries, replayDelivery, testWebhook } from './deliveries.ts'
import { addWebhook, getWebhook, listWebhooks, rotateSecret, updateWebhook } from './endpoints.ts'
import type { EVENTS } from './schema.ts'
import { DELAYS_S, sendDue } from './send.ts'
import { sendWebhooks, webhookSubscriber } from './subscriber.ts'
import { webhookDeliveries, webhookEndpoints } from './tables.ts'

let receiver: Awaited<ReturnType<typeof startReceiver>>
beforeEach(async () => {
  receiver = await startReceiver()
})
afterEach(() => receiver.close())

const makeOwner = () => makePerson({ config: readConfig({ ...inject('vars'), ALLOW_LOOPBACK_URLS: 'true' }) })
async function makeHook(person: Person, over: { events?: (typeof EVENTS)[number][] } = {}) {
  const hook = await addWebhook(person, { url: receiver.url, description: '', events: [], ...over })
  receiver.knows(hook.secret)
  return hook
}
const event = (person: Person, version: number, type = 'task.updated'): DomainEvent => ({
  id: `task_1.${version}.${type}`,
  type,
  userId: person.actor.userId,
  room: 'tasks',
  key: 'task_1',
  version,
  data: { id: 'task_1', title: 'Milk \u{1f95b}' },
  at: '2026-11-22T09:00:00.000Z',
})
const deliveriesOf = async (person: Person, id: string) => (await listDeliveries(person, id, { limit: 100 })).items
/** As if the time of every attempt had come. */
const due = (person: Person) =>
  person.db
    .update(webhookDeliveries)
    .set({ nextAt: sql`now()` })
    .where(eq(webhookDeliveries.userId, person.actor.userId))
/** What was asked for is done, each job by one message of its own. */
async function work(person: Person): Promise<void> {
  await person.settled()
  const theirs = eq(jobs.owner, person.actor.userId)
  const asked = await person.db.select().from(jobs).where(theirs).orderBy(jobs.id)
  for (const job of asked) await sendWebhooks(person, { ...job, userId: job.owner, attempt: 1 })
}

test('an event arrives signed, as the outside reader of Standard Webhooks checks it, and once however often it is told', async () => {
  const person = await makeOwner()
  const hook = await makeHook(person)
  const events = [event(person, 1), event(person, 2)]
  for (let times = 0; times < 3; times++) await webhookSubscriber.handle(person, events)
  const asked = await person.db.select().from(jobs).where(eq(jobs.owner, person.actor.userId))
  expect(asked).toMatchObject([{ queue: 'integrations', kind: 'send_webhooks', ref: person.actor.userId }])
  expect(person.sent).toEqual([{ v: 1, kind: 'job', jobId: asked[0]?.id }])
  await work(person)
  await work(person)
  await sendDue(person)
  expect(receiver.received.map(({ body }) => JSON.parse(body))).toEqual([
    { type: 'task.updated', timestamp: '2026-11-22T09:00:00.000Z', data: { id: 'task_1', title: 'Milk \u{1f95b}' } },
    { type: 'task.updated', timestamp: '2026-11-22T09:00:00.000Z', data: { id: 'task_1', title: 'Milk \u{1f95b}' } },
  ])
  const log = await deliveriesOf(person, hook.id)
  expect(log.map(({ status, attempts, responseStatus }) => [status, attempts, responseStatus])).toEqual([
    ['delivered', 1, 204],
    ['delivered', 1, 204],
  ])
  expect(new Set(receiver.received.map(({ id }) => id))).toEqual(new Set(log.map(({ id }) => id)))
})

test('an endpoint gets what it asked for, and one that is off nothing', async () => {
  const person = await makeOwner()
  const hook = await makeHook(person, { events: ['task.completed'] })
  await webhookSubscriber.handle(person, [event(person, 1), event(person, 2, 'task.completed')])
  await work(person)
  expect((await deliveriesOf(person, hook.id)).map(({ type }) => type)).toEqual(['task.completed'])
  await updateWebhook(person, hook.id, { enabled: false }, '*')
  await webhookSubscriber.handle(person, [event(person, 3, 'task.completed')])
  expect(await deliveriesOf(person, hook.id)).toHaveLength(1)
})

test('what is refused is tried again for three days under one id; then the endpoint is switched off, and its person told', async () => {
  const person = await makeOwner()
  const hook = await makeHook(person)
  receiver.answers(() => ({ status: 500 }))
  await webhookSubscriber.handle(person, [event(person, 1)])
  await work(person)
  expect(DELAYS_S.reduce((sum, seconds) => sum + seconds, 0)).toBeGreaterThan(3 * 86_400)
  for (const [attempts, seconds] of DELAYS_S.entries()) {
    const [one] = await deliveriesOf(person, hook.id)
    expect(one).toMatchObject({ status: 'pending', attempts: attempts + 1, responseStatus: 500 })
    const waits = (Date.parse(one?.nextAttemptAt ?? '') - Date.now()) / 1000
    expect(Math.abs(waits - seconds)).toBeLessThan(20)
    expect(await sendDue(person, person.actor.userId)).toBe(0)
    await due(person)
    expect(await sendDue(person, person.actor.userId)).toBe(1)
  }
  expect(await deliveriesOf(person, hook.id)).toMatchObject([
    { status: 'failed', attempts: 10, error: 'it answered 500' },
  ])
  expect(new Set(receiver.received.map(({ id }) => id)).size).toBe(1)
  expect(await getWebhook(person, hook.id)).toMatchObject({ enabled: false, disabledReason: 'failing' })
  const told = await person.db.execute(sql`select title from notifications where user_id = ${person.actor.userId}`)
  expect(told.rows).toEqual([{ title: expect.stringMatching(/^Your webhook to 127.0.0.1:\d+ was switched off$/) }])
  expect(await updateWebhook(person, hook.id, { enabled: true }, '*')).toMatchObject({ disabledReason: null })
})

test('one delivery that fails for good leaves an endpoint on that took another in the meantime', async () => {
  const person = await makeOwner()
  const hook = await makeHook(person)
  receiver.answers(({ body }) => ({ status: body.includes('task.deleted') ? 500 : 200 }))
  await webhookSubscriber.handle(person, [event(person, 1, 'task.deleted'), event(person, 2)])
  await work(person)
  await person.db
    .update(webhookDeliveries)
    .set({ attempts: DELAYS_S.length })
    .where(sql`${webhookDeliveries.endpointId} = ${hook.id} and ${webhookDeliveries.status} = 'pending'`)
  await due(person)
  await sendDue(person)
  expect((await deliveriesOf(person, hook.id)).map(({ status }) => status).sort()).toEqual(['delivered', 'failed'])
  expect(await getWebhook(person, hook.id)).toMatchObject({ enabled: true })
})

test.each([
  [{ status: 410 }, { status: 'failed', error: 'it answered 410' }, { enabled: false, disabledReason: 'gone' }],
  [
    { status: 302, headers: { location: 'http://127.0.0.1/elsewhere' } },
    { status: 'pending', error: expect.stringMatching(/redirect, which is not followed/) },
    { enabled: true },
  ],
])('an endpoint that answers %j is taken at its word', async (answer, delivery, hook) => {
  const person = await makeOwner()
  const { id } = await makeHook(person)
  receiver.answers(() => answer)
  await testWebhook(person, id)
  await sendDue(person)
  expect(await deliveriesOf(person, id)).toMatchObject([{ type: 'webhook.test', ...delivery }])
  expect(await getWebhook(person, id)).toMatchObject(hook)
})

test('after a rotation both secrets sign through the overlap, then the new one alone; a secret is shown once', async () => {
  const person = await makeOwner()
  const hook = await makeHook(person)
  const { secret } = await rotateSecret(person, hook.id, { overlapSeconds: 60 })
  expect(secret).not.toBe(hook.secret)
  await testWebhook(person, hook.id)
  await sendDue(person)
  // The receiver knows only the one before.
  expect(receiver.received).toHaveLength(1)
  expect(receiver.received[0]?.headers['webhook-signature']?.split(' ')).toHaveLength(2)
  const later = { ...person, now: () => new Date(Date.now() + 61_000) }
  await testWebhook(later, hook.id)
  await sendDue(later)
  expect(receiver.received).toHaveLength(1)
  expect(await deliveriesOf(person, hook.id)).toMatchObject([{ responseStatus: 401 }, { responseStatus: 204 }])
  const [row] = await person.db.select().from(webhookEndpoints).where(eq(webhookEndpoints.id, hook.id))
  expect(JSON.stringify([row, await getWebhook(person, hook.id)])).not.toContain(secret.slice(6))
})

test('a replay goes again under the same id, whatever became of it', async () => {
  const person = await makeOwner()
  const hook = await makeHook(person)
  const { id } = await testWebhook(person, hook.id)
  await sendDue(person)
  expect(await replayDelivery(person, id)).toMatchObject({ id, status: 'pending', attempts: 0 })
  await sendDue(person)
  expect(receiver.received.map((one) => one.id)).toEqual([id, id])
  const stranger = await makeOwner()
  await expect(replayDelivery(stranger, id)).rejects.toMatchObject({ code: 'not_found' })
})

test('several senders at once attempt each delivery once', async () => {
  const person = await makeOwner()
  const hook = await makeHook(person)
  await webhookSubscriber.handle(person, [event(person, 1), event(person, 2)])
  await Promise.all([person.settled(), ...Array.from({ length: 5 }, () => sendDue(person, person.actor.userId))])
  expect(receiver.received).toHaveLength(2)
  expect((await deliveriesOf(person, hook.id)).map(({ attempts }) => attempts)).toEqual([1, 1])
})

test.each(['http://127.0.0.1/', 'https://10.0.0.1/', 'https://metadata.google.internal/', 'ftp://example.com/'])(
  'a webhook to %s is refused',
  async (url) => {
    const person = await makePerson()
    const asked = addWebhook(person, { url, description: '', events: [] })
    await expect(asked).rejects.toMatchObject({ code: 'invalid_request', message: /^\/url/ })
    expect((await listWebhooks(person, { limit: 10 })).items).toEqual([])
  },
)

test('adding, changing and rotating ask for a sign-in of the last five minutes; there are twenty at most', async () => {
  const person = await makeOwner()
  const stale = { ...person, actor: { ...person.actor, authAtMs: 0 } }
  const { id } = await makeHook(person)
  const step = { code: 'step_up_required' }
  await expect(addWebhook(stale, { url: receiver.url, description: '', events: [] })).rejects.toMatchObject(step)
  await expect(updateWebhook(stale, id, { enabled: false }, '*')).rejects.toMatchObject(step)
  await expect(rotateSecret(stale, id, { overlapSeconds: 0 })).rejects.toMatchObject(step)
  for (let made = 1; made < 20; made++) await makeHook(person)
  await expect(makeHook(person)).rejects.toMatchObject({ code: 'conflict' })
})

/** So many that wait for an endpoint, the first the oldest; `next`: when they are due. */
async function makeWaiting(person: Person, endpointId: string, count: number, next: SQL) {
  const { userId } = person.actor
  const rows = Array.from({ length: count }, () => {
    const id = person.newId('whd')
    return { id, userId, endpointId, eventId: id, type: 'task.updated', body: '{}', nextAt: next }
  })
  await person.db.insert(webhookDeliveries).values(rows)
  return rows.map(({ id }) => id)
}

test('what waits for one person does not keep another waiting, and a run ends', async () => {
  const [busy, other] = [await makeOwner(), await makeOwner()]
  await makeWaiting(busy, (await makeHook(busy)).id, 30, sql`now() - interval '1 hour'`)
  const [theirs = ''] = await makeWaiting(other, (await makeHook(other)).id, 1, sql`now()`)
  let spentMs = 0
  receiver.answers(() => {
    spentMs += 11_000
    return { status: 204 }
  })
  const slow = { ...busy, now: () => new Date(Date.now() + spentMs) }
  expect(await sendDue(slow)).toBe(6)
  expect(receiver.received.map(({ id }) => id)).toContain(theirs)
  spentMs = 0
  expect(await sendDue(slow, busy.actor.userId)).toBe(5)
  receiver.answers(() => ({ status: 204 }))
  spentMs = 0
  expect(await sendDue(slow)).toBe(20)
})

test('a thousand wait for an endpoint; of more the oldest end as failed', async () => {
  const person = await makeOwner()
  const hook = await makeHook(person)
  const [oldest, next] = await makeWaiting(person, hook.id, 1000, sql`now() + interval '1 hour'`)
  await webhookSubscriber.handle(person, [event(person, 1), event(person, 2)])
  await work(person)
  const failed = await listDeliveries(person, hook.id, { limit: 10, status: 'failed' })
  expect(failed.items.map(({ id, error }) => [id, error])).toEqual([
    [next, 'too many wait'],
    [oldest, 'too many wait'],
  ])
  expect(receiver.received).toHaveLength(2)
})
