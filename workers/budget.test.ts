import { evictDurableObject, runDurableObjectAlarm, runInDurableObject, SELF } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { asc, eq } from 'drizzle-orm'
import { afterEach, expect, test, vi } from 'vitest'
import type { Reserved } from '#ai'
import { usageEvents } from '#ai/tables'
import { readConfig } from '#config'
import { makeAsk, makeSettlement } from '#test/ai-call'
import { makePerson } from '#test/database'
import { users } from '#users/tables'

// Far enough for the platform's own clock never to ring an alarm of a test.
const START_MS = Date.parse('2031-03-10T09:00:00.000Z')
const HELD_MS = 600_000
const WORST = 1000

afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

const clockAt = (afterMs: number) => vi.useFakeTimers({ toFake: ['Date'], now: START_MS + afterMs })

async function makeWorld() {
  clockAt(0)
  const person = await makePerson()
  const { userId } = person.actor
  const steward = env.STEWARD.getByName(userId)
  const ask = (id: string, worstMicros = WORST) =>
    makeAsk(id, { userId, worstMicros, deadlineMs: Date.now() + HELD_MS })
  const settlement = (id: string, costMicros = 10) => makeSettlement(id, costMicros)
  const spend = async (costMicros = 10) => {
    // A stub of its own: one is bound to where it was made, which a test that waits for the object leaves.
    const own = env.STEWARD.getByName(userId)
    const id = person.newId('aic')
    await own.reserve(ask(id))
    await own.settle(settlement(id, costMicros))
    return id
  }
  const ledger = async () => {
    const lines = await person.db
      .select({ id: usageEvents.id, cost: usageEvents.costMicros, outcome: usageEvents.outcome })
      .from(usageEvents)
      .where(eq(usageEvents.userId, userId))
      .orderBy(asc(usageEvents.id))
    return lines.map(({ id, ...line }) => ({ id: id.replace(/\.\d+/, ''), ...line }))
  }
  const ring = (afterMs: number) => {
    clockAt(afterMs)
    return runDurableObjectAlarm(steward)
  }
  const alarmMs = () => runInDurableObject(steward, (_, { storage }) => storage.getAlarm())
  return { person, steward, ask, settlement, spend, ledger, ring, alarmMs }
}

/** Lets no trip through that writes the ledger, or loses its answer. */
function cutLedger(how: 'before' | 'after') {
  const real = globalThis.fetch
  vi.spyOn(globalThis, 'fetch').mockImplementation(async (input, init) => {
    if (typeof init?.body !== 'string' || !init.body.includes('insert into \\"usage_events\\"'))
      return await real(input, init)
    if (how === 'after') await real(input, init)
    throw new Error('the line is cut')
  })
}

test('what is held and what was spent outlive an eviction', async () => {
  const { person, steward, ask, spend } = await makeWorld()
  await steward.reserve(ask(person.newId('aic')))
  await spend(10)
  await evictDurableObject(steward)
  expect((await steward.budget()).own.day).toMatchObject({ spentMicros: 10, reservedMicros: WORST })
})

test('of many calls at once no more are held than there is room for', async () => {
  const { person, steward, ask } = await makeWorld()
  const none = { dayMicros: null, monthMicros: null }
  await steward.setBudget({ caps: { own: { dayMicros: 10 * WORST, monthMicros: null }, background: none } })
  const asked = await Promise.all(Array.from({ length: 40 }, () => steward.reserve(ask(person.newId('aic')))))
  expect(asked.filter((reserved: Reserved) => reserved.ok)).toHaveLength(10)
  expect(asked.find((reserved: Reserved) => !reserved.ok)).toMatchObject({
    reason: 'cap',
    resetAtMs: Date.parse('2031-03-11'),
  })
})

test('a settled call is in Postgres a second later, and its timer with it', async () => {
  const { spend, ledger, ring, alarmMs, steward } = await makeWorld()
  const ids = [await spend(1), await spend(2), await spend(3)]
  expect(await alarmMs()).toBe(START_MS + 1000)
  expect(await ledger()).toEqual([])
  expect(await ring(1000)).toBe(true)
  expect(await ledger()).toEqual(ids.map((id, index) => ({ id, cost: index + 1, outcome: 'done' })))
  expect(await steward.list()).toMatchObject([{ name: 'budget:overdue' }])
})

test('the end of a call told twice, and brought twice, is one line', async () => {
  const { steward, settlement, spend, ledger } = await makeWorld()
  const id = await spend(7)
  cutLedger('after')
  expect(await steward.flushUsage()).toEqual({ ok: false, reason: 'unavailable' })
  vi.restoreAllMocks()
  expect(await steward.settle(settlement(id, 9))).toMatchObject({ ok: true, chargedMicros: 7 })
  expect(await steward.flushUsage()).toEqual({ ok: true })
  expect(await ledger()).toEqual([{ id, cost: 7, outcome: 'done' }])
})

test('what Postgres does not take is brought again, later each time, and nothing is lost', async () => {
  const { spend, ledger, ring, steward } = await makeWorld()
  const first = await spend(1)
  cutLedger('before')
  await ring(1000)
  expect(await steward.list()).toMatchObject([{ name: 'usage:flush', dueMs: START_MS + 3000, attempts: 1 }, {}])
  const second = await spend(2)
  expect(await steward.list()).toMatchObject([{ name: 'usage:flush', attempts: 1 }, {}])
  await evictDurableObject(steward)
  await ring(3000)
  expect(await steward.list()).toMatchObject([{ name: 'usage:flush', dueMs: START_MS + 7000, attempts: 2 }, {}])
  vi.restoreAllMocks()
  await ring(7000)
  expect((await ledger()).map(({ id }) => id)).toEqual([first, second])
})

test('what is settled while lines are on their way to Postgres goes with them', async () => {
  const { spend, ledger, ring } = await makeWorld()
  const first = await spend(1)
  const real = globalThis.fetch
  const [held, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  vi.spyOn(globalThis, 'fetch').mockImplementation(async (input, init) => {
    held.resolve()
    await released.promise
    return await real(input, init)
  })
  const ringing = ring(1000)
  await held.promise
  const second = await spend(2)
  released.resolve()
  await ringing
  expect((await ledger()).map(({ id }) => id)).toEqual([first, second])
})

test('a call of which nothing more is heard is charged in full by the alarm, and corrected later', async () => {
  const { person, steward, ask, settlement, ledger, ring } = await makeWorld()
  const [lost, found] = [person.newId('aic'), person.newId('aic')]
  await steward.reserve(ask(lost))
  clockAt(1000)
  await steward.reserve(ask(found))
  await evictDurableObject(steward)
  await ring(HELD_MS)
  expect((await steward.budget()).own.month).toMatchObject({ spentMicros: WORST, reservedMicros: WORST })
  await ring(HELD_MS + 1000)
  expect((await steward.budget()).own.month).toMatchObject({ spentMicros: 2 * WORST, reservedMicros: 0 })
  await steward.settle(settlement(found, 30))
  expect((await steward.budget()).own.month).toMatchObject({ spentMicros: WORST + 30 })
  await steward.flushUsage()
  expect(await ledger()).toEqual([
    { id: lost, cost: WORST, outcome: 'lost' },
    { id: found, cost: WORST, outcome: 'lost' },
    { id: `${found}.final`, cost: 30, outcome: 'done' },
    { id: `${found}.reversal`, cost: -WORST, outcome: 'reversed' },
  ])
})

test('the alarm asks the ledger first: what it knows is charged, and nothing is while it cannot be asked', async () => {
  const { person, steward, ask, settlement, ring } = await makeWorld()
  const { userId } = person.actor
  const [known, lost] = [person.newId('aic'), person.newId('aic')]
  for (const id of [known, lost]) await steward.reserve(ask(id))
  const { usage, decision: _, ...said } = settlement(known, 30)
  const ofCall = {
    callId: known,
    userId,
    kind: 'chat',
    feature: 'assistant',
    provider: 'anthropic',
    isBackground: false,
  }
  const line = { ...usage, ...said, ...ofCall, id: `${known}.${START_MS + HELD_MS}` }
  await person.db.insert(usageEvents).values({ ...line, createdAt: new Date(START_MS) })
  const real = globalThis.fetch
  vi.spyOn(globalThis, 'fetch').mockImplementation(async (input, init) => {
    if (String(init?.body).includes('from \\"usage_events\\"')) throw new Error('the line is cut')
    return await real(input, init)
  })
  await ring(HELD_MS)
  expect((await steward.budget()).own.month).toMatchObject({ spentMicros: 0, reservedMicros: 2 * WORST })
  vi.restoreAllMocks()
  await ring(HELD_MS + 10_000)
  expect((await steward.budget()).own.month).toMatchObject({ spentMicros: 30 + WORST, reservedMicros: 0 })
  // Told after all, it changes nothing.
  expect(await steward.settle(settlement(known, 99))).toEqual({ ok: true, chargedMicros: 30, overMicros: 0 })
})

test('while the ledger is asked a call may be heard of or held again: only the hold that was looked at is closed', async () => {
  const { person, steward, ask, settlement, ring } = await makeWorld()
  const [heard, again] = [person.newId('aic'), person.newId('aic')]
  for (const id of [heard, again]) await steward.reserve(ask(id))
  const real = globalThis.fetch
  const [asked, answered] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  vi.spyOn(globalThis, 'fetch').mockImplementation(async (input, init) => {
    asked.resolve()
    await answered.promise
    return await real(input, init)
  })
  const ringing = ring(HELD_MS)
  await asked.promise
  const own = () => env.STEWARD.getByName(person.actor.userId)
  await own().settle(settlement(heard, 30))
  await own().reserve(ask(again, 7))
  answered.resolve()
  await ringing
  expect((await own().budget()).own.month).toMatchObject({ spentMicros: 30 + WORST, reservedMicros: 7 })
})

test('a call that was not sent is given back', async () => {
  const { person, steward, ask } = await makeWorld()
  const id = person.newId('aic')
  await steward.reserve(ask(id))
  expect(await steward.release(id)).toEqual({ ok: true, released: true })
  expect((await steward.budget()).own.day).toMatchObject({ spentMicros: 0, reservedMicros: 0 })
})

test('an alarm that should have rung is set again by the next call', async () => {
  const { steward, spend, alarmMs } = await makeWorld()
  await spend()
  await runInDurableObject(steward, (_, { storage }) => storage.deleteAlarm())
  clockAt(5000)
  await spend()
  expect(await alarmMs()).toBe(START_MS + 5000)
})

test('who is erased has no budget, no lines and no limits of their own, and no line comes after them', async () => {
  const { person, steward, spend, settlement, ledger, alarmMs } = await makeWorld()
  const id = await spend()
  await steward.setBudget({ isPaused: true })
  await steward.erase()
  expect(await steward.budget()).toMatchObject({ isPaused: false, own: { month: { spentMicros: 0 } } })
  expect(await alarmMs()).toBeNull()
  expect(await steward.settle(settlement(id))).toEqual({ ok: false, reason: 'unknown' })
  await spend()
  await person.db.delete(users).where(eq(users.id, person.actor.userId))
  await spend()
  expect(await steward.flushUsage()).toEqual({ ok: true })
  expect(await ledger()).toEqual([])
})

test('the operator gives a person a plan, which is theirs at once; there is none for nobody', async () => {
  const { person, steward } = await makeWorld()
  const put = async (id: string, body: object) => {
    const answer = await SELF.fetch(`http://aurelius.test/v1/admin/people/${id}/plan`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${readConfig(env).auth.operatorToken}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    return { status: answer.status, json: await answer.json() }
  }
  expect(await steward.budget()).toMatchObject({ plan: 'free' })
  const { own } = await steward.budget()
  const given = await put(person.actor.userId, { plan: 'max' })
  expect(given).toMatchObject({ status: 200, json: { plan: 'max', isPaused: false } })
  const now = await steward.budget()
  expect(now).toMatchObject({ plan: 'max' })
  expect(now.own.month.limitMicros).toBeGreaterThan(own.month.limitMicros)
  const nobody = person.newId('usr')
  expect(await put(nobody, { plan: 'max' })).toMatchObject({ status: 404, json: { code: 'not_found' } })
  expect(await env.STEWARD.getByName(nobody).budget()).toMatchObject({ plan: 'free' })
  expect((await put(person.actor.userId, { plan: 'gold' })).status).toBe(400)
})
