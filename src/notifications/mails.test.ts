import { and, eq } from 'drizzle-orm'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { emailMessages } from '#email/tables'
import { after, type Owner, startReached, tell } from '#test/reached'
import { users } from '#users/tables'
import { listDeliveries } from './ledger.ts'
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
