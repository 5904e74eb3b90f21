import { and, eq, inArray, sql } from 'drizzle-orm'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { emailMessages } from '#email/tables'
import { after, hear, type Owner, startReached, tell } from '#test/reached'
import { begin, claimDue } from './claim.ts'
import { registerDevice } from './devices.ts'
import { listDeliveries, overduePeople, settlePush } from './ledger.ts'
import { deleteNotification, markAllRead, markRead, markSeen } from './notification.ts'
import { notify } from './notify.ts'
import { updateSettings } from './settings.ts'
import { deliveries, notifications } from './tables.ts'

let reached: Awaited<ReturnType<typeof startReached>>
beforeAll(async () => {
  reached = await startReached()
})
afterAll(() => reached.services.stop())

const FREE = { urgent: null, others: null }
const MORNING = '2026-06-01T08:10:00Z'
let made = 0
/** A person with a phone. */
async function makeOwner(startsAt?: string) {
  const person = await reached.makeOwner(startsAt)
  const token = (0xdef000 + made++).toString(16).padStart(40, '0')
  await registerDevice(person, { kind: 'fcm', name: 'Pixel', token })
  return { person, token }
}
const claim = (person: Owner) => claimDue(person, person.actor.userId, FREE)
const rowsOf = (person: Owner, ids: string[], channel: 'push' | 'mail' | 'digest' = 'push') =>
  person.db
    .select()
    .from(deliveries)
    .where(and(inArray(deliveries.notificationId, ids), eq(deliveries.channel, channel)))
const statesOf = async (person: Owner, ids: string[], channel: 'push' | 'mail' | 'digest' = 'push') =>
  Map.groupBy(await rowsOf(person, ids, channel), ({ status }) => status)
async function tellMany(person: Owner, count: number): Promise<string[]> {
  const ids: string[] = []
  for (let n = 0; n < count; n++)
    ids.push((await notify(person, { kind: 'reminder', title: 'x', dedupeKey: `many ${n}` })).id)
  await hear(person)
  return ids
}

const overdue = async (person: Owner) => (await overduePeople(person, 1000)).map(({ userId }) => userId)

test('whoever claimed and never began leaves it to be sent, not unknown', async () => {
  const { person, token } = await makeOwner()
  const id = await tell(person, 'a')
  person.clock.ms += 30_000
  const { claimed } = await claim(person)
  expect(claimed).toHaveLength(1)
  await after(person, 59)
  expect(reached.pushedTo([token])).toEqual([])
  expect(await overdue(person)).not.toContain(person.actor.userId)
  person.clock.ms += 2000
  expect(await overdue(person)).toContain(person.actor.userId)
  await after(person, 0)
  expect(reached.pushedTo([token])).toHaveLength(1)
  expect(await rowsOf(person, [id])).toMatchObject([{ status: 'sent', attempts: 1 }])
  // And whoever was only slow does not begin it any more.
  expect(claimed[0] && (await begin(person, claimed[0]))).toBeNull()
})

test('what quiet hours put off is not claimed, and costs one trip for all of it', async () => {
  const { person } = await makeOwner('2026-06-01T07:59:40Z')
  await tellMany(person, 20)
  person.clock.ms = Date.parse(MORNING)
  person.meter.trips = 0
  const held = new Date('2026-06-01T09:00:00Z')
  const { claimed, taken, again } = await claimDue(person, person.actor.userId, { urgent: null, others: held })
  expect([claimed.length, taken, person.meter.trips]).toEqual([0, 20, 1])
  expect(new Set(again.map((at) => at.getTime()))).toEqual(new Set([held.getTime()]))
  person.clock.ms = held.getTime()
  expect((await claim(person)).claimed).toHaveLength(20)
})

test('as much as one claim takes, though some of it was seen, is followed by the rest', async () => {
  const { person, token } = await makeOwner()
  const ids = await tellMany(person, 27)
  await markSeen(person, ids[3] ?? '')
  person.armed.splice(0)
  await after(person, 60)
  expect(reached.pushedTo([token])).toHaveLength(24)
  expect(person.armed.map(({ dueMs }) => dueMs - person.clock.ms).every((ms) => ms < 1000)).toBe(true)
  expect(person.armed).toHaveLength(1)
  await after(person, 1)
  expect(reached.pushedTo([token])).toHaveLength(26)
})

test('a mail that cannot be written down stops neither the others nor what is put off', async () => {
  const { person } = await makeOwner('2026-06-01T07:00:00Z')
  await updateSettings(person, { default: { push: 'never', mail: 'always', timing: 'instant' } }, '*')
  const [bad = '', good = ''] = await tellMany(person, 2)
  const { newId } = person
  let isFirst = true
  person.newId = (prefix) => {
    if (prefix !== 'eml' || !isFirst) return newId(prefix)
    isFirst = false
    throw new Error('no id')
  }
  await after(person, 3600)
  expect([await rowsOf(person, [bad], 'mail'), await rowsOf(person, [good], 'mail')]).toMatchObject([
    [{ status: 'waiting' }],
    [{ status: 'sent' }],
  ])
  await after(person, 61)
  expect((await statesOf(person, [bad, good], 'mail')).get('sent')).toHaveLength(2)
})

test('eighty that were gathered are one mail', async () => {
  const { person } = await makeOwner('2026-06-01T10:00:00Z')
  await updateSettings(person, { default: { push: 'always', mail: 'always', timing: 'daily' } }, '*')
  const ids = await tellMany(person, 80)
  person.clock.ms = Date.parse('2026-06-02T08:00:00Z')
  await after(person, 0)
  await after(person, 61)
  const mails = await person.db
    .select({ kind: emailMessages.kind })
    .from(emailMessages)
    .where(eq(emailMessages.userId, person.actor.userId))
  expect(mails).toEqual([{ kind: 'notification_digest' }])
  expect((await statesOf(person, ids, 'digest')).get('sent')).toHaveLength(80)
})

test('read while it was on its way to a phone, it is taken back from there', async () => {
  const { person, token } = await makeOwner()
  const id = await tell(person, 'a')
  person.clock.ms += 30_000
  const [claimed] = (await claim(person)).claimed
  const begun = claimed && (await begin(person, claimed))
  if (!begun) throw new Error('it was not begun')
  await markRead(person, id)
  await hear(person)
  const again = await settlePush(person, begun, { kind: 'sent', providerId: null })
  expect(again).toEqual(new Date(person.clock.ms))
  await after(person, 0)
  expect(reached.textsOf([token])).toEqual([{ data: { type: 'clear', id } }])
})

test('read before anybody knew how its push went, it is taken back too', async () => {
  const { person, token } = await makeOwner()
  const id = await tell(person, 'a')
  person.clock.ms += 30_000
  const [claimed] = (await claim(person)).claimed
  if (claimed) await begin(person, claimed)
  await markRead(person, id)
  await hear(person)
  person.armed.splice(0)
  await after(person, 61)
  expect(person.armed).toHaveLength(1)
  await after(person, 1)
  expect(reached.textsOf([token])).toEqual([{ data: { type: 'clear', id } }])
  expect((await rowsOf(person, [id])).map(({ purpose, status }) => `${purpose} ${status}`).sort()).toEqual([
    'clear sent',
    'show unknown',
  ])
})

test.each([
  ['the newest two hundred', '1 minute', 200],
  ['those of a week', '1 hour', 167],
])('of hundreds of pushes that are read at once %s are taken back', async (_, apart, newest) => {
  const { person } = await makeOwner()
  const { userId } = person.actor
  await person.db.execute(sql`
    with told as (
      insert into ${notifications} (id, user_id, kind, title, dedupe_key)
      select ${`ntf_${userId.slice(-20)}`} || lpad(i::text, 6, '0'), ${userId}, 'reminder', 'x', i::text
      from generate_series(1, 500) i returning id, dedupe_key)
    insert into ${deliveries} (id, user_id, notification_id, channel, device_id, status, due_at, created_at, ended_at)
    select replace(t.id, 'ntf', 'dlv'), ${userId}, t.id, 'push', v.id, 'sent', now(), now(),
      ${new Date(person.clock.ms).toISOString()}::timestamptz - t.dedupe_key::int * ${apart}::interval
    from told t, devices v where v.user_id = ${userId}`)
  await markAllRead(person)
  await hear(person)
  const cleared = await person.db
    .select({ key: notifications.dedupeKey })
    .from(deliveries)
    .innerJoin(notifications, eq(notifications.id, deliveries.notificationId))
    .where(and(eq(deliveries.userId, userId), eq(deliveries.purpose, 'clear')))
  const places = cleared.map(({ key }) => Number(key)).sort((a, b) => a - b)
  expect(places).toEqual(Array.from({ length: newest }, (__, n) => n + 1))
})

test('why it was not sent is said as it was', async () => {
  const { person } = await makeOwner()
  const seen = await tell(person, 'seen')
  const over = await tell(person, 'over', { expiresAt: new Date(person.clock.ms + 10_000) })
  const away = await tell(person, 'away')
  const old = await tell(person, 'old', { collapseKey: 'build' })
  await tell(person, 'new', { collapseKey: 'build' })
  await markSeen(person, seen)
  await deleteNotification(person, away)
  await hear(person)
  await after(person, 30)
  const reasons = await rowsOf(person, [seen, over, away, old])
  const reasonOf = new Map(reasons.map(({ notificationId, reason }) => [notificationId, reason]))
  expect([seen, over, away, old].map((id) => reasonOf.get(id))).toEqual([
    'it was seen',
    'it expired',
    'it was taken away',
    'it was taken away',
  ])
  const socketOf = async (id: string) =>
    (await person.db.select().from(deliveries).where(eq(deliveries.notificationId, id))).find(
      ({ channel }) => channel === 'socket',
    )?.status
  expect([await socketOf(seen), await socketOf(away), await socketOf(old)]).toEqual(['acknowledged', 'sent', 'sent'])
  expect((await listDeliveries(person, seen)).items).toHaveLength(2)
})
