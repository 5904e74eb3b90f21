import { expect, test } from 'vitest'
import { suggestions } from '#proactivity/tables'
import { makePerson, type Person } from '#test/database'
import { Definition } from './definition.ts'
import { gather } from './gather.ts'

const WHY = { trigger: 'test', facts: [], score: {}, rule: null, model: null, costMicros: 0, decisionId: null }
type Row = Partial<typeof suggestions.$inferInsert>

const keep = async (person: Person, title: string, over: Row) => {
  const id = person.newId('sug')
  await person.db.insert(suggestions).values({
    ...{ id, userId: person.actor.userId, key: id, kind: 'idea', title, body: '', actions: [], alternatives: [] },
    ...{ why: WHY, source: { kind: 'system' }, confidence: 0.5, rank: 0.5, priority: 'routine', tainted: false },
    ...{ status: 'proposed', fingerprint: id, moment: 'morning/weekday', expiresAt: new Date('2037-01-01') },
    ...over,
  })
}
const decisionsOf = async (person: Person, query: object) => {
  const definition = Definition().parse({
    ...{ triggers: [{ kind: 'manual' }], priority: 'routine', analysis: null, actions: [] },
    gather: [{ name: 'past', source: 'decisions', query }],
    suggestion: { kind: 'idea', title: 'An idea', body: 'Do it', expiresMinutes: 60 },
  })
  const { facts, isTainted, error } = await gather(person, { params: {}, trigger: {}, definition })
  return { past: facts['past'], isTainted, error }
}

test('past decisions are what was approved or dismissed, the newest first; what is open or was withheld is none', async () => {
  const [person, stranger] = [await makePerson(), await makePerson()]
  const decidedAt = new Date('2026-11-20T08:00:00Z')
  await keep(person, 'Approved', { status: 'approved', decidedAt })
  await keep(person, 'Open', {})
  await keep(person, 'Withheld', { status: 'withheld', reason: 'quiet_hours' })
  await keep(person, 'Dismissed', { status: 'dismissed', decidedAt, kind: 'other' })
  await keep(stranger, "A stranger's", { status: 'approved', decidedAt })
  const all = await decisionsOf(person, {})
  expect(all).toMatchObject({
    ...{ isTainted: false, error: null },
    past: [
      { title: 'Dismissed', kind: 'other', status: 'dismissed', decidedAt: decidedAt.toISOString() },
      { title: 'Approved', kind: 'idea', status: 'approved' },
    ],
  })
  expect((await decisionsOf(person, { limit: 1 })).past).toHaveLength(1)
  expect((await decisionsOf(person, { kind: 'other' })).past).toMatchObject([{ title: 'Dismissed' }])
})

test("a decision on what was made of others' words taints what is made of it", async () => {
  const person = await makePerson()
  await keep(person, 'Mine', { status: 'approved', decidedAt: new Date() })
  await keep(person, 'Theirs', { status: 'dismissed', decidedAt: new Date(), kind: 'mail', tainted: true })
  expect((await decisionsOf(person, {})).isTainted).toBe(true)
  expect((await decisionsOf(person, { kind: 'idea' })).isTainted).toBe(false)
})

test('a decision is found behind however many suggestions that were none', async () => {
  const person = await makePerson()
  await keep(person, 'Long ago', { status: 'approved', decidedAt: new Date('2026-11-20T08:00:00Z') })
  for (let n = 0; n < 101; n++) await keep(person, `Expired ${n}`, { status: 'expired' })
  expect((await decisionsOf(person, { limit: 1 })).past).toMatchObject([{ title: 'Long ago' }])
})
