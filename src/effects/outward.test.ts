import { eq } from 'drizzle-orm'
import { expect, test } from 'vitest'
import type { UserCtx } from '#core'
import { emailMessages } from '#email/tables'
import { listNotifications } from '#notifications'
import { outbox } from '#queue/tables'
import { makePerson, type Person, testCtx } from '#test/database'
import { users } from '#users/tables'
import { webhookDeliveries, webhookEndpoints } from '#webhooks/tables'
import { getEffect } from './effects.ts'
import { type NewEffect, performHeld, realEffects, recordingEffects, sweepEffects, undoEffect } from './index.ts'

const MAIL = { to: ['ada@example.com', 'bob@example.com'], subject: 'Friday', text: 'At nine?\n\nSam' }
const START = new Date('2031-01-01T09:00:00.000Z')

/** Somebody whose address is confirmed, where mail is sent, and whose clock can be moved. */
async function makeWriter(isConfirmed = true) {
  const times = { now: START }
  const person = await makePerson({ now: () => times.now })
  if (isConfirmed)
    await person.db.update(users).set({ emailVerifiedAt: START }).where(eq(users.id, person.actor.userId))
  const mail = { provider: 'local', url: 'http://127.0.0.1:9', from: 'a@aurelius.test', fromName: 'Aurelius' } as const
  const config = { ...person.config, mail }
  const system = testCtx({ now: () => times.now, config })
  return { times, person: { ...person, config }, system }
}

let keys = 0
const effect = (kind: string, input: unknown, over: Partial<NewEffect> = {}): NewEffect => ({
  ...{ kind, input, key: `out${keys++}`, origin: { kind: 'api' }, tainted: false, isAgreed: true, ...over },
})
const perform = (ctx: UserCtx, one: NewEffect) => realEffects(ctx).perform(one)
const lettersOf = ({ db, actor }: Person) =>
  db.select().from(emailMessages).where(eq(emailMessages.userId, actor.userId)).orderBy(emailMessages.toAddress)

test('mail is held for twenty seconds, and then sent once to each, whoever asks', async () => {
  const { person, system, times } = await makeWriter()
  const held = await perform(person, effect('send_mail', MAIL))
  expect(held).toMatchObject({ status: 'held', heldUntil: '2031-01-01T09:00:20.000Z' })
  const due = { userId: person.actor.userId, id: held.effectId ?? '' }
  times.now = new Date('2031-01-01T09:00:18.000Z')
  expect(await performHeld(system, due)).toBe(null)
  expect(await lettersOf(person)).toEqual([])
  times.now = new Date('2031-01-01T09:00:20.000Z')
  // Whoever comes while another is at it is to come again.
  const rings = await Promise.allSettled([1, 2, 3].map(() => performHeld(system, due)))
  expect(rings.filter((ring) => ring.status === 'fulfilled' && ring.value !== null)).toHaveLength(1)
  const letters = await lettersOf(person)
  expect(letters).toMatchObject([
    { toAddress: 'ada@example.com', kind: 'letter', status: 'queued' },
    { toAddress: 'bob@example.com', kind: 'letter', status: 'queued' },
  ])
  expect(await getEffect(person, due.id)).toMatchObject({
    status: 'sending',
    reversible: false,
    evidence: { id: null, provider: null },
    output: { to: MAIL.to, refused: [] },
  })
  expect(await undoEffect(person, due.id)).toMatchObject({ status: 'irreversible' })
})

test('what is undone while it is held is never sent', async () => {
  const { person, system, times } = await makeWriter()
  const held = await perform(person, effect('send_mail', MAIL))
  expect(await getEffect(person, held.effectId ?? '')).toMatchObject({ status: 'held', reversible: true })
  expect(await undoEffect(person, held.effectId ?? '')).toMatchObject({ status: 'cancelled' })
  times.now = new Date('2031-01-01T10:00:00.000Z')
  expect(await performHeld(system, { userId: person.actor.userId, id: held.effectId ?? '' })).toBe(null)
  expect(await lettersOf(person)).toEqual([])
})

test('a hold whose timer was lost is swept, and one whose machine died goes on without a second mail', async () => {
  const { person, system, times } = await makeWriter()
  // Held in the past of the database's clock.
  times.now = new Date('2026-01-01T09:00:00.000Z')
  const held = await perform(person, effect('send_mail', { ...MAIL, to: ['eve@example.com'] }))
  times.now = new Date('2026-01-01T09:01:00.000Z')
  expect(await sweepEffects(system)).toBeGreaterThan(0)
  expect(await lettersOf(person)).toHaveLength(1)
  const { effects } = await import('./tables.ts')
  const lost = { status: 'intended' as const, leaseUntil: new Date(0), doneAt: null }
  await person.db
    .update(effects)
    .set(lost)
    .where(eq(effects.id, held.effectId ?? ''))
  expect(await performHeld(system, { userId: person.actor.userId, id: held.effectId ?? '' })).toMatchObject({
    status: 'sending',
  })
  expect(await lettersOf(person)).toHaveLength(1)
})

test('nobody writes in the name of an address that is not theirs', async () => {
  const { person, system, times } = await makeWriter(false)
  const held = await perform(person, effect('send_mail', MAIL))
  times.now = new Date('2031-01-01T09:00:20.000Z')
  const sent = await performHeld(system, { userId: person.actor.userId, id: held.effectId ?? '' })
  expect(sent).toMatchObject({ status: 'failed', code: 'forbidden' })
  expect(await lettersOf(person)).toEqual([])
})

test('what foreign text led to goes nowhere without a tap, whatever the caller believes; then the same key may', async () => {
  const { person } = await makeWriter()
  const tainted = effect('send_mail', MAIL, { tainted: true, isAgreed: false })
  const refused = await perform(person, tainted)
  expect(refused).toMatchObject({ status: 'refused', code: 'confirmation_required', isRetryable: false })
  expect(await getEffect(person, refused.effectId ?? '')).toMatchObject({
    status: 'refused',
    tainted: true,
    agreed: false,
  })
  expect(await perform(person, tainted)).toEqual(refused)
  expect(await undoEffect(person, refused.effectId ?? '')).toMatchObject({ status: 'already' })
  const inside = effect('create_task', { title: 'a' }, { tainted: true, isAgreed: false })
  expect(await perform(person, inside)).toMatchObject({ status: 'done' })
  expect(await perform(person, { ...tainted, isAgreed: true })).toMatchObject({
    status: 'held',
    effectId: refused.effectId,
  })
  const recorder = recordingEffects(person)
  expect(await recorder.perform({ ...tainted, key: 'other' })).toMatchObject({ status: 'refused' })
  expect(recorder.recorded).toEqual([])
})

test('a webhook is called once for each key', async () => {
  const { person } = await makeWriter()
  const { db, actor } = person
  const id = person.newId('whk')
  const endpoint = { id, userId: actor.userId, url: 'https://hooks.invalid/', description: '', events: [], secret: 'x' }
  await db.insert(webhookEndpoints).values(endpoint)
  const call = effect('call_webhook', { webhookId: id, data: { door: 'open' } })
  const first = await perform(person, call)
  expect(await perform(person, call)).toEqual(first)
  const deliveries = await db.select().from(webhookDeliveries).where(eq(webhookDeliveries.endpointId, id))
  expect(deliveries).toMatchObject([{ type: 'webhook.called', body: expect.stringContaining('{"door":"open"}') }])
  expect(first).toMatchObject({ status: 'sending', output: { id: deliveries[0]?.id } })
})

test('a notification is withdrawn by undoing it, and a workflow is asked for once', async () => {
  const { person } = await makeWriter()
  const told = await perform(person, effect('notify', { title: 'Tea is ready' }))
  const list = async () => (await listNotifications(person, { limit: 10 })).items.map(({ title }) => title)
  expect(await list()).toEqual(['Tea is ready'])
  await undoEffect(person, told.effectId ?? '')
  expect(await list()).toEqual([])
  const run = effect('run_workflow', { workflowId: person.newId('wfl'), input: { days: 3 } })
  await Promise.all([1, 2].map(() => perform(person, run)))
  const events = await person.db.select().from(outbox).where(eq(outbox.userId, person.actor.userId))
  const asked = events.filter(({ type }) => type === 'workflow.requested')
  expect(asked.map(({ data }) => data)).toMatchObject([
    { ...(run.input as object), id: expect.stringMatching(/^req_/) },
  ])
})
