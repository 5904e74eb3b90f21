import { asc, eq, sql } from 'drizzle-orm'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { takeJobs } from '#queue'
import { jobAttempts, jobs } from '#queue/tables'
import { emptyQueues, message } from '#test/jobs'
import { type Owner, startReached, tell } from '#test/reached'
import { users } from '#users/tables'
import { registerDevice } from './devices.ts'
import { deliverNotifications, deliverSoon, sweepDeliveries } from './jobs.ts'

let reached: Awaited<ReturnType<typeof startReached>>
beforeAll(async () => {
  reached = await startReached()
})
afterAll(() => reached.services.stop())
beforeEach(emptyQueues)
afterEach(() => void vi.useRealTimers())

/** Somebody with a browser and something that is due to be pushed to it. */
async function makeOwner() {
  const person = await reached.makeOwner()
  const browser = reached.browser(person)
  await registerDevice(person, browser)
  await tell(person, 'a')
  person.clock.ms += 30_000
  return { person, endpoint: browser.endpoint }
}
const jobsOf = (person: Owner) =>
  person.db.select().from(jobs).where(eq(jobs.owner, person.actor.userId)).orderBy(asc(jobs.id))
const ring = (person: Owner, id = '1') => deliverSoon(person, { userId: person.actor.userId, id })
/** Messages of these jobs come to the consumer; each is worth one claim, whoever's turn it is. */
async function arrive(person: Owner, ids: string[]): Promise<void> {
  const asked = ids.map((id) => message(id).it)
  await takeJobs(person, 'notifications', asked, { deliver_notifications: deliverNotifications })
}
const comeDue = (person: Owner) => person.db.update(jobs).set({ availableAt: sql`now()` })

test('a timer asks for one job, however often it rings, and a push is made once', async () => {
  const { person, endpoint } = await makeOwner()
  await Promise.all([ring(person), ring(person)])
  const asked = await jobsOf(person)
  expect(asked).toMatchObject([{ queue: 'notifications', kind: 'deliver_notifications', ref: person.actor.userId }])
  for (const _ of [1, 2]) await arrive(person, [asked[0]?.id ?? ''])
  expect(reached.pushedTo([endpoint])).toHaveLength(1)
  expect(await jobsOf(person)).toMatchObject([{ status: 'done', attempts: 1 }])
})

test('what a service puts off is a failed attempt, tried again not before its time, and no two at the same', async () => {
  const waits: number[] = []
  for (let n = 0; n < 3; n++) {
    const { person, endpoint } = await makeOwner()
    reached.services.fail({ status: 503 })
    await ring(person)
    const [{ id } = { id: '' }] = await jobsOf(person)
    await arrive(person, [id])
    expect(reached.pushedTo([endpoint])).toEqual([])
    const [failed] = await jobsOf(person)
    expect(failed).toMatchObject({ status: 'waiting', attempts: 1, errorCode: 'unavailable' })
    const [tried] = await person.db.select().from(jobAttempts).where(eq(jobAttempts.jobId, id))
    expect(tried).toMatchObject({ outcome: 'failed', error: expect.stringContaining('answered 503') })
    waits.push(((failed?.availableAt.getTime() ?? 0) - Date.now()) / 1000)
    person.clock.ms += 61_000
    await comeDue(person)
    await arrive(person, [id])
    expect(reached.pushedTo([endpoint])).toHaveLength(1)
    expect(await jobsOf(person)).toMatchObject([{ status: 'done', attempts: 2 }])
  }
  expect(Math.min(...waits)).toBeGreaterThan(25)
  expect(Math.max(...waits)).toBeLessThan(65)
  expect(new Set(waits.map(Math.round)).size).toBeGreaterThan(1)
})

test('what breaks at every attempt is dead and seen as that, and keeps nobody else from being told', async () => {
  const [poisoned, other] = [await makeOwner(), await makeOwner()]
  const { person } = poisoned
  // No clock on any wall: whether it is quiet there nobody can tell.
  const nowhere = { timeZone: 'Nowhere/None', quietHours: { from: '22:00', to: '07:00' } }
  await person.db.update(users).set(nowhere).where(eq(users.id, person.actor.userId))
  await ring(person)
  await ring(other.person)
  person.clock.ms += 10_000
  const [{ id } = { id: '' }] = await jobsOf(person)
  await arrive(person, [id, id])
  expect(reached.pushedTo([other.endpoint])).toHaveLength(1)
  for (let attempt = 1; attempt < 8; attempt++) {
    expect(await jobsOf(person)).toMatchObject([{ status: 'waiting', attempts: attempt }])
    await comeDue(person)
    await arrive(person, [id])
  }
  expect(await jobsOf(person)).toMatchObject([{ status: 'dead', attempts: 8, errorCode: 'internal' }])
  // The sweep asks once more, and not each minute: then it waits for somebody to look.
  person.clock.ms += 120_000
  await sweepDeliveries(person)
  await sweepDeliveries(person)
  expect(await jobsOf(person)).toHaveLength(2)
  expect(reached.pushedTo([poisoned.endpoint])).toEqual([])
})

test("one person's flood keeps nobody else's push waiting for more than a batch", async () => {
  const [flood, other] = [await makeOwner(), await makeOwner()]
  for (let n = 0; n < 300; n++) await ring(flood.person, `${n}`)
  await ring(other.person)
  flood.person.clock.ms += 10_000
  const first = (await jobsOf(flood.person)).slice(0, 5)
  await arrive(
    flood.person,
    first.map(({ id }) => id),
  )
  expect(reached.pushedTo([other.endpoint])).toHaveLength(1)
  const left = (await jobsOf(flood.person)).filter(({ status }) => status === 'waiting')
  expect(left).toHaveLength(296)
})

test('what a lost timer left is asked for by the sweep, once', async () => {
  const { person, endpoint } = await makeOwner()
  person.clock.ms += 16_000
  expect(await sweepDeliveries(person)).toBeGreaterThan(0)
  await sweepDeliveries(person)
  expect(await jobsOf(person)).toHaveLength(1)
  // Those that others left are swept too.
  const all = await person.db.select({ id: jobs.id }).from(jobs)
  await arrive(
    person,
    all.map(({ id }) => id),
  )
  expect(reached.pushedTo([endpoint])).toHaveLength(1)
})

test('what is late is asked for before a Steward is asked to arm what is soon', async () => {
  const { person } = await makeOwner()
  person.clock.ms += 16_000
  await tell(person, 'soon')
  const before: number[] = []
  const arm = async () => {
    before.push((await jobsOf(person)).length)
    return { ok: true, armed: 1 }
  }
  person.env = { ...person.env, STEWARD: { getByName: () => ({ arm }) } } as unknown as Env
  await sweepDeliveries(person)
  expect(before.length).toBeGreaterThan(0)
  expect(new Set(before)).toEqual(new Set([1]))
})

test('a Steward that hangs is left after seconds', async () => {
  const { person } = await makeOwner()
  const asked = Promise.withResolvers<void>()
  const arm = async () => {
    asked.resolve()
    return await new Promise(() => {})
  }
  person.env = { ...person.env, STEWARD: { getByName: () => ({ arm }) } } as unknown as Env
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  let failed = ''
  const telling = tell(person, 'b').catch((error) => (failed = String(error)))
  await asked.promise
  await vi.advanceTimersByTimeAsync(5000)
  expect(failed).toContain('took too long')
  await telling
})
