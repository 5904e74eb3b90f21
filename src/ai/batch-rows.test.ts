import { eq } from 'drizzle-orm'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { batchCalls } from '#ai/tables'
import { callOf, MINUTE_MS, startBatchWorld } from '#test/batch-world'
import { enqueueIfCheaper, withdraw } from './index.ts'

const HOUR_MS = 60 * MINUTE_MS
let world: Awaited<ReturnType<typeof startBatchWorld>>
beforeAll(async () => {
  world = await startBatchWorld()
}, 60_000)
afterAll(() => world.stop())
beforeEach(() => world.clear())

const within = (ms: number) => ({ deadline: new Date(world.clock.ms + ms) })
const ask: typeof world.ask = (...asked) => world.ask(...asked)

test('a call that is withdrawn is asked no more; one that has gone with a batch is paid for, and nothing follows it', async () => {
  const [person, other] = [await world.person(), await world.person()]
  world.claude.plan.fate = (text) => (text.includes('case-expired') ? 'expired' : 'succeeded')
  const sent = [await ask(person, 'case-sent', HOUR_MS), await ask(person, 'case-expired', HOUR_MS)]
  await world.tick()
  const waiting = await ask(person, 'case-waiting', HOUR_MS)
  for (const id of [...sent, waiting]) {
    await withdraw(other.ctx, { ids: [id] })
    expect(await person.answer(id)).not.toMatchObject({ state: 'failed' })
    await withdraw(person.ctx, { ids: [id] })
    await withdraw(person.ctx, { ids: [id] })
    expect(await person.answer(id)).toMatchObject({ state: 'failed', errorCode: 'cancelled', answer: null })
  }
  await world.pass(90)
  expect(world.claude.bills.map(({ id }) => id)).toEqual([sent[0]])
  expect(person.ledgerMicros()).toBe(world.claude.billedMicros())
  expect(await person.steward.nextDeadlineMs()).toBeNull()
  expect(await person.events()).toHaveLength(3)
  const answered = await ask(person, 'case-answered')
  await world.pass(10)
  await withdraw(person.ctx, { ids: [answered] })
  expect(await person.answer(answered)).toMatchObject({ state: 'answered' })
})

test('a call is made directly at its deadline, however long the provider has its batches wait', async () => {
  const person = await world.person()
  Object.assign(world.claude.plan, { creations: [429], retryAfterS: 5 * 3600 })
  const id = await ask(person, 'case-refused', HOUR_MS)
  await world.tick()
  await world.pass(61)
  expect(await person.answer(id)).toMatchObject({
    state: 'answered',
    answer: { text: 'direct answer to case-refused' },
  })
})

test('what was left to a batch stays left, with its deadline, whatever would be chosen by now', async () => {
  const { ctx } = await world.person()
  const again = { ...ctx, newId: () => ctx.actor.userId.replace('usr', 'aic') }
  const left = await enqueueIfCheaper(again, callOf('case-left'), within(HOUR_MS))
  world.clock.ms += MINUTE_MS
  const config = world.configOf({ AI_PROVIDERS: 'offline' })
  expect(left?.id).toBe(again.newId())
  expect(await enqueueIfCheaper({ ...again, config }, callOf('case-left'), within(HOUR_MS))).toEqual(left)
  expect(await enqueueIfCheaper({ ...ctx, config }, callOf('case-other'), within(HOUR_MS))).toBeNull()
})

test('what was asked is forgotten once it can neither be asked again nor settled', async () => {
  const person = await world.person()
  world.claude.plan.endsAfterMs = 2 * HOUR_MS
  const inBatch = await ask(person, 'case-late', HOUR_MS)
  const other = await ask(person, 'case-lost', HOUR_MS)
  world.claude.plan.fate = (text) => (text.includes('case-lost') ? 'no line' : 'succeeded')
  await world.tick()
  const waiting = await ask(person, 'case-waiting', HOUR_MS)
  const isKept = async (id: string) => {
    const [row] = await world.ctx.db.select().from(batchCalls).where(eq(batchCalls.id, id))
    return JSON.stringify(row?.call).includes('case-')
  }
  const all = () => Promise.all([inBatch, other, waiting].map(isKept))
  expect(await all()).toEqual([true, true, true])
  await withdraw(person.ctx, { ids: [waiting] })
  await world.pass(61)
  expect((await person.answer(inBatch)).answer?.text).toBe('direct answer to case-late')
  expect(await all()).toEqual([true, true, false])
  await world.pass(90)
  expect(await all()).toEqual([false, false, false])
  expect(world.claude.bills.map(({ id }) => id)).toContain(inBatch)
})

test('what is withdrawn while its batch is put together is not sent with it, and costs nothing', async () => {
  const [person, other] = [await world.person(), await world.person()]
  const [kept, left] = [await ask(other, 'case-kept'), await ask(person, 'case-left')]
  // Its budget is asked after it was taken to be sent.
  const { reserve } = person.steward
  person.steward.reserve = async (...asked) => {
    await withdraw(person.ctx, { ids: [left] })
    return await reserve(...asked)
  }
  await world.pass(8)
  expect(world.claude.batches.flatMap(({ requests }) => requests.map((each) => each.custom_id))).toEqual([kept])
  expect(await person.answer(left)).toMatchObject({ state: 'failed', errorCode: 'cancelled' })
  expect(await other.answer(kept)).toMatchObject({ state: 'answered' })
  expect(person.ledgerMicros()).toBe(0)
})
