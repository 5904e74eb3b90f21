import { eq, sql } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { makePerson, type Person, revoke } from '#test/database'
import { users } from '#users/tables'
import type { Decision } from './call.ts'
import type { LedgerRow } from './ledger.ts'
import { writeUsage } from './ledger-rows.ts'
import { usageEvents } from './tables.ts'
import { getDecision, readUsage } from './usage.ts'

const NOW = new Date('2026-11-30T12:00:00Z')
const makeOne = () => makePerson({ now: () => NOW })

function lineOf(person: Person, over: Partial<LedgerRow> = {}): LedgerRow {
  const id = person.newId('aic')
  const decision: Decision = {
    id,
    provider: 'anthropic',
    model: 'claude-sonnet-5-5',
    kind: 'chat',
    difficulty: 0.5,
    parts: { length: 0.5 },
    reasons: ['asked for by name'],
    cache: 'off',
    cacheReason: '',
    experiment: null,
  }
  return {
    id,
    callId: id,
    userId: person.actor.userId,
    kind: 'chat',
    feature: 'assistant',
    conversationId: null,
    provider: 'anthropic',
    model: 'claude-sonnet-5-5',
    inputTokens: 10,
    outputTokens: 5,
    cacheReadTokens: 3,
    cacheWriteTokens: 2,
    cacheWrite1hTokens: 1,
    costMicros: 100,
    isEstimated: false,
    isBackground: false,
    keyId: null,
    outcome: 'done',
    cache: 'off',
    firstTokenMs: 5,
    totalMs: 9,
    decision,
    createdAt: NOW.toISOString(),
    ...over,
  }
}

test('usage is told in all, and by what it was spent on, the dearest first', async () => {
  const person = await makeOne()
  const conversations = [person.newId('cnv'), person.newId('cnv')]
  await writeUsage(person, [
    lineOf(person, { conversationId: conversations[0] ?? null }),
    lineOf(person, { conversationId: conversations[1] ?? null, costMicros: 900, model: 'claude-opus-5-5' }),
    lineOf(person, { kind: 'classify', feature: 'mcp', costMicros: 7, isEstimated: true }),
  ])
  person.meter.trips = 0
  const usage = await readUsage(person, 'today')
  expect(person.meter.trips).toBe(1)
  expect(usage).toMatchObject({
    from: '2026-11-30T00:00:00.000Z',
    to: '2026-12-01T00:00:00.000Z',
    total: {
      calls: 3,
      costMicros: 1007,
      estimatedMicros: 7,
      inputTokens: 30,
      outputTokens: 15,
      cacheReadTokens: 9,
      cacheWriteTokens: 9,
    },
    kinds: [
      { kind: 'chat', total: { calls: 2, costMicros: 1000 } },
      { kind: 'classify', total: { costMicros: 7 } },
    ],
    features: [{ feature: 'assistant' }, { feature: 'mcp' }],
    models: [{ model: 'claude-opus-5-5' }, { model: 'claude-sonnet-5-5', total: { costMicros: 107 } }],
  })
  expect(usage.conversations.map(({ conversationId }) => conversationId)).toEqual(conversations.reverse())
})

test('a period is a day or a month of UTC, and a person is told of themselves only', async () => {
  const [person, other] = [await makeOne(), await makeOne()]
  const at = (createdAt: string) => lineOf(person, { createdAt })
  const times = ['2026-10-31T23:59:59.999Z', '2026-11-01T00:00:00Z', '2026-11-29T23:59:59Z', '2026-11-30T00:00:00Z']
  await writeUsage(person, [...times.map(at), lineOf(other)])
  const callsIn = async (period: string) => (await readUsage(person, period)).total.calls
  expect(await callsIn('today')).toBe(1)
  expect(await callsIn('month')).toBe(3)
  expect(await callsIn('2026-10')).toBe(1)
  expect(await callsIn('2026-09')).toBe(0)
})

test('a call that was lost and found is one call at its true cost', async () => {
  const person = await makeOne()
  const lost = lineOf(person, { outcome: 'lost', isEstimated: true, costMicros: 500, inputTokens: 0, decision: null })
  const reversal = { ...lost, id: `${lost.id}.reversal`, outcome: 'reversed' as const, costMicros: -500 }
  const final = { ...lineOf(person), id: `${lost.id}.final`, callId: lost.id, costMicros: 80 }
  await writeUsage(person, [lost])
  await writeUsage(person, [reversal, final])
  expect((await readUsage(person, 'today')).total).toMatchObject({ calls: 1, costMicros: 80, estimatedMicros: 0 })
  expect(await getDecision(person, lost.id)).toMatchObject({ costMicros: 80, isEstimated: false, outcome: 'done' })
})

test('a line brought twice, alone or among others, is there once', async () => {
  const person = await makeOne()
  const [one, two] = [lineOf(person), lineOf(person)]
  await writeUsage(person, [one])
  await writeUsage(person, [{ ...one, costMicros: 5 }, two])
  expect((await readUsage(person, 'today')).total).toMatchObject({ calls: 2, costMicros: 200 })
})

test('a decision is told to whom it was made for, and to nobody else', async () => {
  const [person, stranger] = [await makeOne(), await makeOne()]
  const line = lineOf(person)
  await writeUsage(person, [line])
  expect(await getDecision(person, line.id)).toEqual({
    ...line.decision,
    outcome: 'done',
    costMicros: 100,
    isEstimated: false,
    at: NOW.toISOString(),
  })
  await expect(getDecision(stranger, line.id)).rejects.toMatchObject({ code: 'not_found' })
  await revoke(person)
  await expect(getDecision(person, line.id)).rejects.toThrow()
  await expect(readUsage(person, 'today')).rejects.toThrow()
})

test('no line of the ledger is changed or taken out, but with its person', async () => {
  const person = await makeOne()
  const line = lineOf(person)
  await writeUsage(person, [line])
  const mine = eq(usageEvents.userId, person.actor.userId)
  const refused = { cause: { code: '23001' } }
  await expect(person.db.update(usageEvents).set({ costMicros: 1 }).where(mine)).rejects.toMatchObject(refused)
  await expect(person.db.delete(usageEvents).where(mine)).rejects.toMatchObject(refused)
  await expect(person.db.execute(sql`truncate usage_events`)).rejects.toMatchObject(refused)
  expect(await person.db.select().from(usageEvents).where(mine)).toHaveLength(1)
  await person.db.delete(users).where(eq(users.id, person.actor.userId))
  expect(await person.db.select().from(usageEvents).where(mine)).toEqual([])
  await writeUsage(person, [lineOf(person)])
  expect(await person.db.select().from(usageEvents).where(mine)).toEqual([])
})
