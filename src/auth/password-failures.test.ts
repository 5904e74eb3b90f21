import { eq } from 'drizzle-orm'
import { expect, test, vi } from 'vitest'
import type { UserCtx } from '#core'
import { makePerson } from '#test/database'
import { answerMail, codesTo, mailCtx, mailsTo } from '#test/mailed'
import { getMe } from '#users'
import { askReset, changePassword, confirmReset } from './passwords.ts'
import { login } from './sign-in.ts'
import { stepUp } from './step-up.ts'
import { passwordFailures } from './tables.ts'

const PASSWORD = 'correct horse battery staple'
const OTHER = 'another four words to keep'

async function person() {
  const { actor } = await makePerson()
  const ctx = mailCtx()
  const me = { ...ctx, actor }
  await changePassword(me, { newPassword: PASSWORD })
  const { email } = await getMe(me)
  const from = (address: string) => ({ ...ctx, client: { ...ctx.client, address } })
  const enter = (address: string, password: string) => login(from(address), { email, password, deviceName: 'x' })
  return { ctx, email, me, enter }
}

const failuresOf = async ({ db, actor }: UserCtx) =>
  (await db.select().from(passwordFailures).where(eq(passwordFailures.userId, actor.userId)))[0]?.failures

test('a thousand guesses from elsewhere do not lock the owner out', async () => {
  const { ctx, email } = await person()
  const now = () => new Date('2030-01-01T00:00:00Z')
  const from = (host: number) => ({
    ...ctx,
    now,
    config: { ...ctx.config, rateLimitFactor: 1 },
    client: { ...ctx.client, address: `198.51.100.${host}` },
  })
  const guess = (n: number) => login(from(n % 2), { email, password: `guess ${n}`, deviceName: 'x' })
  const codes: unknown[] = await Promise.all(Array.from({ length: 1000 }, (_, n) => guess(n).catch(({ code }) => code)))
  // Twenty of each network are tried at all, and few of those at once.
  expect(codes.filter((code) => code === 'rate_limited').length).toBeGreaterThanOrEqual(960)
  const refusals = ['rate_limited', 'invalid_credentials', 'unavailable']
  expect(codes.filter((code) => !refusals.includes(String(code)))).toEqual([])
  expect((await login(from(9), { email, password: PASSWORD, deviceName: 'x' })).kind).toBe('signed-in')
})

test('after a hundred wrong passwords in a row one is taken only where the owner was before, and they are told', async () => {
  const { ctx, email, me, enter } = await person()
  await enter('203.0.113.7', PASSWORD)
  const { userId } = me.actor
  const failures = () => failuresOf(me)
  const wrong = { code: 'invalid_credentials', message: 'The address or the password is wrong' }
  await ctx.db.insert(passwordFailures).values({ userId, failures: 98 })
  await expect(enter('198.51.100.1', OTHER)).rejects.toMatchObject(wrong)
  await vi.waitFor(async () => expect(await failures()).toBe(99))
  expect((await enter('198.51.100.2', PASSWORD)).kind).toBe('signed-in')
  expect(await failures()).toBeUndefined()

  await ctx.db.insert(passwordFailures).values({ userId, failures: 99 })
  await expect(enter('198.51.100.1', OTHER)).rejects.toMatchObject(wrong)
  await vi.waitFor(async () => expect((await mailsTo(ctx, email)).at(-1)?.kind).toBe('factor_changed'))
  await expect(enter('198.51.100.3', PASSWORD)).rejects.toMatchObject(wrong)
  expect((await enter('203.0.113.7', PASSWORD)).kind).toBe('signed-in')
  expect((await enter('198.51.100.3', PASSWORD)).kind).toBe('signed-in')
  const told = (await mailsTo(ctx, email)).filter(({ kind }) => kind === 'factor_changed')
  expect(told).toHaveLength(1)
})

test('a new password opens again what wrong ones had shut', async () => {
  const { ctx, email, me, enter } = await person()
  await ctx.db.insert(passwordFailures).values({ userId: me.actor.userId, failures: 100 })
  await expect(enter('198.51.100.4', PASSWORD)).rejects.toMatchObject({ code: 'invalid_credentials' })
  await askReset(ctx, { email })
  await answerMail(ctx)
  await confirmReset(ctx, { token: (await codesTo(ctx, email)).at(-1) ?? '', password: OTHER })
  expect((await enter('198.51.100.4', OTHER)).kind).toBe('signed-in')
})

test('so does a change of it', async () => {
  const { ctx, me, enter } = await person()
  await ctx.db.insert(passwordFailures).values({ userId: me.actor.userId, failures: 100 })
  await changePassword(me, { currentPassword: PASSWORD, newPassword: OTHER })
  expect(await failuresOf(me)).toBeUndefined()
  expect((await enter('198.51.100.4', OTHER)).kind).toBe('signed-in')
})

test('where the owner was before is their whole network of IPv6, and no other', async () => {
  const { ctx, me, enter } = await person()
  await enter('2001:db8:7:1::9', PASSWORD)
  await ctx.db.insert(passwordFailures).values({ userId: me.actor.userId, failures: 100 })
  for (const elsewhere of ['2001:db8:7:2::9', '2001:db8:7::1', '203.0.113.9'])
    await expect(enter(elsewhere, PASSWORD)).rejects.toMatchObject({ code: 'invalid_credentials' })
  expect((await enter('2001:db8:7:1:c5f3:0:2:1', PASSWORD)).kind).toBe('signed-in')
})

test('wrong ones are counted whoever is signed in: a session that was taken guesses no further', async () => {
  const { ctx, me } = await person()
  const taken = { ...me, client: { ...ctx.client, address: '198.51.100.5' } }
  const wrong = { code: 'invalid_credentials' }
  await expect(stepUp(taken, { method: 'password', password: OTHER })).rejects.toMatchObject(wrong)
  await vi.waitFor(async () => expect(await failuresOf(me)).toBe(1))
  await expect(changePassword(taken, { currentPassword: OTHER, newPassword: OTHER })).rejects.toMatchObject(wrong)
  await vi.waitFor(async () => expect(await failuresOf(me)).toBe(2))
  await ctx.db.update(passwordFailures).set({ failures: 100 }).where(eq(passwordFailures.userId, me.actor.userId))
  await expect(stepUp(taken, { method: 'password', password: PASSWORD })).rejects.toMatchObject(wrong)
  const change = { currentPassword: PASSWORD, newPassword: OTHER }
  await expect(changePassword(taken, change)).rejects.toMatchObject(wrong)
  await changePassword(me, change)
})
