import { expect, test } from 'vitest'
import { planDeliveries, type Reached } from './plan.ts'
import { DEFAULTS, type Settings } from './reach-schema.ts'

const BERLIN = { timeZone: 'Europe/Berlin', quietHours: { from: '22:00', to: '07:00' }, isMailed: true }
const AWAKE = { timeZone: 'UTC', quietHours: null, isMailed: true }
const NOON = new Date('2026-06-01T12:00:00Z')

function plan(priority: string, over: Partial<Settings> = {}, who: Omit<Reached, 'settings'> = AWAKE, now = NOON) {
  const planned = planDeliveries(
    { kind: 'reminder', priority, expiresAt: null },
    { ...who, settings: { ...DEFAULTS, ...over } },
    now,
  )
  return Object.fromEntries(planned.map(({ channel, dueAt }) => [channel, dueAt.toISOString()]))
}
const ALL = { push: 'always', mail: 'always', timing: 'instant' } as const

test('a socket first, push half a minute later, and mail ten minutes after that for what is important', () => {
  expect(plan('medium')).toEqual({ socket: '2026-06-01T12:00:00.000Z', push: '2026-06-01T12:00:30.000Z' })
  expect(plan('high')).toEqual({
    socket: '2026-06-01T12:00:00.000Z',
    push: '2026-06-01T12:00:30.000Z',
    mail: '2026-06-01T12:10:30.000Z',
  })
  expect(plan('urgent')['push']).toBe('2026-06-01T12:00:00.000Z')
})

test('a kind has a rule of its own', () => {
  const rules = [{ kind: 'reminder', push: 'never', mail: 'always', timing: 'instant' } as const]
  expect(Object.keys(plan('low', { rules }))).toEqual(['socket', 'mail'])
  const others = [{ kind: 'webhook', push: 'never', mail: 'never', timing: 'instant' } as const]
  expect(Object.keys(plan('high', { rules: others }))).toEqual(['socket', 'push', 'mail'])
})

test('what is gathered waits for the hour or the day of the person, and what is urgent does not', () => {
  const hourly = { default: { ...ALL, timing: 'hourly' as const } }
  const daily = { default: { ...ALL, timing: 'daily' as const } }
  expect(plan('high', hourly)).toEqual({ socket: '2026-06-01T12:00:00.000Z', digest: '2026-06-01T13:00:00.000Z' })
  // Eight in the morning in Berlin, in summer and after it.
  expect(plan('low', daily, BERLIN)['digest']).toBe('2026-06-02T06:00:00.000Z')
  expect(plan('low', daily, BERLIN, new Date('2026-10-24T12:00:00Z'))['digest']).toBe('2026-10-25T07:00:00.000Z')
  expect(Object.keys(plan('urgent', daily))).toEqual(['socket', 'push', 'mail'])
})

test('routine suggestions come together each hour where nothing else was said; important ones at once', () => {
  const of = (priority: string, over: Partial<Settings> = {}, expiresAt: string | null = null, isMailed = true) => {
    const reached = { ...AWAKE, isMailed, settings: { ...DEFAULTS, ...over } }
    const planned = planDeliveries({ kind: 'suggestion', priority, expiresAt }, reached, NOON)
    return Object.fromEntries(planned.map(({ channel, dueAt }) => [channel, dueAt.toISOString().slice(11, 19)]))
  }
  const atOnce = { socket: '12:00:00', push: '12:00:30' }
  expect(of('medium')).toEqual({ socket: '12:00:00', digest: '13:00:00' })
  expect(of('high')).toEqual({ ...atOnce, mail: '12:10:30' })
  expect(of('urgent')['push']).toBe('12:00:00')
  // Said otherwise, over by then, or with no mail to come in.
  expect(of('medium', { rules: [{ ...DEFAULTS.default, kind: 'suggestion' }] })).toEqual(atOnce)
  expect(of('medium', { default: { ...DEFAULTS.default, timing: 'daily' } })['digest']).toBe('08:00:00')
  expect(of('medium', {}, '2026-06-01T12:50:00.000Z')).toEqual(atOnce)
  expect(of('medium', {}, '2026-06-01T13:50:00.000Z')).toEqual({ socket: '12:00:00', digest: '13:00:00' })
  expect(of('medium', { default: { ...DEFAULTS.default, mail: 'never' } })).toEqual(atOnce)
  expect(of('medium', {}, null, false)).toEqual(atOnce)
})

test('quiet hours put off all but the socket, by the clock on the wall of a night that is an hour longer', () => {
  const at = (iso: string) => plan('high', { default: ALL }, BERLIN, new Date(iso))
  expect(at('2026-10-24T20:30:00Z')).toEqual({
    socket: '2026-10-24T20:30:00.000Z',
    push: '2026-10-25T06:00:00.000Z',
    mail: '2026-10-25T06:10:00.000Z',
  })
  // Pushed a minute before they begin, the mail still waits.
  expect(at('2026-06-01T19:58:00Z')).toMatchObject({
    push: '2026-06-01T19:58:30.000Z',
    mail: '2026-06-02T05:00:00.000Z',
  })
})

test('what is urgent breaks through where the person said so, and only that', () => {
  const night = new Date('2026-06-01T23:00:00Z')
  const later = '2026-06-02T05:00:00.000Z'
  expect(plan('urgent', {}, BERLIN, night)['push']).toBe(later)
  expect(plan('urgent', { urgentBreaksQuiet: true }, BERLIN, night)['push']).toBe('2026-06-01T23:00:00.000Z')
  expect(plan('high', { urgentBreaksQuiet: true }, BERLIN, night)['push']).toBe(later)
})

test('who wants no mail, or can be sent none, has nothing gathered: push holds as it is set', () => {
  const rule = { push: 'always', mail: 'never', timing: 'daily' } as const
  expect(Object.keys(plan('low', { default: rule }))).toEqual(['socket', 'push'])
  expect(Object.keys(plan('low', { default: { ...rule, push: 'important' } }))).toEqual(['socket'])
  const unmailed = { ...AWAKE, isMailed: false }
  expect(Object.keys(plan('high', { default: { ...ALL, timing: 'hourly' } }, unmailed))).toEqual(['socket', 'push'])
  expect(Object.keys(plan('high', { default: ALL }, unmailed))).toEqual(['socket', 'push'])
  const important = { ...ALL, mail: 'important', timing: 'daily' } as const
  expect(Object.keys(plan('low', { default: important }))).toEqual(['socket', 'digest'])
})
