import { once } from 'node:events'
import { createServer } from 'node:http'
import { eq, sql } from 'drizzle-orm'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Ctx, DomainEvent } from '#core'
import { sendQueuedMail } from '#email'
import { emailMessages } from '#email/tables'
import { jobs, outbox } from '#queue/tables'
import { makePerson, testCtx } from '#test/database'
import { startSendGrid } from '#test/sendgrid-fake'
import { users } from '#users/tables'
import { sendDue } from '#webhooks'
import { webhookDeliveries, webhookEndpoints } from '#webhooks/tables'
import { getEffect } from './effects.ts'
import { endLostEffects, fateSubscriber, performHeld, realEffects, sweepEffects, undoEffect } from './index.ts'
import { effects } from './tables.ts'

let fake: Awaited<ReturnType<typeof startSendGrid>>
beforeAll(async () => {
  fake = await startSendGrid()
})
afterAll(() => fake.stop())

// In the past of the database's clock, which says what is overdue.
const HELD_AT = new Date('2026-01-01T09:00:00.000Z')
const LATER = new Date('2026-01-01T09:00:20.000Z')

/** Somebody whose mail a fake provider takes, or an address where nobody listens; their clock can be moved. */
async function makeWriter(baseUrl = fake.url) {
  const times = { now: HELD_AT }
  const { config: plain } = testCtx()
  const from = { from: 'hello@aurelius.example.com', fromName: 'Aurelius' }
  const mail = { ...from, provider: 'sendgrid' as const, apiKey: fake.apiKey, baseUrl }
  const given = { now: () => times.now, config: { ...plain, mail } }
  const person = await makePerson(given)
  await person.db.update(users).set({ emailVerifiedAt: HELD_AT }).where(eq(users.id, person.actor.userId))
  return { times, person, system: testCtx(given), userId: person.actor.userId }
}
type Writer = Awaited<ReturnType<typeof makeWriter>>

let keys = 0
const addressOf = (name: string) => `${name}${keys++}@example.com`

async function hold({ person, times }: Writer, to: string[]): Promise<string> {
  times.now = HELD_AT
  const input = { to, subject: 'Friday', text: 'At nine?' }
  const asked = { kind: 'send_mail', input, key: `fate${keys++}`, origin: { kind: 'api' as const } }
  const { effectId } = await realEffects(person).perform({ ...asked, tainted: false, isAgreed: true })
  times.now = LATER
  return effectId ?? ''
}
const ring = ({ system, userId }: Writer, id: string) => performHeld(system, { userId, id })

/** What the queue does with all mail of theirs that waits. */
async function post({ system, userId }: Writer): Promise<void> {
  const waiting = await system.db.select().from(jobs).where(eq(jobs.owner, userId))
  for (const job of waiting) await sendQueuedMail(system, { ...job, userId: job.owner, attempt: 1 })
}
/** What happened to what went out, told twice. */
async function hear({ system, userId }: Writer): Promise<void> {
  const rows = await system.db.select().from(outbox).where(eq(outbox.userId, userId))
  const events: DomainEvent[] = rows
    .filter(({ type }) => fateSubscriber.wants(type))
    .map((row) => ({ ...row, at: row.createdAt.toISOString() }))
  for (let times = 0; times < 2; times++) await fateSubscriber.handle(system, events)
}
const lettersOf = ({ system, userId }: Writer) =>
  system.db.select().from(emailMessages).where(eq(emailMessages.userId, userId)).orderBy(emailMessages.toAddress)
const shown = ({ person }: Writer, id: string) => getEffect(person, id)
const leave = ({ system }: Pick<Writer, 'system'>, id: string, set: Partial<typeof effects.$inferInsert>) =>
  system.db.update(effects).set(set).where(eq(effects.id, id))

test('mail is done when the provider took it, with the id the provider gave it', async () => {
  const writer = await makeWriter()
  const id = await hold(writer, [addressOf('ada')])
  expect(await ring(writer, id)).toMatchObject({ status: 'sending', evidence: { id: null, provider: null } })
  expect(await shown(writer, id)).toMatchObject({ status: 'sending', doneAt: null, reversible: false })
  expect(await undoEffect(writer.person, id)).toMatchObject({ status: 'irreversible' })
  await hear(writer)
  expect(await shown(writer, id)).toMatchObject({ status: 'sending' })
  await post(writer)
  await hear(writer)
  const [letter] = await lettersOf(writer)
  expect(letter?.providerId).toBeTruthy()
  const { version, ...done } = await shown(writer, id)
  expect(done).toMatchObject({
    status: 'done',
    doneAt: LATER.toISOString(),
    evidence: { id: letter?.providerId, provider: 'sendgrid' },
  })
  await hear(writer)
  expect(await shown(writer, id)).toMatchObject({ version })
})

test('what the provider refuses was not done, and of what broke off nobody knows', async () => {
  const refusing = createServer((_, response) => response.writeHead(400).end('{}')).listen(0, '127.0.0.1')
  await once(refusing, 'listening')
  const address = refusing.address()
  const port = typeof address === 'object' && address ? address.port : 0
  const refused = await makeWriter(`http://127.0.0.1:${port}`)
  const first = await hold(refused, [addressOf('ada')])
  await ring(refused, first)
  await post(refused)
  refusing.close()
  await hear(refused)
  const failed = { status: 'failed', doneAt: null, error: { code: 'not_taken', detail: 'Not taken: sendgrid 400' } }
  expect(await shown(refused, first)).toMatchObject({ ...failed, evidence: { id: null } })
  const lost = await makeWriter(`http://127.0.0.1:${port}`)
  const second = await hold(lost, [addressOf('ada')])
  await ring(lost, second)
  await post(lost)
  await hear(lost)
  expect(await shown(lost, second)).toMatchObject({ status: 'unknown', error: { code: 'timeout' } })
})

test('what one of several took is done, and says who did not', async () => {
  const writer = await makeWriter()
  const [ada, bob] = [addressOf('ada'), addressOf('bob')]
  const id = await hold(writer, [ada, bob])
  await ring(writer, id)
  const spoiled = eq(emailMessages.toAddress, bob)
  await writer.system.db.update(emailMessages).set({ content: 'unreadable' }).where(spoiled)
  await post(writer)
  await hear(writer)
  expect(await shown(writer, id)).toMatchObject({ status: 'done', output: { to: [ada], refused: [bob], maybe: [] } })
})

test('a provider that says so before the effect is written down is heard all the same', async () => {
  const writer = await makeWriter()
  const id = await hold(writer, [addressOf('ada')])
  await ring(writer, id)
  await post(writer)
  await hear(writer)
  await leave(writer, id, { status: 'intended', leaseUntil: new Date(0), output: null, doneAt: null })
  expect(await ring(writer, id)).toMatchObject({ status: 'done', evidence: { provider: 'sendgrid' } })
  expect(await lettersOf(writer)).toHaveLength(1)
})

test('a machine that dies between the claim and the mail loses no mail: whoever comes meanwhile comes again', async () => {
  const writer = await makeWriter()
  const id = await hold(writer, [addressOf('eve')])
  await leave(writer, id, { status: 'intended', attempts: 1, leaseUntil: new Date('2999-01-01') })
  await expect(ring(writer, id)).rejects.toMatchObject({ code: 'unavailable' })
  await leave(writer, id, { leaseUntil: new Date(0) })
  await endLostEffects(writer.system)
  expect(await shown(writer, id)).toMatchObject({ status: 'intended' })
  expect(await sweepEffects(writer.system)).toBeGreaterThan(0)
  expect(await shown(writer, id)).toMatchObject({ status: 'sending' })
  expect(await lettersOf(writer)).toHaveLength(1)
})

test('mail that went and could not be written down is found again, and goes no second time', async () => {
  const writer = await makeWriter()
  const { system } = writer
  const id = await hold(writer, [addressOf('eve')])
  let isBroken = false
  const broken = Object.assign(new Error('the database starts up'), { code: '57P03' })
  const db = new Proxy(system.db, {
    get(of, name) {
      // The claim is through; what the act itself writes goes by a handle of its own.
      if (name === 'with' && isBroken) throw broken
      if (name === 'with') isBroken = true
      return Reflect.get(of, name)
    },
  })
  await expect(performHeld({ ...system, db } as Ctx, { userId: writer.userId, id })).rejects.toThrow('starts up')
  expect(await lettersOf(writer)).toHaveLength(1)
  expect(await shown(writer, id)).toMatchObject({ status: 'intended', error: null })
  await leave(writer, id, { leaseUntil: new Date(0) })
  await sweepEffects(system)
  expect(await shown(writer, id)).toMatchObject({ status: 'sending' })
  expect(await lettersOf(writer)).toHaveLength(1)
})

test('of what was lost and cannot be begun again it is told that nobody knows', async () => {
  const writer = await makeWriter()
  const { person, system, userId } = writer
  const asked = { kind: 'create_task', input: { title: 'a' }, key: 'lost', origin: { kind: 'api' as const } }
  const { effectId } = await realEffects(person).perform({ ...asked, tainted: false, isAgreed: true })
  await leave(writer, effectId ?? '', { status: 'intended', leaseUntil: new Date(0) })
  await endLostEffects(system)
  const { version } = await shown(writer, effectId ?? '')
  const told = await system.db
    .select()
    .from(outbox)
    .where(eq(outbox.id, `${effectId}.${version}.effect.updated`))
  expect(told).toMatchObject([{ userId, data: { status: 'unknown' } }])
})

test('who takes no more mail this hour is held for later, and gets it then; undone meanwhile they do not', async () => {
  const writer = await makeWriter()
  const ada = addressOf('ada')
  const letter = { userId: writer.userId, kind: 'letter', toAddress: ada, status: 'sent' as const }
  const ten = Array.from({ length: 10 }, () => ({ ...letter, id: writer.person.newId('eml'), key: `ten${keys++}` }))
  await writer.system.db.insert(emailMessages).values(ten)
  const [id, other] = [await hold(writer, [ada]), await hold(writer, [ada])]
  for (const one of [id, other]) expect(await ring(writer, one)).toMatchObject({ status: 'held' })
  expect(await shown(writer, id)).toMatchObject({
    heldUntil: '2026-01-01T09:15:20.000Z',
    error: { code: 'rate_limited' },
  })
  expect(await undoEffect(writer.person, other)).toMatchObject({ status: 'cancelled' })
  await writer.system.db
    .update(emailMessages)
    .set({ createdAt: sql`now() - interval '61 minutes'` })
    .where(eq(emailMessages.toAddress, ada))
  writer.times.now = new Date('2026-01-01T09:15:20.000Z')
  await sweepEffects(writer.system)
  expect(await shown(writer, id)).toMatchObject({ status: 'sending', error: null })
  await post(writer)
  await hear(writer)
  expect(await shown(writer, id)).toMatchObject({ status: 'done', output: { to: [ada], refused: [] } })
  expect(await shown(writer, other)).toMatchObject({ status: 'cancelled' })
  expect(await ring(writer, other)).toBe(null)
})

test('where no mail is sent at all nothing is tried again', async () => {
  const writer = await makeWriter()
  const id = await hold(writer, [addressOf('ada')])
  const without = { ...writer.system, config: { ...writer.system.config, mail: null } }
  const failed = await performHeld(without, { userId: writer.userId, id })
  expect(failed).toMatchObject({ status: 'failed', isRetryable: false })
})

test('a call is done when its webhook took it, and failed when it never does', async () => {
  const writer = await makeWriter()
  const { person, system, userId } = writer
  const endpoint = { userId, url: 'https://hooks.invalid/', description: '', events: [], secret: 'x' }
  const id = person.newId('whk')
  await system.db.insert(webhookEndpoints).values({ ...endpoint, id })
  const call = async () => {
    const asked = {
      kind: 'call_webhook',
      input: { webhookId: id },
      key: `call${keys++}`,
      origin: { kind: 'api' as const },
    }
    const made = await realEffects(person).perform({ ...asked, tainted: false, isAgreed: true })
    await person.settled()
    return made
  }
  const [taken, refused] = [await call(), await call()]
  expect(taken).toMatchObject({ status: 'sending', evidence: { id: null } })
  const [first, second] = [taken.effectId ?? '', refused.effectId ?? '']
  const deliveryOf = async (effect: string) => (await shown(writer, effect)).output as { id: string }
  const [one, two] = [(await deliveryOf(first)).id, (await deliveryOf(second)).id]
  await system.db.update(webhookDeliveries).set({ status: 'delivered' }).where(eq(webhookDeliveries.id, one))
  // The last of its attempts, at an endpoint that is switched off.
  await system.db.update(webhookEndpoints).set({ enabled: false }).where(eq(webhookEndpoints.id, id))
  await system.db
    .update(webhookDeliveries)
    .set({ attempts: 9, nextAt: sql`now()` })
    .where(eq(webhookDeliveries.id, two))
  await sendDue(system, userId)
  await hear(writer)
  expect(await shown(writer, second)).toMatchObject({ status: 'failed', error: { code: 'not_taken' } })
  await leave(writer, first, { leaseUntil: new Date(0) })
  await sweepEffects(system)
  expect(await shown(writer, first)).toMatchObject({ status: 'done', evidence: { id: one, provider: 'webhook' } })
})

test('what went with its webhook is looked at when nobody tells of it', async () => {
  const writer = await makeWriter()
  const id = await hold(writer, [addressOf('ada')])
  await ring(writer, id)
  await writer.system.db.delete(emailMessages).where(eq(emailMessages.userId, writer.userId))
  await sweepEffects(writer.system)
  expect(await shown(writer, id)).toMatchObject({ status: 'sending' })
  await leave(writer, id, { leaseUntil: new Date(0) })
  await sweepEffects(writer.system)
  expect(await shown(writer, id)).toMatchObject({ status: 'unknown' })
})

test('mail whose sender was lost before it was handed on is not sent when it is taken back, and that is told', async () => {
  const writer = await makeWriter()
  const id = await hold(writer, [addressOf('ada')])
  await leave(writer, id, { status: 'intended', attempts: 1, leaseUntil: new Date(0) })
  expect(await undoEffect(writer.person, id)).toMatchObject({ status: 'cancelled' })
  const { version } = await shown(writer, id)
  const told = `${id}.${version}.effect.updated`
  const events = await writer.system.db.select().from(outbox).where(eq(outbox.id, told))
  expect(events).toMatchObject([{ data: { status: 'cancelled' } }])
  expect(JSON.stringify(writer.person.sent)).toContain(told)
  await sweepEffects(writer.system)
  expect(await ring(writer, id)).toBe(null)
  expect(await lettersOf(writer)).toEqual([])
})

test('of mail that was handed on before its sender was lost it is said, and it goes on', async () => {
  const writer = await makeWriter()
  const id = await hold(writer, [addressOf('ada')])
  await ring(writer, id)
  await leave(writer, id, { status: 'intended', leaseUntil: new Date('2999-01-01') })
  expect(await undoEffect(writer.person, id)).toMatchObject({ status: 'irreversible' })
  await leave(writer, id, { leaseUntil: new Date(0) })
  expect(await undoEffect(writer.person, id)).toMatchObject({ status: 'irreversible' })
  await sweepEffects(writer.system)
  expect(await shown(writer, id)).toMatchObject({ status: 'sending' })
  expect(await lettersOf(writer)).toHaveLength(1)
})
