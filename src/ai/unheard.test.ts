import { expect, inject, test, vi } from 'vitest'
import { readConfig } from '#config'
import { makePerson } from '#test/database'
import { makeSteward } from '#test/steward'
import type { Call } from './call.ts'
import { choose } from './choose.ts'
import { findCosts, writeUsage } from './ledger-rows.ts'
import { NO_USAGE } from './model.ts'
import { reserve, settle } from './spending.ts'
import { readUsage } from './usage.ts'

const AWAY = new Error('away')
const NAME = 'claude-sonnet-5-5'
const call: Call = {
  kind: 'chat',
  feature: 'assistant',
  model: NAME,
  request: {
    ...{ system: '', volatileSystem: '', tools: [], maxOutputTokens: 100 },
    messages: [{ role: 'user', at: '2026-11-03T09:00:00Z', parts: [{ type: 'text', text: 'hi' }] }],
  },
}

async function makeWorld() {
  const person = await makePerson()
  const clock = { ms: person.now().getTime() }
  const steward = makeSteward(() => clock.ms)
  const ctx = {
    ...person,
    now: () => new Date(clock.ms),
    config: readConfig({ ...inject('vars'), ANTHROPIC_API_KEY: 'test', ANTHROPIC_MODEL: NAME }),
    env: { ...person.env, STEWARD: { getByName: () => steward } } as unknown as Env,
  }
  const { userId } = person.actor
  const hold = (id = ctx.newId('aic')) => {
    const standing = { plan: 'free' as const, leftShare: 1 }
    return reserve(ctx, call, choose({ config: ctx.config, id, userId, standing, isAway: () => false }, call))
  }
  const ring = async () => {
    clock.ms = steward.nextDeadlineMs() ?? clock.ms
    return steward.overdue(await findCosts(ctx, steward.stale()))
  }
  const day = async () => {
    const { spentMicros, reservedMicros } = (await steward.budget()).own.day
    return { spentMicros, reservedMicros }
  }
  const ledger = async () => (await readUsage(ctx, 'today')).total
  return { ctx, steward, clock, hold, ring, day, ledger }
}

/** As it ended, for 42 micro-dollars. */
function ended(hold: Awaited<ReturnType<typeof reserve>>) {
  const { cacheWrite1hTokens: _, ...tokens } = NO_USAGE
  const took = { costMicros: 42, isEstimated: false, firstTokenMs: 1, totalMs: 2 }
  const receipt = { callId: hold.decision.id, provider: 'anthropic', model: NAME, ...tokens, ...took }
  return { ...hold, isSent: true, end: { receipt, usage: NO_USAGE, outcome: 'done' as const } }
}

test('an end the Steward does not hear is told to the ledger, and charged as that by its alarm', async () => {
  const { ctx, steward, hold, ring, day, ledger } = await makeWorld()
  const held = await hold()
  vi.spyOn(steward, 'settle').mockRejectedValue(AWAY)
  expect(await settle(ctx, ended(held), false)).toBe(true)
  expect(await day()).toEqual({ spentMicros: 0, reservedMicros: held.worstMicros })
  expect(await ring()).toEqual([])
  expect(await day()).toEqual({ spentMicros: 42, reservedMicros: 0 })
  // The ledger has its line, and gets no second one.
  expect(steward.lines()).toEqual([])
  expect(await ledger()).toMatchObject({ calls: 1, costMicros: 42, estimatedMicros: 0 })
})

test('an estimate the Steward does not hear is charged no less than what was held', async () => {
  const { ctx, steward, hold, ring, day, ledger } = await makeWorld()
  const held = await hold()
  vi.spyOn(steward, 'settle').mockRejectedValue(AWAY)
  const { end, ...rest } = ended(held)
  await settle(ctx, { ...rest, end: { ...end, receipt: { ...end.receipt, isEstimated: true } } }, false)
  expect(await ring()).toEqual([])
  expect(await day()).toEqual({ spentMicros: held.worstMicros, reservedMicros: 0 })
  expect(await ledger()).toMatchObject({ costMicros: held.worstMicros, estimatedMicros: held.worstMicros })
})

test('an end the Steward did hear, though we heard nothing of it, is one line', async () => {
  const { ctx, steward, hold, ring, day, ledger } = await makeWorld()
  const held = await hold()
  const real = steward.settle
  vi.spyOn(steward, 'settle').mockImplementation(async (settlement) => {
    await real(settlement)
    throw AWAY
  })
  await settle(ctx, ended(held), false)
  expect(await ring()).toEqual([])
  expect(steward.lines()).toMatchObject([{ callId: held.decision.id, costMicros: 42 }])
  expect(await day()).toEqual({ spentMicros: 42, reservedMicros: 0 })
  expect(await ledger()).toMatchObject({ calls: 1, costMicros: 42 })
})

test('what was held for a call that was never sent is free, though the Steward could not be told', async () => {
  const { ctx, steward, hold, ring, day, ledger } = await makeWorld()
  vi.spyOn(steward, 'release').mockRejectedValue(AWAY)
  expect(await settle(ctx, await hold(), true)).toBe(true)
  // Nor is that of which we never heard that it was held.
  const real = steward.reserve
  vi.spyOn(steward, 'reserve').mockImplementation(async (asked) => {
    await real(asked)
    throw AWAY
  })
  await expect(hold()).rejects.toMatchObject({ code: 'unavailable' })
  expect((await day()).reservedMicros).toBeGreaterThan(0)
  expect(await ring()).toEqual([])
  expect(await day()).toEqual({ spentMicros: 0, reservedMicros: 0 })
  expect(await ledger()).toMatchObject({ calls: 0, costMicros: 0 })
})

test('a call that is held again under its id is not free for what was said of it before', async () => {
  const { ctx, steward, clock, hold, ring, day } = await makeWorld()
  const id = ctx.newId('aic')
  const release = vi.spyOn(steward, 'release').mockRejectedValue(AWAY)
  await settle(ctx, await hold(id), true)
  release.mockRestore()
  clock.ms += 1000
  const { worstMicros } = await hold(id)
  expect(await day()).toEqual({ spentMicros: 0, reservedMicros: 2 * worstMicros })
  expect(await ring()).toEqual([])
  expect(await day()).toEqual({ spentMicros: 0, reservedMicros: worstMicros })
  expect(await ring()).toEqual([id])
  expect(await day()).toEqual({ spentMicros: worstMicros, reservedMicros: 0 })
})

test.each(['heard of', 'lost'])(
  'a call that is held again under its id and %s is paid for twice, as the ledger says',
  async (how) => {
    const { ctx, steward, clock, hold, ring, day, ledger } = await makeWorld()
    const id = ctx.newId('aic')
    const settling = vi.spyOn(steward, 'settle').mockRejectedValue(AWAY)
    await settle(ctx, ended(await hold(id)), false)
    settling.mockRestore()
    clock.ms += 1000
    const again = await hold(id)
    if (how === 'heard of') await settle(ctx, ended(again), false)
    for (let rings = 0; rings < 2; rings++) await ring()
    await writeUsage(ctx, steward.lines())
    const spentMicros = 42 + (how === 'lost' ? again.worstMicros : 42)
    expect(await day()).toEqual({ spentMicros, reservedMicros: 0 })
    expect(await ledger()).toMatchObject({ calls: 2, costMicros: spentMicros })
  },
)

test('what is given back of a hold that was not heard of leaves the one before it', async () => {
  const { ctx, steward, clock, hold, day } = await makeWorld()
  const id = ctx.newId('aic')
  const first = await hold(id)
  clock.ms += 1000
  const real = steward.reserve
  const reserving = vi.spyOn(steward, 'reserve').mockImplementation(async (asked) => {
    await real(asked)
    throw AWAY
  })
  await expect(hold(id)).rejects.toMatchObject({ code: 'unavailable' })
  reserving.mockRejectedValue(AWAY)
  await expect(hold(id)).rejects.toMatchObject({ code: 'unavailable' })
  expect(await day()).toEqual({ spentMicros: 0, reservedMicros: first.worstMicros })
  await settle(ctx, ended(first), false)
  expect(await day()).toEqual({ spentMicros: 42, reservedMicros: 0 })
})

test('only what the ledger does not know is charged as it was estimated', async () => {
  const { ctx, steward, hold, ring, day } = await makeWorld()
  const [known, lost] = [await hold(), await hold()]
  vi.spyOn(steward, 'settle').mockRejectedValue(AWAY)
  await settle(ctx, ended(known), false)
  expect(await ring()).toEqual([lost.decision.id])
  expect(await day()).toEqual({ spentMicros: 42 + lost.worstMicros, reservedMicros: 0 })
  expect(steward.lines()).toMatchObject([{ callId: lost.decision.id, outcome: 'lost', isEstimated: true }])
})
