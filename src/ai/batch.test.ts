import { eq } from 'drizzle-orm'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { callOf, MINUTE_MS, startBatchWorld } from '#test/batch-world'
import { createChance } from '#test/proofs/chance'
import { users } from '#users/tables'
import { enqueue, runBatches } from './index.ts'

const HOUR_MS = 60 * MINUTE_MS
let world: Awaited<ReturnType<typeof startBatchWorld>>
beforeAll(async () => {
  world = await startBatchWorld()
}, 60_000)
afterAll(() => world.stop())
beforeEach(() => world.clear())

type Person = Awaited<ReturnType<typeof world.person>>
const within = (ms: number) => ({ deadline: new Date(world.clock.ms + ms) })
const ask: typeof world.ask = (...asked) => world.ask(...asked)

test('calls of several people go in one batch, and each answer, in whatever order it comes, finds its own call', async () => {
  const [sam, kim] = [await world.person(), await world.person()]
  const ids = [await ask(sam, 'case-one'), await ask(kim, 'case-two'), await ask(sam, 'case-three')]
  await world.tick()
  expect(world.claude.batches.map(({ requests }) => requests.map((each) => each.custom_id).sort())).toEqual([
    ids.toSorted(),
  ])
  await world.pass(8)
  const [one = '', two = '', three = ''] = ids
  expect(await sam.answer(one)).toMatchObject({
    state: 'answered',
    answer: { text: 'answer to case-one', stop: 'done' },
  })
  expect(await kim.answer(two)).toMatchObject({ state: 'answered', answer: { text: 'answer to case-two' } })
  expect(await sam.answer(three)).toMatchObject({ state: 'answered', answer: { text: 'answer to case-three' } })
  await expect(kim.answer(one)).rejects.toMatchObject({ code: 'not_found' })
  expect(await kim.events()).toMatchObject([{ data: { id: two, state: 'answered', errorCode: null } }])
  expect(kim.steward.lines().map(({ callId }) => callId)).toEqual([two])
})

test('one call under one id; a deadline that is over or far away, and a request too long, are refused', async () => {
  const person = await world.person()
  const again = { ...person.ctx, newId: () => 'aic_again' }
  expect(await enqueue(again, callOf('case-1'), within(HOUR_MS))).toBe('aic_again')
  expect(await enqueue(again, callOf('case-2'), within(HOUR_MS))).toBe('aic_again')
  const refused = { code: 'invalid_request' }
  await expect(ask(person, 'case-3', -1)).rejects.toMatchObject(refused)
  await expect(ask(person, 'case-4', 8 * 24 * HOUR_MS)).rejects.toMatchObject(refused)
  await expect(ask(person, 'x'.repeat(300_000))).rejects.toMatchObject(refused)
  await world.tick()
  expect(world.claude.batches.map(({ requests }) => requests.length)).toEqual([1])
})

test('two crons at once send, read and settle each call once', async () => {
  const person = await world.person()
  const ids = await Promise.all(Array.from({ length: 12 }, (_, n) => ask(person, `case-${n}`)))
  for (let minute = 0; minute < 10; minute++) {
    await Promise.all([world.tick(), world.tick(), world.tick()])
    world.clock.ms += MINUTE_MS
  }
  expect(world.claude.bills.map((bill) => bill.id).sort()).toEqual(ids.toSorted())
  expect(person.ledgerMicros()).toBe(world.claude.billedMicros())
  expect(await person.events()).toHaveLength(12)
})

test('nothing goes out that a Steward does not hold, and no answer comes in that it did not settle', async () => {
  const person = await world.person()
  const id = await ask(person, 'case-away')
  world.crash.areStewardsAway = true
  await world.tick()
  expect(world.claude.batches).toEqual([])
  world.crash.areStewardsAway = false
  await world.pass(12)
  world.crash.areStewardsAway = true
  await world.pass(10)
  expect([world.claude.bills.length, (await person.answer(id)).state]).toEqual([1, 'sent'])
  world.crash.areStewardsAway = false
  await world.pass(10)
  expect(await person.answer(id)).toMatchObject({ state: 'answered' })
  expect(person.ledgerMicros()).toBe(world.claude.billedMicros())
})

test('the batch of somebody who is gone meanwhile harms nobody', async () => {
  const [person, gone] = [await world.person(), await world.person()]
  const id = await ask(person, 'case-here')
  await ask(gone, 'case-gone')
  await world.tick()
  await world.ctx.db.delete(users).where(eq(users.id, gone.ctx.actor.userId))
  await world.pass(8)
  expect(await person.answer(id)).toMatchObject({ state: 'answered' })
  expect(world.logged).toEqual(['batch.sent'])
})

test('a call costs half of what it costs directly, to the micro-dollar, from the background allowance', async () => {
  const person = await world.person()
  const id = await ask(person, 'case-half')
  await world.tick()
  const { background, own } = await person.steward.budget()
  expect([background.day.reservedMicros > 0, own.day.reservedMicros]).toEqual([true, 0])
  await world.pass(8)
  const [line] = person.steward.lines()
  if (!line) throw new Error('no line')
  // 2 dollars a million in, 10 out; half of it, rounded up.
  const micros = Math.ceil((line.inputTokens * 2 + line.outputTokens * 10) / 2)
  expect(line).toMatchObject({
    callId: id,
    feature: 'batch',
    isBackground: true,
    isEstimated: false,
    costMicros: micros,
  })
  expect(world.claude.bills).toEqual([{ id, micros }])
  expect((await person.steward.budget()).background.day).toMatchObject({ spentMicros: micros, reservedMicros: 0 })
})

test('what the provider did not answer is not paid for and goes once more in a batch; what is refused is over', async () => {
  const person = await world.person()
  world.claude.plan.fate = (text) =>
    text.includes('case-bad')
      ? 'invalid'
      : text.includes('case-busy') && world.claude.batches.length < 2
        ? 'overloaded'
        : 'succeeded'
  const [good, busy, bad] = [
    await ask(person, 'case-good'),
    await ask(person, 'case-busy'),
    await ask(person, 'case-bad'),
  ]
  await world.tick()
  await world.pass(20)
  expect(await person.answer(good)).toMatchObject({ state: 'answered' })
  expect(await person.answer(busy)).toMatchObject({ state: 'answered', answer: { text: 'answer to case-busy' } })
  expect(await person.answer(bad)).toMatchObject({ state: 'failed', errorCode: 'model_failed', answer: null })
  expect(world.claude.batches.map(({ requests }) => requests.length)).toEqual([3, 1])
  expect(world.claude.bills.map(({ id }) => id)).toEqual([good, expect.stringMatching(/^aic_[0-9a-z]{26}$/)])
  expect(person.ledgerMicros()).toBe(world.claude.billedMicros())
  expect(await person.steward.nextDeadlineMs()).toBeNull()
})

test('a batch that expired twice leaves its calls to be made directly', async () => {
  const person = await world.person()
  world.claude.plan.fate = () => 'expired'
  const id = await ask(person, 'case-old')
  await world.tick()
  await world.pass(30)
  expect(world.claude.batches.length).toBe(2)
  expect(await person.answer(id)).toMatchObject({ state: 'answered', answer: { text: 'direct answer to case-old' } })
  expect(person.ledgerMicros()).toBe(world.claude.billedMicros())
})

test('after its deadline a call is made directly; the batch that answers later is paid for, and changes nothing', async () => {
  const person = await world.person()
  world.claude.plan.endsAfterMs = 3 * HOUR_MS
  const id = await ask(person, 'case-late', HOUR_MS)
  await world.tick()
  await world.pass(61)
  const before = await person.answer(id)
  expect(before).toMatchObject({ state: 'answered', answer: { text: 'direct answer to case-late' } })
  await world.pass(150)
  expect(await person.answer(id)).toEqual(before)
  expect(world.claude.bills.map((bill) => bill.id)).toEqual(['direct', id])
  expect(
    person.steward
      .lines()
      .map(({ feature }) => feature)
      .sort(),
  ).toEqual(['assistant', 'batch'])
  expect(person.ledgerMicros()).toBe(world.claude.billedMicros())
  expect(await person.steward.nextDeadlineMs()).toBeNull()
  expect(await person.events()).toHaveLength(1)
})

test('what the budget has no room for waits, and fails when its time is over', async () => {
  const person = await world.person('free')
  const huge = { ...callOf('case-huge', 100_000) }
  const id = await enqueue(person.ctx, huge, within(2 * HOUR_MS))
  const small = await ask(person, 'case-small')
  await world.tick()
  await world.pass(100)
  expect(await person.answer(id)).toMatchObject({ state: 'waiting' })
  expect(await person.answer(small)).toMatchObject({ state: 'answered' })
  await world.pass(25)
  expect(await person.answer(id)).toMatchObject({ state: 'failed', errorCode: 'budget_exhausted' })
  expect(world.claude.bills.map((bill) => bill.id)).toEqual([small])
})

test('a provider without batches is asked directly, in the background', async () => {
  const person = await world.person()
  const config = world.configOf({ AI_PROVIDERS: 'offline' })
  const id = await enqueue({ ...person.ctx, config }, callOf('hello'), within(HOUR_MS))
  await runBatches({ ...world.ctx, config })
  expect(await person.answer(id)).toMatchObject({ state: 'answered', answer: { receipt: { provider: 'offline' } } })
  expect(person.steward.lines()).toMatchObject([{ isBackground: true, feature: 'assistant' }])
})

test('a batch that was refused is sent again when its time has come', async () => {
  const person = await world.person()
  world.claude.plan.creations = [429]
  const id = await ask(person, 'case-again')
  await world.tick()
  expect(await person.steward.nextDeadlineMs()).toBeNull()
  await world.pass(10)
  expect(await person.answer(id)).toMatchObject({ state: 'answered' })
  expect(world.claude.bills.map((bill) => bill.id)).toEqual([id])
})

test('a batch whose creation was not heard of is found, not sent again', async () => {
  const person = await world.person()
  world.claude.plan.creations = ['lost']
  const id = await ask(person, 'case-lost')
  await world.tick()
  await world.pass(30)
  expect(world.claude.batches.length).toBe(1)
  expect(await person.answer(id)).toMatchObject({ state: 'answered', answer: { text: 'answer to case-lost' } })
  expect(person.ledgerMicros()).toBe(world.claude.billedMicros())
})

test('while a batch runs that may hold a lost call, it is not sent again', async () => {
  const person = await world.person()
  world.claude.plan.creations = ['lost']
  world.claude.plan.endsAfterMs = 2 * HOUR_MS
  const id = await ask(person, 'case-slow')
  await world.tick()
  await world.pass(60)
  expect([world.claude.batches.length, (await person.answer(id)).state]).toEqual([1, 'sent'])
  await world.pass(70)
  expect(await person.answer(id)).toMatchObject({ state: 'answered' })
  expect(world.claude.bills.map((bill) => bill.id)).toEqual([id])
})

test('what a batch says nothing of, or a batch that is gone, is asked again, and its reservation charged in the end', async () => {
  const person = await world.person()
  world.claude.plan.fate = () => (world.claude.batches.length === 1 ? 'no line' : 'succeeded')
  const id = await ask(person, 'case-mute')
  await world.tick()
  const { reservedMicros: worst } = (await person.steward.budget()).background.day
  await world.pass(20)
  expect(await person.answer(id)).toMatchObject({ state: 'answered' })
  world.claude.plan.fate = () => 'succeeded'
  const other = await ask(person, 'case-gone')
  await world.tick()
  world.claude.drop()
  await world.pass(20)
  expect(await person.answer(other)).toMatchObject({ state: 'answered' })
  expect(world.logged.filter((event) => event === 'batch.no_result')).toHaveLength(2)
  world.clock.ms += 26 * HOUR_MS
  expect(person.steward.overdue()).toEqual([id, other])
  expect(person.ledgerMicros()).toBeGreaterThanOrEqual(world.claude.billedMicros() + 2 * (worst - 10))
})

test.each([true, false])(
  'wherever the machine dies (its last trip made: %s), each call is answered, told and paid for once',
  async (isMade) => {
    let left = 0
    for (let isOver = false; !isOver; left++) {
      await world.clear()
      const person = await world.person()
      const ids = [await ask(person, 'case-a'), await ask(person, 'case-b')]
      world.claude.plan.fate = (text) =>
        text.includes('case-b') && world.claude.batches.length === 1 ? 'expired' : 'succeeded'
      world.crash.at = { left: left + 1, isMade }
      const steps = [world.tick, () => world.pass(12, 3)]
      for (const step of steps) await step().catch(() => undefined)
      isOver = world.crash.at.left > 0
      delete world.crash.at
      await world.pass(30)
      const answers = await Promise.all(ids.map((id) => person.answer(id)))
      expect([left, ...answers.map(({ state }) => state)]).toEqual([left, 'answered', 'answered'])
      expect([left, person.ledgerMicros(), world.claude.bills.length]).toEqual([left, world.claude.billedMicros(), 2])
      expect([left, (await person.events()).length, person.steward.nextDeadlineMs()]).toEqual([left, 2, null])
    }
    expect(left).toBeGreaterThan(40)
  },
  120_000,
)

test('of 200 calls by chance nothing is lost, and the ledger is what was billed', async () => {
  const chance = createChance(20261122)
  const people = await Promise.all(Array.from({ length: 5 }, () => world.person()))
  const fates = new Map<string, 'succeeded' | 'overloaded' | 'expired'>()
  world.claude.plan.fate = (text) => fates.get(/case-\d+/.exec(text)?.[0] ?? '') ?? 'succeeded'
  const asked: { person: Person; id: string; n: number }[] = []
  for (let n = 0; n < 200; n++) {
    const person = chance.pick(people)
    fates.set(`case-${n}`, chance.pick(['succeeded', 'succeeded', 'succeeded', 'overloaded', 'expired']))
    asked.push({ person, n, id: await ask(person, `case-${n}`, (20 + chance.int(300)) * MINUTE_MS) })
    if (chance.int(4) === 0) await world.pass(1)
    if (chance.int(10) === 0) world.claude.plan.creations = [chance.pick([429, 500, 'lost'] as const)]
    world.claude.plan.endsAfterMs = (1 + chance.int(40)) * MINUTE_MS
  }
  await world.pass(400)
  const answers = await Promise.all(asked.map(({ person, id }) => person.answer(id)))
  expect(answers.filter(({ state }) => state !== 'answered')).toEqual([])
  for (const [index, { n }] of asked.entries()) expect(answers[index]?.answer?.text).toMatch(new RegExp(`case-${n}$`))
  const ledger = people.reduce((sum, person) => sum + person.ledgerMicros(), 0)
  expect(ledger).toBe(world.claude.billedMicros())
  expect(people.map(({ steward }) => steward.nextDeadlineMs())).toEqual([null, null, null, null, null])
  expect(new Set(world.claude.bills.map(({ id }) => id).filter((id) => id !== 'direct')).size).toBe(
    world.claude.bills.filter(({ id }) => id !== 'direct').length,
  )
}, 120_000)
