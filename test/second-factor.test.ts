import { setTimeout as wait } from 'node:timers/promises'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { askedToSign, confirmedApp, makeChallenges, passkeyOf, pendingApp } from './matrix-factors.ts'
import { createModel } from './sign-in-model.ts'
import { type Answer, PASSWORD, type Person, startWorld, type World } from './world.ts'

const START_MS = 60_000
const MODEL_MS = 60_000
const RUNS = 25
const STEPS = 14
const MAIL_WITHIN_MS = 5000

let world: World
beforeAll(async () => {
  world = await startWorld()
}, START_MS)
afterAll(() => world.stop())

const codeOf = (answer: Answer) => `${answer.status} ${/"code":"(\w+)"/.exec(answer.text)?.[1] ?? ''}`.trim()
const login = (email: string, password = PASSWORD) =>
  world.call('POST', '/v1/auth/login', { body: { email, password } })
const answer = (body: object) => world.call('POST', '/v1/auth/challenge', { body })
const read = (given: Answer) => JSON.parse(given.text)

/** Access tokens of a sign-in six minutes ago. */
const stale = (person: Pick<Person, 'userId' | 'sessionId'>) =>
  world.token(person.userId, person.sessionId, { claims: { auth_time: Math.floor(Date.now() / 1000) - 360 } })

async function someone(): Promise<Person> {
  const [person] = await world.people(1)
  if (!person) throw new Error('no person')
  return person
}

test('a password, then a code, then in: the password alone opens nothing', async () => {
  const person = await world.person()
  const { next, codes } = await confirmedApp(person)
  const wrong = await login(person.email, 'not the password')
  expect(codeOf(wrong)).toBe('401 invalid_credentials')
  const asked = await login(person.email)
  expect(asked.status).toBe(202)
  expect(asked.text).not.toContain('accessToken')
  expect(read(asked)).toMatchObject({ methods: ['totp', 'recovery_code'] })
  const { challenge } = read(asked)
  expect((await world.call('GET', '/v1/me', { token: challenge })).status).toBe(401)
  expect(codeOf(await answer({ challenge, method: 'totp', code: '12345' }))).toBe('400 invalid_request')
  const signedIn = await answer({ challenge, method: 'totp', code: next() })
  expect(read(signedIn)).toMatchObject({ user: { id: person.userId }, tokenType: 'Bearer' })
  expect((await world.call('GET', '/v1/me', { token: read(signedIn).accessToken })).status).toBe(200)
  expect(codeOf(await answer({ challenge, method: 'recovery_code', code: codes[0] }))).toBe('401 invalid_token')
})

test('a passkey ends a challenge of its own person, and of nobody else', async () => {
  const [mine, other] = [await someone(), await someone()]
  await confirmedApp(mine)
  const [device, foreign] = [await passkeyOf(world, mine), await passkeyOf(world, other)]
  const show = async (by: typeof device, challenge: string) =>
    await answer({ challenge, method: 'passkey', response: by.get(await askedToSign(world)) })
  const [challenge = ''] = await makeChallenges(world, mine, 1)
  expect(codeOf(await show(foreign, challenge))).toBe('401 wrong_factor')
  const { sessionId } = read(await show(device, challenge))
  const [row] = await world.query('select methods from sessions where id = $1', [sessionId])
  expect(row?.methods).toBe('{password,passkey}')
})

test('who has no second factor signs in as before, in as many trips', async () => {
  const person = await world.person()
  const signedIn = await login(person.email)
  expect(signedIn.status).toBe(200)
  expect(signedIn.headers.get('server-timing')).toContain('trips=2')
})

test('a step-up by password: a new session just signed in, and the one before ended', async () => {
  const person = await world.person()
  const token = await stale(person)
  const up = (body: object) => world.call('POST', '/v1/auth/step-up', { token, body })
  expect(codeOf(await world.call('DELETE', '/v1/me', { token }))).toBe('401 step_up_required')
  expect(codeOf(await up({ method: 'password', password: 'wrong' }))).toBe('401 invalid_credentials')
  const tokens = read(await up({ method: 'password', password: PASSWORD }))
  expect(tokens.sessionId).not.toBe(person.sessionId)
  expect(codeOf(await world.call('GET', '/v1/me', { token }))).toBe('401 session_ended')
  const refreshed = await world.call('POST', '/v1/auth/refresh', { body: { refreshToken: person.refreshToken } })
  expect(codeOf(refreshed)).toBe('401 session_ended')
  const events = await world.query("select data->>'reason' as reason from outbox where key = $1", [person.sessionId])
  expect(events).toEqual([{ reason: 'step_up' }])
  expect((await world.call('DELETE', '/v1/me', { token: tokens.accessToken })).status).toBe(202)
})

test('with an app a password is not enough for a step-up, its code or a passkey is', async () => {
  const person = await world.person()
  const { next } = await confirmedApp(person)
  const device = await passkeyOf(world, person)
  const up = (token: string, body: object) => world.call('POST', '/v1/auth/step-up', { token, body })
  const token = await stale(person)
  expect(codeOf(await up(token, { method: 'password', password: PASSWORD }))).toBe('403 forbidden')
  const first = read(await up(token, { method: 'totp', code: next() }))
  const second = await up(first.accessToken, { method: 'passkey', response: device.get(await askedToSign(world)) })
  expect(second.status).toBe(200)
  const foreign = await passkeyOf(world, await someone())
  const third = { method: 'passkey', response: foreign.get(await askedToSign(world)) }
  expect(codeOf(await up(read(second).accessToken, third))).toBe('401 wrong_factor')
})

/** Every act that outlives a stolen token, as its owner would do it. */
const DANGEROUS: [string, string, ((person: Person) => Promise<unknown>)?][] = [
  ['POST', '/v1/auth/totp'],
  ['POST', '/v1/auth/totp/confirm', async (person) => ({ code: (await pendingApp(person))() })],
  ['DELETE', '/v1/auth/totp'],
  ['POST', '/v1/auth/recovery-codes'],
  ['POST', '/v1/auth/passkeys/options'],
  ['DELETE', '/v1/me'],
  ['POST', '/v1/api-keys', async () => ({ name: 'x', scopes: ['tasks:read'] })],
]

test.each(DANGEROUS)('%s %s asks for a sign-in of the last five minutes', async (method, path, bodyOf) => {
  const person = await someone()
  const body = await bodyOf?.(person)
  const before = await world.query('select * from totp_secrets where user_id = $1', [person.userId])
  const answered = await world.call(method, path, { token: await stale(person), body })
  expect(codeOf(answered)).toBe('401 step_up_required')
  expect(answered.headers.get('www-authenticate')).toContain('insufficient_user_authentication')
  expect(await world.query('select * from totp_secrets where user_id = $1', [person.userId])).toEqual(before)
})

test('a passkey is added and removed after a fresh sign-in only', async () => {
  const person = await someone()
  const device = await passkeyOf(world, person)
  const token = await stale(person)
  const path = `/v1/auth/passkeys/${device.passkeyId}`
  expect(codeOf(await world.call('DELETE', path, { token }))).toBe('401 step_up_required')
  const response = device.create(read(await person.api('POST', '/v1/auth/passkeys/options')))
  expect(codeOf(await world.call('POST', '/v1/auth/passkeys', { token, body: { response } }))).toBe(
    '401 step_up_required',
  )
  expect((await world.call('PATCH', path, { token, body: { name: 'Key ring' } })).status).toBe(200)
})

test('a budget is lowered at any time, and raised after a fresh sign-in only', async () => {
  const person = await someone()
  const token = await stale(person)
  const put = (dayMicros: number | null, isPaused = false, by = token) => {
    const caps = { dayMicros, monthMicros: null }
    return world.call('PUT', '/v1/ai/budget', { token: by, body: { isPaused, caps: { own: caps, background: caps } } })
  }
  expect((await put(500)).status).toBe(200)
  expect((await put(100, true)).status).toBe(200)
  for (const [cap, isPaused] of [
    [100, false],
    [101, true],
    [null, true],
  ] as const)
    expect(codeOf(await put(cap, isPaused))).toBe('401 step_up_required')
  expect((await put(null, false, person.accessToken)).status).toBe(200)
})

test('a change of how one signs in arrives by mail, without anything one signs in with', async () => {
  const person = await world.person()
  const { codes } = await confirmedApp(person)
  const deadline = performance.now() + MAIL_WITHIN_MS
  const found = () => world.mailbox.messages(person.email).filter(({ subject }) => subject.includes('you sign in'))
  while (found().length === 0 && performance.now() < deadline) await wait(50)
  const [mail] = found()
  expect(mail?.text).toContain('An authenticator app was added')
  for (const code of codes) expect(JSON.stringify(mail)).not.toContain(code)
})

test(
  'no order of steps leads in but the one that shows every factor',
  async () => {
    const { commands, start, reached } = await createModel(world)
    await fc.assert(
      fc.asyncProperty(commands(STEPS), async (steps) => {
        await fc.asyncModelRun(start, steps)
      }),
      { numRuns: RUNS, seed: 20_261_123 },
    )
    expect(reached.count).toBeGreaterThan(5)
    expect([...world.contract.drift]).toEqual([])
  },
  MODEL_MS,
)
