import { eq } from 'drizzle-orm'
import { expect, inject, test } from 'vitest'
import { readConfig } from '#config'
import { AppError } from '#core'
import { databaseFailure } from '#database'
import { makePerson, type Person, revoke } from '#test/database'
import { makeBrowser, subscriptionOf } from '#test/reached'
import { addressOf, listDevices, registerDevice, removeDevice } from './devices.ts'
import { DEFAULTS } from './reach-schema.ts'
import { getSettings, updateSettings } from './settings.ts'
import { devices } from './tables.ts'

let made = 0
const app = () => ({ kind: 'fcm' as const, name: 'Pixel', token: `token-${made++}`.padEnd(40, 'x') })
const all = async (person: Person) => (await listDevices(person, { limit: 100 })).items

async function codeOf(work: Promise<unknown>): Promise<string | undefined> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  return (databaseFailure(error) ?? (error instanceof AppError ? error : undefined))?.code
}

test('a device that says it is there again is the same one, and its address is kept sealed', async () => {
  const person = await makePerson()
  const device = app()
  const first = await registerDevice(person, device)
  expect(await registerDevice(person, { ...device, name: 'Pixel 9' })).toMatchObject({ id: first.id, name: 'Pixel 9' })
  expect(await all(person)).toMatchObject([{ id: first.id, kind: 'fcm', isCurrent: true, lastSentAt: null }])
  const [row] = await person.db.select().from(devices).where(eq(devices.id, first.id))
  expect(JSON.stringify(row)).not.toContain(device.token)
  if (row) expect(await addressOf(person, row)).toEqual({ token: device.token })
})

test('a device belongs to whoever registered it last', async () => {
  const [one, other] = [await makePerson(), await makePerson()]
  const device = app()
  await registerDevice(one, device)
  await registerDevice(other, device)
  expect(await all(one)).toEqual([])
  expect(await all(other)).toHaveLength(1)
})

test('of more than twenty the one that said so longest ago is forgotten', async () => {
  let ms = Date.now()
  const person = await makePerson({ now: () => new Date(ms++) })
  const [first, ...rest] = Array.from({ length: 21 }, app)
  for (const device of [first, ...rest]) if (device) await registerDevice(person, device)
  expect(await all(person)).toHaveLength(20)
  const { items, nextCursor } = await listDevices(person, { limit: 15 })
  const more = await listDevices(person, { limit: 15, cursor: nextCursor ?? '' })
  expect([items.length, more.items.length, more.nextCursor]).toEqual([15, 5, null])
})

test('an address that leads inside, and a key that is none, are refused', async () => {
  const person = await makePerson()
  const { keys } = subscriptionOf(makeBrowser(), '')
  const subscribe = (endpoint: string, p256dh = keys.p256dh) =>
    codeOf(registerDevice(person, { kind: 'web_push', name: 'x', endpoint, keys: { ...keys, p256dh } }))
  for (const inside of ['http://127.0.0.1:1/x', 'https://10.0.0.1/x', 'https://metadata.google.internal/x'])
    expect(await subscribe(inside)).toBe('invalid_request')
  expect(await subscribe('https://push.example.com/x', `B${'A'.repeat(86)}`)).toBe('invalid_request')
  expect(await subscribe('https://push.example.com/x')).toBeUndefined()
})

test('settings are as everybody has them until they are changed, and by whoever has read them', async () => {
  const person = await makePerson()
  expect(await getSettings(person)).toEqual({ ...DEFAULTS, version: 1 })
  expect(await codeOf(updateSettings(person, { dailyAt: '07:30' }, 2))).toBe('version_stale')
  expect(await updateSettings(person, { dailyAt: '07:30' }, 1)).toEqual({ ...DEFAULTS, dailyAt: '07:30', version: 2 })
  expect(await codeOf(updateSettings(person, { dailyAt: '09:00' }, 1))).toBe('version_stale')
  expect(person.meter.trips).toBe(4)
  const more = await updateSettings(person, { urgentBreaksQuiet: true }, '*')
  expect(more).toMatchObject({ dailyAt: '07:30', urgentBreaksQuiet: true, version: 3 })
  expect(await getSettings(person)).toEqual(more)
})

test('nobody reads or removes what is another’s, and an ended session nothing at all', async () => {
  const [owner, stranger] = [await makePerson(), await makePerson()]
  const { id } = await registerDevice(owner, app())
  expect(await codeOf(removeDevice(stranger, id))).toBe('not_found')
  expect(await all(stranger)).toEqual([])
  await revoke(stranger)
  for (const act of [
    () => registerDevice(stranger, app()),
    () => getSettings(stranger),
    () => updateSettings(stranger, {}, '*'),
    () => removeDevice(stranger, id),
  ])
    expect(await codeOf(act())).toBe('session_ended')
  await removeDevice(owner, id)
  expect(await all(owner)).toEqual([])
})

test('push needs whole keys of who sends, and in production nothing that could be overheard', () => {
  const vars = inject('vars')
  expect(readConfig({ ...vars, VAPID_PUBLIC_KEY: '', VAPID_PRIVATE_KEY: '' }).push).toEqual({
    vapid: null,
    fcm: null,
    apns: null,
  })
  expect(() => readConfig({ ...vars, VAPID_PRIVATE_KEY: '' })).toThrow(
    'VAPID_PRIVATE_KEY: needed with VAPID_PUBLIC_KEY',
  )
  expect(() => readConfig({ ...vars, VAPID_PRIVATE_KEY: 'short' })).toThrow('VAPID_PRIVATE_KEY')
  expect(() => readConfig({ ...vars, FCM_SERVICE_ACCOUNT: '{}' })).toThrow('FCM_SERVICE_ACCOUNT')
  expect(() => readConfig({ ...vars, APNS_TEAM_ID: 'x' })).toThrow('APNS_KEY_ID: needed with APNS_TEAM_ID')
  const production = { ...vars, ENVIRONMENT: 'production', RATE_LIMIT_FACTOR: '1' }
  expect(readConfig({ ...production, PUBLIC_URL: 'https://a.example' }).push.vapid?.subject).toBe('https://a.example')
  expect(() => readConfig({ ...production, APNS_BASE_URL: 'http://x.example' })).toThrow('must be https')
})
