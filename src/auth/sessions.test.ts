import { eq, inArray } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { makePerson, type Person, testCtx } from '#test/database'
import { getMe } from '#users'
import { registerDirectly as register } from './register.ts'
import { endOtherSessions, listSessions, refresh } from './sessions.ts'
import { login } from './sign-in.ts'
import { sessions } from './tables.ts'

const DAY_MS = 86_400_000
const PASSWORD = 'correct horse battery staple'
const at = (ms: number) => testCtx({ now: () => new Date(ms) })

async function registered() {
  const ctx = testCtx()
  const email = `p${crypto.randomUUID()}@example.com`
  const made = await register(ctx, {
    email,
    password: PASSWORD,
    displayName: 'Sam',
    timeZone: 'UTC',
    locale: 'en-US',
    deviceName: 'phone',
  })
  const signIn = async () => {
    const admission = await login(ctx, { email, password: PASSWORD, deviceName: 'tablet' })
    if (admission.kind !== 'signed-in') throw new Error('no session')
    return admission.answer
  }
  const person: Person = { ...ctx, actor: { kind: 'person', userId: made.user.id, sessionId: made.sessionId } }
  return { person, made, signIn }
}

const shift = (person: Person, name: 'lastUsedAt' | 'expiresAt', ms: number) =>
  person.db
    .update(sessions)
    .set({ [name]: new Date(Date.now() + ms) })
    .where(eq(sessions.id, person.actor.sessionId ?? ''))

test('a session nobody renews for thirty days has ended, and one that is renewed goes on', async () => {
  const { made } = await registered()
  const start = Date.now()
  const renewed = await refresh(at(start + 29 * DAY_MS), made)
  await expect(refresh(at(start + 60 * DAY_MS), renewed)).rejects.toMatchObject({ code: 'session_ended' })
  await refresh(at(start + 58 * DAY_MS), renewed)
})

test('after 180 days a session ends, however much it is used', async () => {
  const { made } = await registered()
  const start = Date.now()
  let held = made.refreshToken
  for (let day = 20; day < 180; day += 20) {
    const renewed = await refresh(at(start + day * DAY_MS), { refreshToken: held })
    held = renewed.refreshToken
  }
  await expect(refresh(at(start + 180 * DAY_MS + 1000), { refreshToken: held })).rejects.toMatchObject({
    code: 'session_ended',
  })
})

test.each([
  ['idle for thirty days', 'lastUsedAt', -30 * DAY_MS - 1000],
  ['past its last day', 'expiresAt', -1000],
] as const)('an access token that is good for minutes yet is refused where its session is %s', async (_, name, ms) => {
  const person = await makePerson()
  await getMe(person)
  await shift(person, name, ms + 60_000)
  await getMe(person)
  await shift(person, name, ms)
  await expect(getMe(person)).rejects.toThrow()
})

test('the list tells where each device is, when it was last used, and which one asks; what has run out is not on it', async () => {
  const { person, made, signIn } = await registered()
  const [second, third] = [await signIn(), await signIn()]
  await person.db
    .update(sessions)
    .set({ lastUsedAt: new Date(Date.now() - 31 * DAY_MS) })
    .where(eq(sessions.id, third.sessionId))
  await person.db.update(sessions).set({ country: 'DE' }).where(eq(sessions.id, second.sessionId))
  const { items } = await listSessions(person, { limit: 10 })
  expect(items.map(({ id, current, country }) => [id, current, country])).toEqual([
    [second.sessionId, false, 'DE'],
    [made.sessionId, true, null],
  ])
  const later = Date.now() + 60_000
  await refresh(at(later), second)
  const [used] = (await listSessions(person, { limit: 1 })).items
  expect(Date.parse(used?.lastUsedAt ?? '')).toBe(later)
})

test('every sign-in is a session of its own, with tokens that nobody had before', async () => {
  const { made, signIn } = await registered()
  const [one, two] = await Promise.all([signIn(), signIn()])
  const all = [made, one, two]
  for (const name of ['sessionId', 'accessToken', 'refreshToken'] as const)
    expect(new Set(all.map((tokens) => tokens[name])).size).toBe(3)
})

test('all others are ended in one trip and told of, the one that asks and those of others live on', async () => {
  const { person, signIn } = await registered()
  const stranger = await makePerson()
  const others = [await signIn(), await signIn(), await signIn()]
  const cut: string[] = []
  const USER_SESSION = { getByName: () => ({ endSession: async (id: string) => void cut.push(id) }) }
  const env = { EVENTS: person.env.EVENTS, USER_SESSION } as unknown as Env
  person.meter.trips = 0
  await endOtherSessions({ ...person, env })
  await person.settled()
  expect(person.meter.trips).toBe(1)
  const ids = others.map(({ sessionId }) => sessionId)
  expect(cut.toSorted()).toEqual(ids.toSorted())
  const sent = person.sent.filter((message) => ids.some((id) => JSON.stringify(message).includes(id)))
  expect(sent).toHaveLength(3)
  const rows = await person.db.select().from(sessions).where(inArray(sessions.id, ids))
  expect(new Set(rows.map(({ endReason }) => endReason))).toEqual(new Set(['revoked']))
  for (const tokens of others) await expect(refresh(testCtx(), tokens)).rejects.toMatchObject({ code: 'session_ended' })
  expect((await listSessions(person, { limit: 10 })).items.map(({ current }) => current)).toEqual([true])
  await getMe(stranger)
  await endOtherSessions(person)
})

test('only a signed-in person ends the others: neither a key nor the system', async () => {
  const person = await makePerson()
  const { userId, sessionId } = person.actor
  const key = { id: 'key_1', scopes: [], ratePerMinute: null }
  for (const actor of [
    { kind: 'person' as const, userId, sessionId: null },
    { kind: 'person' as const, userId, sessionId, key },
  ])
    await expect(endOtherSessions({ ...person, actor })).rejects.toMatchObject({ code: 'forbidden' })
  await getMe(person)
})
