import { eq, sql } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { databaseFailure } from '#database'
import { makePerson } from '#test/database'
import { getMe } from '#users'
import { readKey } from './access.ts'
import { createKey, revokeKey } from './keys.ts'
import { apiKeys } from './tables.ts'

const WANTED = {
  name: 'x',
  scopes: ['profile:read' as const],
  ipAllow: [],
  ratePerMinute: null,
  budgetMicrosPerDay: null,
  budgetMicrosPerMonth: null,
  expiresAt: null,
}
const failure = async (asked: Promise<unknown>) =>
  databaseFailure(
    await asked.then(
      () => undefined,
      (error: unknown) => error,
    ),
  )?.code

async function keyed() {
  const person = await makePerson()
  const key = await createKey(person, WANTED)
  return { person, key, acting: { ...person, actor: await readKey(person, key.secret) } }
}

test('a request that was let in before its key was revoked or ran out fails at its next statement', async () => {
  const [first, second] = [await keyed(), await keyed()]
  expect((await getMe(first.acting)).id).toBe(first.person.actor.userId)
  await revokeKey(first.person, first.key.id)
  expect(await failure(getMe(first.acting))).toBe('session_ended')
  const { db } = second.person
  await db.update(apiKeys).set({ expiresAt: sql`now() - interval '1 second'` }).where(eq(apiKeys.id, second.key.id))
  expect(await failure(getMe(second.acting))).toBe('session_ended')
})

test("a key's id lets nobody act for another person", async () => {
  const [{ acting }, { person }] = [await keyed(), await keyed()]
  const { userId } = person.actor
  expect(await failure(getMe({ ...acting, actor: { ...acting.actor, userId } }))).toBe('session_ended')
})

test('a key that is unknown costs the one trip that a known one does, a text that is none costs none', async () => {
  const { person, key } = await keyed()
  const tripsFor = async (secret: string) => {
    person.meter.trips = 0
    await readKey(person, secret).catch(() => undefined)
    return person.meter.trips
  }
  expect(await tripsFor(key.secret)).toBe(1)
  await person.db.delete(apiKeys).where(eq(apiKeys.id, key.id))
  expect(await tripsFor(key.secret)).toBe(1)
  expect(await tripsFor(`${key.secret}0`)).toBe(0)
})

test('making and revoking a key is told inside, without its secret', async () => {
  const { person, key } = await keyed()
  await revokeKey(person, key.id)
  await person.settled()
  const ids = [`${key.id}.1.key.created`, `${key.id}.2.key.revoked`]
  expect(person.sent).toEqual(ids.map((outboxId) => ({ v: 1, kind: 'event', outboxId })))
  const { rows } = await person.db.execute(sql`select data from outbox where id = ${ids[0]}`)
  expect(rows).toEqual([{ data: { id: key.id, name: 'x', prefix: key.prefix, scopes: ['profile:read'] } }])
})
