import { sql } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { claimKey } from '#security'
import { makePerson, revoke } from '#test/database'
import { deleteMe, getMe, getPreferences, setPreferences, updateMe } from './me.ts'

test('a person reads and changes themselves in one trip each', async () => {
  const person = await makePerson({ timeZone: 'Europe/Berlin' })
  expect(await getMe(person)).toMatchObject({ displayName: 'Test Person', preferences: { timeZone: 'Europe/Berlin' } })
  const changed = await updateMe(
    person,
    { displayName: 'Ada', preferences: { quietHours: { from: '22:00', to: '07:00' } } },
    1,
  )
  expect(changed).toMatchObject({
    displayName: 'Ada',
    version: 2,
    preferences: { quietHours: { from: '22:00', to: '07:00' } },
  })
  expect(person.meter.trips).toBe(2)
  await expect(updateMe(person, { displayName: 'B' }, 1)).rejects.toMatchObject({ code: 'version_stale' })
})

test('an empty change is no change', async () => {
  const person = await makePerson()
  for (const empty of [{}, { preferences: {} }]) expect((await updateMe(person, empty, 1)).version).toBe(1)
  await expect(updateMe(person, {}, 7)).rejects.toMatchObject({ code: 'version_stale' })
  expect(person.sent).toEqual([])
})

test('preferences are set without touching what was not given', async () => {
  const person = await makePerson()
  await setPreferences(person, { locale: 'de-DE' })
  await setPreferences(person, { workingHours: { from: '09:00', to: '17:00', days: [1, 2, 3] } })
  expect(await getPreferences(person)).toMatchObject({
    locale: 'de-DE',
    timeZone: 'UTC',
    workingHours: { days: [1, 2, 3] },
  })
  await setPreferences(person, { workingHours: null })
  expect((await getPreferences(person)).workingHours).toBeNull()
})

test('who is erased leaves no row: not their person, not an untold event, not a kept answer', async () => {
  const person = await makePerson()
  const { userId } = person.actor
  await updateMe(person, { displayName: 'Secret Name' }, '*')
  await claimKey(person, { principal: userId, route: 'POST /v1/x', key: 'k', fingerprint: 'f' })
  await deleteMe(person)
  const { rows } = await person.db.execute<{ left: string }>(sql`
    select type as left from outbox where user_id = ${userId}
    union all select 'key' from idempotency_keys where principal = ${userId}
    union all select 'person' from users where id = ${userId}
    union all select 'session' from sessions where user_id = ${userId}`)
  expect(rows).toEqual([{ left: 'me.deleted' }])
  await expect(getMe(person)).rejects.toThrow()
})

test('an ended session erases nobody', async () => {
  const person = await makePerson()
  await revoke(person)
  await expect(deleteMe(person)).rejects.toThrow()
  const { rows } = await person.db.execute(sql`select 1 from users where id = ${person.actor.userId}`)
  expect(rows).toHaveLength(1)
})
