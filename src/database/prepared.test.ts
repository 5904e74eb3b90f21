import { and, eq, sql } from 'drizzle-orm'
import { afterEach, expect, test } from 'vitest'
import { databaseFailure, iso, ownedBy, ownerId, prepared, preparedAs, preparedBatchAs, written } from '#database'
import { outbox } from '#queue/tables'
import { makePerson, type Person, revoke } from '#test/database'

const AT = new Date('2026-11-21T09:30:00.125Z')
const realFetch = globalThis.fetch
afterEach(() => {
  globalThis.fetch = realFetch
})

/** The texts that go to the database from now on. */
function recordTexts(): string[] {
  const texts: string[] = []
  globalThis.fetch = (input, init) => {
    texts.push(JSON.parse(String(init?.body)).query)
    return realFetch(input, init)
  }
  return texts
}

const findEvents = preparedAs(({ actor, db }, { key }: { key: string }) =>
  db
    .select({ version: outbox.version, createdAt: outbox.createdAt, data: outbox.data })
    .from(outbox)
    .where(and(eq(outbox.key, key), ownedBy(actor, outbox.userId))),
)

async function writeEvent({ actor: { userId }, db }: Person): Promise<string> {
  const key = `key of ${userId}`
  const row = { id: `${key}.7.test`, type: 'test', userId, key, version: 7, data: { a: [1, null] } }
  await db.insert(outbox).values({ ...row, createdAt: AT, dispatchedAt: AT })
  return key
}

test('a prepared statement answers what the same one made on the spot does, in the types of its columns', async () => {
  const person = await makePerson()
  const key = await writeEvent(person)
  expect(await findEvents(person, { key })).toEqual([{ version: 7, createdAt: AT, data: { a: [1, null] } }])
  expect(await findEvents(person, { key: "nobody's" })).toEqual([])
})

test('its text is made once, whoever asks and with whatever values', async () => {
  let built = 0
  const add = prepared((db, { a, b, c }: { a: number; b: number; c: string | null }) => {
    built++
    const fields = { sum: sql<number>`${a}::int + ${b}::int`, c: sql<string | null>`${c}::text` }
    return db.select(fields).from(sql`(values (1)) v`)
  })
  const [one, two] = [await makePerson(), await makePerson()]
  const texts = recordTexts()
  expect(await add(one.db, { a: 1, b: 2, c: null })).toEqual([{ sum: 3, c: null }])
  expect(await add(two.db, { a: 40, b: 2, c: "it's" })).toEqual([{ sum: 42, c: "it's" }])
  expect([built, new Set(texts).size]).toEqual([1, 1])
  expect([one.meter.trips, two.meter.trips]).toEqual([1, 1])
})

test('an ended session is refused, the system acting for the person is not, and a stranger finds nothing', async () => {
  const [person, stranger] = [await makePerson(), await makePerson()]
  const key = await writeEvent(person)
  expect(await findEvents(stranger, { key })).toEqual([])
  await revoke(person)
  const error = await findEvents(person, { key }).catch((cause: unknown) => cause)
  expect(databaseFailure(error)?.code).toBe('session_ended')
  const system = { db: person.db, actor: { ...person.actor, sessionId: null } }
  expect(await findEvents(system, { key })).toHaveLength(1)
})

test('what is not signed is refused to whoever demands signatures, prepared or not, and an ended session first', async () => {
  const person = await makePerson()
  const key = await writeEvent(person)
  const { actor, db } = person
  const unsigned = { db, actor: { ...actor, isUnsigned: true as const } }
  expect(await findEvents(unsigned, { key })).toHaveLength(1)
  await db.execute(sql`insert into signing_keys (id, user_id, name, algorithm, public_key, demanded)
    values (${`sgk of ${actor.userId}`}, ${actor.userId}, 'x', 'ed25519', 'x', true)`)
  const codeOf = async (asked: PromiseLike<unknown>) => {
    const error = await asked.then(undefined, (cause: unknown) => cause)
    return databaseFailure(error)?.code
  }
  expect(await codeOf(findEvents(unsigned, { key }))).toBe('signature_required')
  expect(await codeOf(db.execute(sql`select ${ownerId(unsigned.actor)}`))).toBe('signature_required')
  expect(await findEvents(person, { key })).toHaveLength(1)
  await revoke(person)
  expect(await codeOf(findEvents(unsigned, { key }))).toBe('session_ended')
})

test('several prepared statements are one trip and one transaction', async () => {
  const person = await makePerson()
  const key = await writeEvent(person)
  const bump = preparedBatchAs(({ actor, db }, given: { key: string; by: number; divisor: number }) => {
    const mine = and(eq(outbox.key, given.key), ownedBy(actor, outbox.userId))
    return [
      db
        .update(outbox)
        .set({ version: sql`${outbox.version} + ${given.by}` })
        .where(mine),
      db
        .select({ version: outbox.version, at: outbox.createdAt, n: sql<number>`1 / ${given.divisor}::int` })
        .from(outbox)
        .where(mine),
    ]
  })
  person.meter.trips = 0
  const [, rows] = await bump(person, { key, by: 2, divisor: 1 })
  expect([rows, person.meter.trips]).toEqual([[{ version: 9, at: AT, n: 1 }], 1])
  await expect(bump(person, { key, by: 5, divisor: 0 })).rejects.toThrow('division by zero')
  expect(await findEvents(person, { key })).toMatchObject([{ version: 9 }])
})

test('an expression that was written out says what it said, and is made once', async () => {
  const person = await makePerson()
  await writeEvent(person)
  const at = written(() => iso(outbox.createdAt))
  const mine = eq(outbox.userId, person.actor.userId)
  const rows = await person.db.select({ at: at() }).from(outbox).where(mine)
  expect(rows).toEqual([{ at: AT.toISOString() }])
  expect(at()).toBe(at())
})
