import { expect, test } from 'vitest'
import { makePerson } from '#test/database'
import { getMe, getPreferences, setPreferences, updateMe } from './me.ts'

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
