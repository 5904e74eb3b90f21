import { expect, inject, test } from 'vitest'
import { readConfig } from '#config'
import { makeDecision } from '#test/ai-call'
import { makePerson, type Person } from '#test/database'
import type { Decision } from './call.ts'
import { readExperiments } from './experiments.ts'
import type { LedgerRow } from './ledger.ts'
import { writeUsage } from './ledger-rows.ts'

const NOW = new Date('2026-11-30T12:00:00Z')
const MODEL = 'claude-opus-5-5'

/** Two people, and an experiment that is theirs alone. */
async function makeWorld() {
  const now = () => NOW
  const [one, other] = [await makePerson({ now }), await makePerson({ now })]
  const id = one.newId('aic').slice('aic_'.length)
  const AI_EXPERIMENTS = JSON.stringify([{ id, kind: 'chat', model: MODEL, share: 0.5 }])
  const config = readConfig({ ...inject('vars'), ANTHROPIC_API_KEY: 'test', AI_EXPERIMENTS })
  return { one, other, id, read: (since?: string) => readExperiments({ ...one, config }, since) }
}

function lineOf(person: Person, experiment: Decision['experiment'], over: Partial<LedgerRow> = {}): LedgerRow {
  const id = person.newId('aic')
  const decision = makeDecision(id, { model: MODEL, experiment })
  const usage = { inputTokens: 1, outputTokens: 1, cacheReadTokens: 0, cacheWriteTokens: 0, cacheWrite1hTokens: 0 }
  return {
    ...usage,
    id,
    callId: id,
    userId: person.actor.userId,
    kind: 'chat',
    feature: 'assistant',
    conversationId: null,
    provider: 'anthropic',
    model: MODEL,
    costMicros: 100,
    isEstimated: false,
    isBackground: false,
    keyId: null,
    outcome: 'done',
    cache: 'off',
    firstTokenMs: 10,
    totalMs: 50,
    decision,
    createdAt: NOW.toISOString(),
    ...over,
  }
}

test('the sides of an experiment are told beside each other: calls, people, cost, latency, outcomes', async () => {
  const { one, other, id, read } = await makeWorld()
  const [variant, control] = [
    { id, variant: 'variant' },
    { id, variant: 'control' },
  ]
  await writeUsage(one, [
    ...[10, 20, 30, 400].map((ms) => lineOf(one, variant, { costMicros: ms, firstTokenMs: ms, totalMs: 2 * ms })),
    lineOf(other, variant, { outcome: 'aborted', costMicros: 1000, isEstimated: true, firstTokenMs: 9000 }),
    lineOf(other, variant, { outcome: 'failed', feature: 'compat.openai', costMicros: 0, firstTokenMs: null }),
    // Neither of this experiment, nor of a model.
    lineOf(one, { id: 'another', variant: 'variant' }),
    lineOf(one, null),
    lineOf(one, variant, { cache: 'exact', costMicros: 0, totalMs: 1 }),
    lineOf(other, control, { costMicros: 7, firstTokenMs: null }),
  ])
  const { items } = await read()
  expect(items).toEqual([
    {
      id,
      kind: 'chat',
      model: MODEL,
      share: 0.5,
      variant: {
        calls: 6,
        people: 2,
        costMicros: 1460,
        meanCostMicros: 243,
        firstTokenMs: { p50: 20, p95: 400 },
        totalMs: { p50: 40, p95: 800 },
        doneShare: expect.closeTo(4 / 6, 6),
        failedShare: expect.closeTo(1 / 6, 6),
        abortedShare: expect.closeTo(1 / 6, 6),
        acceptedShare: 4 / 5,
      },
      control: {
        calls: 1,
        people: 1,
        costMicros: 7,
        meanCostMicros: 7,
        firstTokenMs: null,
        totalMs: { p50: 50, p95: 50 },
        doneShare: 1,
        failedShare: 0,
        abortedShare: 0,
        acceptedShare: 1,
      },
    },
  ])
})

test('a call that was lost and found is one call at its true cost, and one that was only lost is on no side', async () => {
  const { one, id, read } = await makeWorld()
  const control = { id, variant: 'control' }
  const lost = lineOf(one, null, { outcome: 'lost', isEstimated: true, costMicros: 500, decision: null })
  const found = lineOf(one, control, { costMicros: 80 })
  await writeUsage(one, [
    lineOf(one, null, { outcome: 'lost', isEstimated: true, costMicros: 900, decision: null }),
    lost,
    { ...lost, id: `${lost.id}.reversal`, outcome: 'reversed', costMicros: -500 },
    { ...found, id: `${lost.id}.final`, callId: lost.id },
  ])
  const { items } = await read()
  expect(items[0]?.control).toMatchObject({ calls: 1, costMicros: 80, doneShare: 1 })
  expect(items[0]?.variant).toMatchObject({ calls: 0, costMicros: 0, meanCostMicros: null, acceptedShare: null })
})

test('what is asked for begins thirty days ago, or when it is said to, and that within ninety', async () => {
  const { one, id, read } = await makeWorld()
  const at = (createdAt: string) => lineOf(one, { id, variant: 'variant' }, { createdAt })
  await writeUsage(one, ['2026-09-10T00:00:00Z', '2026-11-01T00:00:00Z', '2026-11-30T00:00:00Z'].map(at))
  const callsSince = async (since?: string) => (await read(since)).items[0]?.variant.calls
  expect(await callsSince()).toBe(2)
  expect(await callsSince('2026-11-30T00:00:00.000Z')).toBe(1)
  expect(await callsSince('2026-09-01T12:00:00.000Z')).toBe(3)
  await expect(read('2026-09-01T11:59:59.999Z')).rejects.toMatchObject({ code: 'invalid_request' })
})

test('without experiments nothing is told, and nothing is asked', async () => {
  const person = await makePerson({ now: () => NOW })
  expect(await readExperiments(person)).toEqual({ since: '2026-10-31T12:00:00.000Z', items: [] })
  expect(person.meter.trips).toBe(0)
})
