import { eq } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { type TestCtx, testCtx } from '#test/database'
import { answerMail, codesTo, mailCtx, mailsTo } from '#test/mailed'
import { getMe } from '#users'
import { askMove, askVerification, confirmMove, confirmVerification } from './addresses.ts'
import { pruneCodes } from './codes.ts'
import { askLink, confirmLink } from './magic-link.ts'
import { askReset } from './passwords.ts'
import { registerDirectly } from './register.ts'
import { authCodes } from './tables.ts'
import { readAccessToken } from './tokens.ts'

const PASSWORD = 'correct horse battery staple'
const address = () => `p${crypto.randomUUID()}@example.com`
const BAD = { code: 'invalid_token' }

async function person(ctx: TestCtx = mailCtx()) {
  const email = address()
  const at = { displayName: 'Sam', timeZone: 'UTC', locale: 'en-GB', deviceName: 'phone' }
  const tokens = await registerDirectly(ctx, { email, password: PASSWORD, ...at })
  const actor = await readAccessToken(ctx, tokens.accessToken, ctx.config.publicUrl)
  ctx.sent.splice(0)
  return { ctx, email, me: { ...ctx, actor } }
}
const lastCode = async (ctx: TestCtx, email: string) => (await codesTo(ctx, email)).at(-1) ?? ''

test('a person confirms the address they registered with, once, and it is told', async () => {
  const { ctx, email, me } = await person()
  expect((await getMe(me)).emailVerified).toBe(false)
  const token = await lastCode(ctx, email)
  await confirmVerification(ctx, { token, password: PASSWORD })
  expect(await getMe(me)).toMatchObject({ emailVerified: true, version: 2 })
  expect(ctx.sent).toEqual([{ v: 1, kind: 'event', outboxId: `${me.actor.userId}.2.me.updated` }])
  await expect(confirmVerification(ctx, { token, password: PASSWORD })).rejects.toMatchObject(BAD)
  await expect(askVerification(me)).rejects.toMatchObject({ code: 'conflict' })
})

test('of a hundred who use a code at once one does', async () => {
  const { ctx, email, me } = await person()
  const token = await lastCode(ctx, email)
  const all = await Promise.allSettled(
    Array.from({ length: 100 }, () => confirmVerification(ctx, { token, password: PASSWORD })),
  )
  expect(all.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  expect(await getMe(me)).toMatchObject({ emailVerified: true, version: 2 })
})

test('of a hundred who sign in by one link at once one does', async () => {
  const { ctx, email } = await person()
  await askLink(ctx, { email })
  await answerMail(ctx)
  const token = await lastCode(ctx, email)
  const enter = () => confirmLink(ctx, { token, deviceName: 'x' })
  const all = await Promise.allSettled(Array.from({ length: 100 }, enter))
  expect(all.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
})

test('a code works for fifteen minutes, and is gone a while later', async () => {
  const { ctx, email, me } = await person()
  const token = await lastCode(ctx, email)
  const [code] = await ctx.db.select().from(authCodes).where(eq(authCodes.email, email))
  const ends = code?.expiresAt.getTime() ?? 0
  expect(ends - ctx.now().getTime()).toBeLessThanOrEqual(15 * 60_000)
  expect(ends - ctx.now().getTime()).toBeGreaterThan(14 * 60_000)
  const at = (ms: number) => testCtx({ now: () => new Date(ms) })
  await expect(confirmVerification(at(ends), { token, password: PASSWORD })).rejects.toMatchObject(BAD)
  await pruneCodes(at(ends))
  await confirmVerification(at(ends - 1), { token, password: PASSWORD })
  expect((await getMe(me)).emailVerified).toBe(true)
  const { email: other } = await person(ctx)
  await pruneCodes(at(ends + 2 * 3600_000))
  expect(await ctx.db.select().from(authCodes).where(eq(authCodes.email, other))).toEqual([])
})

test('nothing of a code is kept but its hash', async () => {
  const { ctx, email } = await person()
  const token = await lastCode(ctx, email)
  const rows = await ctx.db.select().from(authCodes).where(eq(authCodes.email, email))
  expect(rows).toHaveLength(1)
  expect(JSON.stringify(rows)).not.toContain(token.slice(3))
  expect(token).toMatch(/^ac_[\w-]{43}$/)
})

test('a newer code of a kind voids the earlier, and none of another kind', async () => {
  const { ctx, email, me } = await person()
  const first = await lastCode(ctx, email)
  await askLink(ctx, { email })
  await answerMail(ctx)
  const link = await lastCode(ctx, email)
  await askVerification(me)
  const second = await lastCode(ctx, email)
  await expect(confirmVerification(ctx, { token: first, password: PASSWORD })).rejects.toMatchObject(BAD)
  await expect(confirmVerification(ctx, { token: link, password: PASSWORD })).rejects.toMatchObject(BAD)
  await confirmVerification(ctx, { token: second, password: PASSWORD })
  expect((await confirmLink(ctx, { token: link, deviceName: 'x' })).kind).toBe('signed-in')
})

test('who asks in another name until no more mail goes out does not void the last code that did', async () => {
  const { ctx, email } = await person()
  for (let n = 0; n < 7; n++) {
    await askLink(ctx, { email })
    await answerMail(ctx)
  }
  const sent = (await mailsTo(ctx, email)).filter(({ kind }) => kind === 'magic_link')
  expect(sent.map(({ status }) => status)).toEqual([...Array(5).fill('queued'), 'refused', 'refused'])
  expect((await confirmLink(ctx, { token: await lastCode(ctx, email), deviceName: 'x' })).kind).toBe('signed-in')
})

test('what was asked for is answered once, however often it is delivered', async () => {
  const { ctx, email } = await person()
  await askLink(ctx, { email: email.toUpperCase() })
  await answerMail(ctx, 5)
  const links = (await mailsTo(ctx, email)).filter(({ kind }) => kind === 'magic_link')
  expect(links).toHaveLength(1)
  expect((await confirmLink(ctx, { token: await lastCode(ctx, email), deviceName: 'x' })).kind).toBe('signed-in')
})

test('asking takes one trip, known or not, and nothing is mailed to an address nobody has', async () => {
  const { email } = await person()
  const stranger = address()
  for (const ask of [askLink, askReset]) {
    const [known, unknown] = [mailCtx(), mailCtx()]
    expect(await ask(known, { email })).toEqual(await ask(unknown, { email: stranger }))
    expect([known.meter.trips, unknown.meter.trips]).toEqual([1, 1])
    expect([known.sent, unknown.sent].map(({ length }) => length)).toEqual([1, 1])
    await answerMail(unknown)
    expect(await mailsTo(unknown, stranger)).toEqual([])
    expect(await unknown.db.select().from(authCodes).where(eq(authCodes.email, stranger))).toEqual([])
  }
})

test('an address is moved by a code at the new one; the old one is told, and what it was mailed works no more', async () => {
  const { ctx, email, me } = await person()
  await askLink(ctx, { email })
  await answerMail(ctx)
  const old = await lastCode(ctx, email)
  const to = address()
  await askMove(me, { email: to })
  expect(await getMe(me)).toMatchObject({ email, version: 1 })
  expect((await mailsTo(ctx, email)).at(-1)).toMatchObject({ kind: 'account_changed' })
  const token = await lastCode(ctx, to)
  const { me: stranger } = await person(ctx)
  await expect(confirmMove(stranger, { token })).rejects.toMatchObject(BAD)
  await confirmMove(me, { token })
  expect(await getMe(me)).toMatchObject({ email: to, emailVerified: true, version: 2 })
  await answerMail(ctx)
  const told = (await mailsTo(ctx, email)).filter(({ kind }) => kind === 'account_changed')
  expect(told).toHaveLength(2)
  await expect(confirmLink(ctx, { token: old, deviceName: 'x' })).rejects.toMatchObject(BAD)
})

test("nobody takes another's address: who asks hears nothing, who has the code hears it is taken", async () => {
  const { ctx, email, me } = await person()
  const { email: taken } = await person(ctx)
  await askMove(me, { email: taken.toUpperCase() })
  const token = await lastCode(ctx, taken.toUpperCase())
  await expect(confirmMove(me, { token })).rejects.toMatchObject({ code: 'email_taken' })
  expect(await getMe(me)).toMatchObject({ email })
})

test('an address is moved only after a sign-in of the last five minutes', async () => {
  const { me } = await person()
  const later = { ...me, now: () => new Date(Date.now() + 301_000) }
  await expect(askMove(later, { email: address() })).rejects.toMatchObject({ code: 'step_up_required' })
})

test('where no mail is sent nothing that needs it is offered', async () => {
  const ctx = testCtx()
  for (const ask of [askLink, askReset])
    await expect(ask(ctx, { email: address() })).rejects.toMatchObject({ code: 'unavailable' })
})
