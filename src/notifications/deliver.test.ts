import { and, eq } from 'drizzle-orm'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { revoke } from '#test/database'
import { after, hear, type Owner, startReached, tell } from '#test/reached'
import { users } from '#users/tables'
import { sweepDeliveries } from './deliver.ts'
import { listDevices, registerDevice } from './devices.ts'
import { listDeliveries } from './ledger.ts'
import { markAllRead, markRead, markSeen } from './notification.ts'
import { updateSettings } from './settings.ts'
import { deliveries } from './tables.ts'

let reached: Awaited<ReturnType<typeof startReached>>
beforeAll(async () => {
  reached = await startReached()
})
afterAll(() => reached.services.stop())
const makeOwner = (startsAt?: string) => reached.makeOwner(startsAt)
const browser = (person: Owner) => reached.browser(person)
const pushedTo = (targets: string[]) => reached.pushedTo(targets)
const textsOf = (targets: string[]) => reached.textsOf(targets)
let made = 0
const token = () => (0xabc000 + made++).toString(16).padStart(40, '0')
async function makeDevices(person: Owner) {
  const given = [
    browser(person),
    { kind: 'fcm' as const, name: 'Pixel', token: token() },
    { kind: 'apns' as const, name: 'iPhone', token: token() },
  ]
  for (const device of given) await registerDevice(person, device)
  return { targets: given.map((device) => ('endpoint' in device ? device.endpoint : device.token)) }
}
const ledger = async (person: Owner, id: string) => (await listDeliveries(person, id)).items
const fates = async (person: Owner, id: string) =>
  (await ledger(person, id)).map(({ channel, purpose, status }) => `${channel} ${purpose} ${status}`).sort()

test('what nobody has seen for half a minute is pushed to every device, once however often it is asked', async () => {
  const person = await makeOwner()
  const { targets } = await makeDevices(person)
  const id = await tell(person, 'a', { body: 'Milk \u{1f95b}' })
  await hear(person)
  expect(person.armed.map(({ payload }) => payload)).toContainEqual(
    expect.objectContaining({ kind: 'delivery', userId: person.actor.userId }),
  )
  await after(person, 29)
  expect(pushedTo(targets)).toEqual([])
  await after(person, 1)
  await after(person, 1)
  await Promise.all([after(person, 0), after(person, 0)])
  expect(
    pushedTo(targets)
      .map(({ service }) => service)
      .sort(),
  ).toEqual(['apns', 'fcm', 'web_push'])
  expect(reached.services.refused).toEqual([])
  const [text] = textsOf(targets.slice(0, 1))
  expect(text).toMatchObject({ type: 'show', id, title: 'Said a', body: 'Milk \u{1f95b}', actions: [] })
  expect(textsOf(targets.slice(1, 2))[0]).toMatchObject({
    notification: { title: 'Said a' },
    data: { id, priority: 'medium' },
  })
  expect(textsOf(targets.slice(2))[0]).toMatchObject({ aps: { alert: { title: 'Said a' } }, id })
  expect(await fates(person, id)).toEqual(['push show sent', 'push show sent', 'push show sent', 'socket show sent'])
  expect((await listDevices(person, { limit: 10 })).items.every(({ lastSentAt }) => lastSentAt !== null)).toBe(true)
})

test('what a device showed by then is pushed nowhere', async () => {
  const person = await makeOwner()
  const { targets } = await makeDevices(person)
  const id = await tell(person, 'a', { priority: 'high' })
  await markSeen(person, id)
  await hear(person)
  await after(person, 3600)
  expect(pushedTo(targets)).toEqual([])
  expect(await fates(person, id)).toEqual([
    'mail show skipped',
    'push show skipped',
    'push show skipped',
    'push show skipped',
    'socket show acknowledged',
  ])
})

test('read on one device, it is taken from the apps of the others, once', async () => {
  const person = await makeOwner()
  const { targets } = await makeDevices(person)
  const id = await tell(person, 'a')
  await after(person, 30)
  await markRead(person, id)
  await hear(person)
  await hear(person)
  await after(person, 0)
  await markAllRead(person)
  await hear(person)
  await after(person, 1)
  const cleared = pushedTo(targets).slice(3)
  expect(cleared.map(({ service }) => service).sort()).toEqual(['apns', 'fcm'])
  expect(textsOf(targets.slice(1, 2))[1]).toEqual({ data: { type: 'clear', id } })
  expect(textsOf(targets.slice(2))[1]).toEqual({ aps: { 'content-available': 1 }, type: 'clear', id })
  // Of what it shows, each has the newest alone.
  expect(new Set(pushedTo(targets.slice(1, 2)).map(({ topic }) => topic)).size).toBe(1)
  expect(await fates(person, id)).toContain('socket show acknowledged')
})

test('whoever was sending and never said leaves unknown, and nothing is sent again', async () => {
  const person = await makeOwner()
  const { endpoint, ...device } = browser(person)
  await registerDevice(person, { ...device, endpoint })
  const id = await tell(person, 'a')
  person.clock.ms += 30_000
  // As a crash between the send and the record leaves it.
  await person.db
    .update(deliveries)
    .set({ status: 'sending', attempts: 1, claimedAt: new Date(person.clock.ms) })
    .where(and(eq(deliveries.notificationId, id), eq(deliveries.channel, 'push')))
  await after(person, 59)
  expect(await fates(person, id)).toContain('push show sending')
  person.clock.ms += 2000
  await sweepDeliveries(person)
  expect(await fates(person, id)).toContain('push show unknown')
  await after(person, 3600)
  // The sweep is everybody's: it may send what another test left.
  expect(pushedTo([endpoint])).toEqual([])
})

test('an answer that is lost leaves unknown too, though it arrived', async () => {
  const person = await makeOwner()
  const { endpoint, ...device } = browser(person)
  await registerDevice(person, { ...device, endpoint })
  const id = await tell(person, 'a')
  reached.services.fail('break')
  await after(person, 30)
  await after(person, 3600)
  expect(pushedTo([endpoint])).toHaveLength(1)
  expect(await fates(person, id)).toContain('push show unknown')
})

test('a service that asks to wait is left alone as long as it asks, and five times in all', async () => {
  const person = await makeOwner()
  const { endpoint, ...device } = browser(person)
  await registerDevice(person, { ...device, endpoint })
  const id = await tell(person, 'a')
  reached.services.fail({ status: 429, headers: { 'retry-after': '100' } })
  await after(person, 30)
  expect(person.armed.at(-1)?.dueMs).toBeGreaterThanOrEqual(person.clock.ms + 100_000)
  await after(person, 99)
  expect(await fates(person, id)).toContain('push show waiting')
  await after(person, 1)
  expect(await fates(person, id)).toContain('push show sent')
  const other = await tell(person, 'b')
  reached.services.fail(...Array.from({ length: 5 }, () => ({ status: 503 })))
  for (let attempt = 0; attempt < 6; attempt++) await after(person, 10_000)
  expect((await ledger(person, other)).find(({ channel }) => channel === 'push')).toMatchObject({
    status: 'failed',
    attempts: 5,
    reason: 'answered 503',
  })
  expect(pushedTo([endpoint])).toHaveLength(1)
})

test('a device that is gone is forgotten; of one whose sign-in has ended nothing is told', async () => {
  const person = await makeOwner()
  const { targets } = await makeDevices(person)
  for (const target of targets) reached.services.forget(target)
  const id = await tell(person, 'a')
  await after(person, 30)
  expect((await listDevices(person, { limit: 10 })).items).toEqual([])
  expect((await ledger(person, id)).filter(({ reason }) => reason === 'the device is gone')).toHaveLength(3)
  const fresh = await makeDevices(person)
  const other = await tell(person, 'b')
  await revoke(person)
  await after(person, 30)
  expect(pushedTo(fresh.targets)).toEqual([])
  const rows = await person.db.select().from(deliveries).where(eq(deliveries.notificationId, other))
  expect(rows.filter(({ status }) => status === 'skipped')).toHaveLength(3)
  reached.services.refused.splice(0)
})

test('quiet hours that were set meanwhile put it off, and what is urgent breaks through where it may', async () => {
  const person = await makeOwner('2026-10-24T20:30:00Z')
  const { targets } = await makeDevices(person)
  const late = await tell(person, 'late')
  const urgent = await tell(person, 'urgent', { priority: 'urgent' })
  await updateSettings(person, { urgentBreaksQuiet: true }, '*')
  await person.db
    .update(users)
    .set({ timeZone: 'Europe/Berlin', quietHours: { from: '22:00', to: '07:00' } })
    .where(eq(users.id, person.actor.userId))
  await after(person, 60)
  expect(textsOf(targets.slice(0, 1)).map(({ id }) => id)).toEqual([urgent])
  const morning = Date.parse('2026-10-25T06:00:00Z')
  expect(person.armed.map(({ dueMs }) => dueMs)).toContain(morning)
  person.clock.ms = morning - 1000
  await after(person, 0)
  expect(await fates(person, late)).toContain('push show waiting')
  await after(person, 1)
  expect(textsOf(targets.slice(0, 1)).map(({ id }) => id)).toEqual([urgent, late])
})

test('a newer one of the same replaces the one before, also where that was pushed', async () => {
  const person = await makeOwner()
  const { endpoint, ...device } = browser(person)
  await registerDevice(person, { ...device, endpoint })
  const first = await tell(person, 'a', { collapseKey: 'build' })
  await after(person, 30)
  await tell(person, 'b', { collapseKey: 'build' })
  await tell(person, 'c', { collapseKey: 'build' })
  await after(person, 30)
  expect(textsOf([endpoint]).map(({ title }) => title)).toEqual(['Said a', 'Said c'])
  expect(new Set(pushedTo([endpoint]).map(({ topic }) => topic)).size).toBe(1)
  expect(await person.db.select().from(deliveries).where(eq(deliveries.notificationId, first))).toHaveLength(2)
})

test('texts of the most letters there may be still fit, in every service', async () => {
  const person = await makeOwner()
  const { targets } = await makeDevices(person)
  const label = '\u{6f22}'.repeat(60)
  const actions = ['a', 'b', 'c', 'd'].map(
    (id) => ({ id: id.repeat(40), label, method: 'approve', target: '/v1/x' }) as const,
  )
  await tell(person, 'a', { title: '\u{6f22}'.repeat(300), body: '\u{6f22}'.repeat(500), actions })
  await after(person, 30)
  expect(reached.services.refused).toEqual([])
  expect(pushedTo(targets)).toHaveLength(3)
})

test('what a lost timer left is found by the sweep', async () => {
  const person = await makeOwner()
  const { targets } = await makeDevices(person)
  await tell(person, 'a')
  person.clock.ms += 46_000
  expect(await sweepDeliveries(person)).toBeGreaterThan(0)
  expect(pushedTo(targets)).toHaveLength(3)
})
