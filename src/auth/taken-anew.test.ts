import { and, eq, isNull } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { apiKeys } from '#keys/tables'
import { makePerson, revoke, type TestCtx } from '#test/database'
import { answerMail, codesTo, mailCtx } from '#test/mailed'
import { getMe } from '#users'
import { users } from '#users/tables'
import { confirmVerification } from './addresses.ts'
import { askLink, confirmLink } from './magic-link.ts'
import { askReset, changePassword, confirmReset } from './passwords.ts'
import { registerDirectly } from './register.ts'
import { answerChallenge } from './second-step.ts'
import { endOtherSessions } from './sessions.ts'
import { login } from './sign-in.ts'
import { stepUp } from './step-up.ts'
import { sessions, signInChallenges, totpSecrets } from './tables.ts'
import { readAccessToken } from './tokens.ts'

const PASSWORD = 'correct horse battery staple'
const OTHER = 'another four words to keep'
const REFUSED = { code: 'AU405' }

async function person(ctx: TestCtx = mailCtx()) {
  const email = `p${crypto.randomUUID()}@example.com`
  const at = { displayName: 'Sam', timeZone: 'UTC', locale: 'en-GB', deviceName: 'phone' }
  const tokens = await registerDirectly(ctx, { email, password: PASSWORD, ...at })
  const actor = await readAccessToken(ctx, tokens.accessToken, ctx.config.publicUrl)
  const lastCode = async () => (await codesTo(ctx, email)).at(-1) ?? ''
  const mailed = async (ask: typeof askLink) => {
    await ask(ctx, { email })
    await answerMail(ctx)
    return await lastCode()
  }
  const open = () => ctx.db.$count(sessions, and(eq(sessions.userId, actor.userId), isNull(sessions.endedAt)))
  return { ctx, email, me: { ...ctx, actor }, mailed, lastCode, open }
}
type Someone = Awaited<ReturnType<typeof person>>

/** A context in which this happens before the `nth` batch of a verb: between what it has read and what it writes. */
function meanwhile<C extends TestCtx>(ctx: C, act: () => Promise<unknown>, nth = 1): C {
  let left = nth
  const batch: C['db']['batch'] = async (statements) => {
    left -= 1
    if (left === 0) await act()
    return await ctx.db.batch(statements)
  }
  return { ...ctx, db: Object.assign(Object.create(ctx.db), { batch }) }
}

const enrol = ({ ctx, me }: Someone) =>
  ctx.db
    .insert(totpSecrets)
    .values({ id: ctx.newId('totp'), userId: me.actor.userId, secret: '', confirmedAt: ctx.now() })

/** What takes the password from whoever knew it. */
const TAKINGS: Record<string, (someone: Someone) => Promise<unknown>> = {
  'a reset': async ({ ctx, mailed }) => await confirmReset(ctx, { token: await mailed(askReset), password: OTHER }),
  'a change': async ({ me }) => await changePassword(me, { currentPassword: PASSWORD, newPassword: OTHER }),
  'a link to an address nobody had confirmed': async ({ ctx, mailed }) =>
    await confirmLink(ctx, { token: await mailed(askLink), deviceName: 'x' }),
}

test.each(Object.entries(TAKINGS))(
  'whose password was right before %s is not let in after it, nor asked for a second factor',
  async (_, take) => {
    const someone = await person()
    const { ctx, email, me, open } = someone
    let left = -1
    const late = meanwhile(ctx, async () => {
      await take(someone)
      left = await open()
    })
    await expect(login(late, { email, password: PASSWORD, deviceName: 'x' })).rejects.toMatchObject(REFUSED)
    expect(await open()).toBe(left)
    const other = await person()
    await enrol(other)
    const later = meanwhile(other.ctx, async () => await take(other))
    await expect(login(later, { email: other.email, password: PASSWORD, deviceName: 'x' })).rejects.toMatchObject(
      REFUSED,
    )
    const { userId } = other.me.actor
    expect(await ctx.db.$count(signInChallenges, eq(signInChallenges.userId, userId))).toBe(0)
    expect(await ctx.db.$count(users, eq(users.id, me.actor.userId))).toBe(1)
  },
)

test.each(Object.entries(TAKINGS))(
  'a second factor that was asked for before %s ends no sign-in after it',
  async (_, take) => {
    const someone = await person()
    const { ctx, email } = someone
    await enrol(someone)
    const asked = await login(ctx, { email, password: PASSWORD, deviceName: 'x' })
    if (asked.kind !== 'challenge') throw new Error('no challenge')
    await take(someone)
    const { challenge } = asked.answer
    const answer = answerChallenge(ctx, { challenge, method: 'totp', code: '123456' })
    await expect(answer).rejects.toMatchObject({ code: 'invalid_token' })
  },
)

test('a link that was taken before a reset lets nobody in after it', async () => {
  const someone = await person()
  const { ctx, me, mailed, open } = someone
  await ctx.db.update(users).set({ emailVerifiedAt: ctx.now() }).where(eq(users.id, me.actor.userId))
  const token = await mailed(askLink)
  const late = meanwhile(ctx, async () => await TAKINGS['a reset']?.(someone), 2)
  await expect(confirmLink(late, { token, deviceName: 'x' })).rejects.toMatchObject(REFUSED)
  expect(await open()).toBe(0)
})

test("what an address was mailed that is the person's no more opens nothing", async () => {
  for (const use of ['link', 'reset'] as const) {
    const { ctx, me, mailed } = await person()
    const token = await mailed(use === 'link' ? askLink : askReset)
    // As it is where the code was being made while the address moved.
    await ctx.db
      .update(users)
      .set({ email: `p${crypto.randomUUID()}@example.com` })
      .where(eq(users.id, me.actor.userId))
    const used =
      use === 'link' ? confirmLink(ctx, { token, deviceName: 'x' }) : confirmReset(ctx, { token, password: OTHER })
    await expect(used).rejects.toMatchObject({ code: 'invalid_token' })
  }
})

test('all other sessions ended, one that was just being made is not made', async () => {
  const { ctx, email, me, open } = await person()
  const late = meanwhile(ctx, async () => await endOtherSessions(me))
  await expect(login(late, { email, password: PASSWORD, deviceName: 'x' })).rejects.toMatchObject(REFUSED)
  expect(await open()).toBe(1)
})

test('who shows again who they are in a session that another device just ended gets none in its place', async () => {
  const { ctx, email, open } = await person()
  const second = await login(ctx, { email, password: PASSWORD, deviceName: 'x' })
  if (second.kind !== 'signed-in') throw new Error('no session')
  const actor = await readAccessToken(ctx, second.answer.accessToken, ctx.config.publicUrl)
  const ended = { endedAt: ctx.now(), endReason: 'revoked' }
  const end = () =>
    ctx.db
      .update(sessions)
      .set(ended)
      .where(eq(sessions.id, actor.sessionId ?? ''))
  const stepped = stepUp(meanwhile({ ...ctx, actor }, end), { method: 'password', password: PASSWORD })
  await expect(stepped).rejects.toMatchObject({ code: 'AU401' })
  expect(await open()).toBe(1)
})

test('what opens an account is added by a session that lives when it is there', async () => {
  const someone = await makePerson()
  const { userId } = someone.actor
  // As a statement adds it that looked at the session before.
  const add = (prefix: string) => {
    const row = { id: someone.newId('key'), userId, name: 'k', prefix, hash: prefix, scopes: [], ipAllow: [] }
    return someone.db.insert(apiKeys).values(row)
  }
  await add(crypto.randomUUID())
  await revoke(someone)
  await expect(add(crypto.randomUUID())).rejects.toMatchObject({ cause: { code: 'AU401' } })
  expect(await someone.db.$count(apiKeys, eq(apiKeys.userId, userId))).toBe(1)
})

test('who is mailed to confirm what somebody else began confirms nothing by it; ten guesses end the link', async () => {
  const { ctx, me, lastCode } = await person()
  const token = await lastCode()
  for (let n = 0; n < 10; n++)
    await expect(confirmVerification(ctx, { token, password: `guess ${n}` })).rejects.toMatchObject({
      code: 'invalid_credentials',
    })
  const last = confirmVerification(ctx, { token, password: PASSWORD })
  await expect(last).rejects.toMatchObject({ code: 'invalid_token' })
  expect((await getMe(me)).emailVerified).toBe(false)
})
