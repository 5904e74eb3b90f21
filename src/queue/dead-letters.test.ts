import { eq, inArray, sql } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { makePerson, type Person, testCtx } from '#test/database'
import { message, rename } from '#test/events'
import { consume } from './consume.ts'
import { keepDeadLetters, listDeadLetters, redrive } from './dead-letters.ts'
import { pruneQueueTables, relay } from './outbox.ts'
import { deadLetters, outbox } from './tables.ts'

/** As though the relay had sent it so often, in vain. */
const sentOften = (person: Person, id: string, attempts = 24) =>
  person.db.update(outbox).set({ attempts }).where(eq(outbox.id, id))
const letterOf = async (person: Person, id: string) => {
  const rows = await person.db.select().from(deadLetters).where(eq(deadLetters.outboxId, id))
  return rows[0]
}

test('a message that failed every attempt leaves its event to the relay, which sends it again', async () => {
  const person = await makePerson()
  const id = await rename(person, 'Ada')
  await sentOften(person, id, 23)
  const { it, said } = message(id)
  await keepDeadLetters(person, 'events', [it])
  expect(said).toEqual(['ack'])
  expect(await letterOf(person, id)).toBeUndefined()
  // Before all that others left there.
  const first = sql`now() - interval '10 years'`
  await person.db.update(outbox).set({ availableAt: first, createdAt: first }).where(eq(outbox.id, id))
  await relay(person)
  expect(person.sent).toContainEqual({ v: 1, kind: 'event', outboxId: id })
})

test('what was handled meanwhile leaves no letter', async () => {
  const person = await makePerson()
  const id = await rename(person, 'Ada')
  await sentOften(person, id)
  await consume(person, [message(id).it], [])
  await keepDeadLetters(person, 'events', [message(id).it])
  expect(await letterOf(person, id)).toBeUndefined()
})

test('an event that was sent for hours is a dead letter: kept once, listed, sent again once, and no longer relayed', async () => {
  const person = await makePerson()
  const id = await rename(person, 'Ada')
  await sentOften(person, id)
  const [first, second] = [message(id), { ...message(id).it, id: `${id}.2` }]
  await keepDeadLetters(person, 'events', [first.it, second])
  await keepDeadLetters(person, 'events', [first.it])
  expect(first.said).toEqual(['ack', 'ack'])
  const { items } = await listDeadLetters(person, { limit: 100 })
  expect(items.filter(({ outboxId }) => outboxId === id)).toHaveLength(1)
  const letter = items.find(({ outboxId }) => outboxId === id)
  const [row] = await person.db.select().from(outbox).where(eq(outbox.id, id))
  expect(row?.dispatchedAt).not.toBeNull()
  await redrive(person, letter?.id ?? '')
  expect(person.sent).toContainEqual({ v: 1, kind: 'event', outboxId: id })
  await expect(redrive(person, letter?.id ?? '')).rejects.toMatchObject({ code: 'not_found' })
  const [again] = await person.db.select().from(outbox).where(eq(outbox.id, id))
  expect(again).toMatchObject({ dispatchedAt: null, attempts: 0 })
})

test('dead letters are listed by when they died, whatever the queue calls their messages', async () => {
  const { db } = testCtx()
  await db.delete(deadLetters)
  const at = (second: number) => new Date(Date.UTC(2026, 0, 1, 0, 0, second))
  const died = { dlq_c: at(1), dlq_a: at(2), dlq_d: at(2), dlq_b: at(3) }
  const rows = Object.entries(died).map(([id, failedAt]) => ({ id, failedAt, queue: 'q', messageId: id, body: '{}' }))
  await db.insert(deadLetters).values(rows)
  const first = await listDeadLetters({ db }, { limit: 2 })
  const rest = await listDeadLetters({ db }, { limit: 2, cursor: first.nextCursor ?? '' })
  expect([...first.items, ...rest.items].map(({ id }) => id)).toEqual(['dlq_c', 'dlq_a', 'dlq_d', 'dlq_b'])
  expect(rest.nextCursor).toBeNull()
})

test('a letter that nobody sent again for three months is dropped, and no longer keeps its event', async () => {
  const person = await makePerson()
  const ids = [await rename(person, 'Ada'), await rename(person, 'Bob')]
  for (const [n, id] of ids.entries()) {
    await sentOften(person, id)
    await keepDeadLetters(person, 'events', [message(id).it])
    const days = n === 0 ? 91 : 89
    await person.db
      .update(deadLetters)
      .set({ failedAt: sql`now() - ${days}::int * interval '1 day'` })
      .where(eq(deadLetters.outboxId, id))
    await person.db.update(outbox).set({ dispatchedAt: sql`now() - interval '91 days'` }).where(eq(outbox.id, id))
  }
  await pruneQueueTables(person, [])
  await pruneQueueTables(person, [])
  const left = await person.db.select({ id: outbox.id }).from(outbox).where(inArray(outbox.id, ids))
  expect(left).toEqual([{ id: ids[1] }])
  expect(await letterOf(person, ids[0] ?? '')).toBeUndefined()
})

test('a letter whose event is gone says so, and one that cannot be read does not hold up the others', async () => {
  const person = await makePerson()
  const id = await rename(person, 'Ada')
  await sentOften(person, id)
  const [lost, odd] = [message(id), message('odd', null)]
  await keepDeadLetters(person, 'events', [lost.it, odd.it, message('nul', { text: 'a\0b' }).it])
  expect([lost.said, odd.said]).toEqual([['ack'], ['ack']])
  await person.db.delete(outbox).where(eq(outbox.id, id))
  await expect(redrive(person, `dlq_${id}`)).rejects.toMatchObject({ code: 'gone' })
  const kept = await person.db.select({ id: deadLetters.id }).from(deadLetters).where(eq(deadLetters.messageId, 'nul'))
  expect(kept).toEqual([{ id: 'dlq_nul' }])
})
