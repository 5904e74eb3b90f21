import { and, eq } from 'drizzle-orm'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { emailMessages } from '#email/tables'
import { after, type Owner, startReached, tell } from '#test/reached'
import { users } from '#users/tables'
import { listDeliveries, overduePeople } from './ledger.ts'
import { updateSettings } from './settings.ts'
import { deliveries } from './tables.ts'

let reached: Awaited<ReturnType<typeof startReached>>
beforeAll(async () => {
  reached = await startReached()
})
afterAll(() => reached.services.stop())
const makeOwner = (startsAt?: string) => reached.makeOwner(startsAt)
const ledger = async (person: Owner, id: string) => (await listDeliveries(person, id)).items
const fates = async (person: Owner, id: string) =>
  (await ledger(person, id)).map(({ channel, purpose, status }) => `${channel} ${purpose} ${status}`).sort()

const mailsOf = (person: Owner) =>
  person.db
    .select({ id: emailMessages.id, kind: emailMessages.kind, status: emailMessages.status })
    .from(emailMessages)
    .where(eq(emailMessages.userId, person.actor.userId))

test('a mail comes last, once, and only to an address that is confirmed', async () => {
  const person = await makeOwner()
  const id = await tell(person, 'a', { priority: 'high' })
  await after(person, 629)
  expect(await mailsOf(person)).toEqual([])
  await after(person, 1)
  await after(person, 3600)
  const [mail, ...others] = await mailsOf(person)
  expect([mail, others]).toEqual([{ id: expect.any(String), kind: 'notification', status: 'queued' }, []])
  expect(await fates(person, id)).toEqual(['mail show sent', 'socket show sent'])
  await person.db.update(users).set({ emailVerifiedAt: null }).where(eq(users.id, person.actor.userId))
  const other = await tell(person, 'b', { priority: 'high' })
  await after(person, 3600)
  expect(await fates(person, other)).toContain('mail show skipped')
  expect(await mailsOf(person)).toHaveLength(1)
})

test('what is gathered is one mail of the hour; a crash before its commit sends it all the same, once', async () => {
  const person = await makeOwner('2026-06-01T12:10:00Z')
  await updateSettings(person, { default: { push: 'always', mail: 'always', timing: 'hourly' } }, '*')
  const ids = [await tell(person, 'a'), await tell(person, 'b')]
  await after(person, 49 * 60)
  expect(await mailsOf(person)).toEqual([])
  person.clock.ms += 60_000
  await person.db
    .update(deliveries)
    .set({ status: 'sending', attempts: 1, claimedAt: new Date(person.clock.ms) })
    .where(and(eq(deliveries.notificationId, ids[0] ?? ''), eq(deliveries.channel, 'digest')))
  await after(person, 61)
  await after(person, 3600)
  expect(await mailsOf(person)).toEqual([{ id: expect.any(String), kind: 'notification_digest', status: 'queued' }])
  for (const id of ids) expect(await fates(person, id)).toEqual(['digest show sent', 'socket show sent'])
})

test.each(['mail', 'digest'] as const)(
  'a %s that cannot be written down is claimed five times, then it has failed',
  async (channel) => {
    const person = await makeOwner('2026-06-01T12:10:00Z')
    const timing = channel === 'mail' ? 'instant' : 'hourly'
    await updateSettings(person, { default: { push: 'never', mail: 'always', timing } }, '*')
    const id = await tell(person, 'a')
    const { newId } = person
    let tried = 0
    person.newId = (prefix) => {
      if (prefix !== 'eml') return newId(prefix)
      tried++
      throw new Error('no id')
    }
    const asked = new Set<string>()
    await after(person, 3600)
    for (let minute = 0; minute < 160; minute++) {
      const late = (await overduePeople(person, 1000)).find(({ userId }) => userId === person.actor.userId)
      if (late) asked.add(late.at)
      await after(person, 61)
      // An hour of trouble is no end of it.
      if (minute === 60) expect(tried).toBe(4)
    }
    expect(tried).toBe(5)
    expect(asked.size).toBeLessThanOrEqual(5)
    const row = (await ledger(person, id)).find((one) => one.channel === channel)
    expect(row).toMatchObject({ status: 'failed', attempts: 5, reason: 'it could not be written down' })
    expect((await overduePeople(person, 1000)).map(({ userId }) => userId)).not.toContain(person.actor.userId)
  },
)

test('whoever is woken on the second and is milliseconds behind finds what is due: a digest, and the end of quiet hours', async () => {
  const gathered = await makeOwner('2026-06-01T12:10:00Z')
  await updateSettings(gathered, { default: { push: 'never', mail: 'always', timing: 'hourly' } }, '*')
  const id = await tell(gathered, 'a')
  await after(gathered, 50 * 60 - 0.02)
  expect(await fates(gathered, id)).toContain('digest show sent')
  const asleep = await makeOwner('2026-06-01T03:00:00Z')
  const quiet = { timeZone: 'UTC', quietHours: { from: '22:00', to: '07:00' } }
  await asleep.db.update(users).set(quiet).where(eq(users.id, asleep.actor.userId))
  await updateSettings(asleep, { default: { push: 'never', mail: 'always', timing: 'hourly' } }, '*')
  const other = await tell(asleep, 'b')
  await after(asleep, 4 * 3600 - 0.02)
  expect(await fates(asleep, other)).toContain('digest show sent')
})
