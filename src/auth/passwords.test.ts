import { and, eq, inArray, isNull } from 'drizzle-orm'

import { expect, test } from 'vitest'
import { apiKeys } from '#keys/tables'
import { makePerson, revoke, type TestCtx } from '#test/database'
import { answerMail, codesTo, mailCtx, mailsTo } from '#test/mailed'
import { getMe } from '#users'
import { webhookEndpoints } from '#webhooks/tables'
import { removeTotp } from './authenticator-app.ts'
import { askLink, confirmLink } from './magic-link.ts'
import { askReset, changePassword, confirmReset } from './passwords.ts'
import { confirmRegistration, register, registerDirectly } from './register.ts'
import { listSessions } from './sessions.ts'
import { login } from './sign-in.ts'

import { authCodes, credentials, identities, passkeys, recoveryCodes, totpSecrets } from './tables.ts'

import { readAccessToken } from './tokens.ts'

const PASSWORD = 'correct horse battery staple'
const OTHER = 'another four words to keep'
const address = () => `p${crypto.randomUUID()}@example.com`
const registration = (email: string) => ({
  ...{ email, password: PASSWORD, displayName: 'Sam', timeZone: 'UTC', locale: 'en-GB', deviceName: 'phone' },
})
const lastCode = async (ctx: TestCtx, email: string) => (await codesTo(ctx, email)).at(-1) ?? ''

async function person(ctx: TestCtx = mailCtx()) {
  const email = address()
  const tokens = await registerDirectly(ctx, registration(email))
  const actor = await readAccessToken(ctx, tokens.accessToken, ctx.config.publicUrl)
  ctx.sent.splice(0)
  const enter = (password: string) => login(ctx, { email, password, deviceName: 'tablet' })
  const resetCode = async () => {
    await askReset(ctx, { email })
    await answerMail(ctx)
    return await lastCode(ctx, email)
  }
  return { ctx, email, me: { ...ctx, actor }, enter, resetCode }
}

test('a reset sets the password, ends every session and says so of each, and signs nobody in', async () => {
  const { ctx, email, me, enter, resetCode } = await person()
  const second = await enter(PASSWORD)
  if (second.kind !== 'signed-in') throw new Error('no session')
  await askLink(ctx, { email })
  await answerMail(ctx)
  const link = await lastCode(ctx, email)
  const token = await resetCode()
  expect(await confirmReset(ctx, { token, password: OTHER })).toBeUndefined()
  const told = JSON.stringify(ctx.sent)
  for (const id of [me.actor.sessionId, second.answer.sessionId]) expect(told).toContain(`${id}.1.session.ended`)
  await expect(listSessions(me, { limit: 10 })).rejects.toThrow()
  await expect(enter(PASSWORD)).rejects.toMatchObject({ code: 'invalid_credentials' })
  expect((await enter(OTHER)).kind).toBe('signed-in')
  await expect(confirmReset(ctx, { token, password: PASSWORD })).rejects.toMatchObject({ code: 'invalid_token' })
  await expect(confirmLink(ctx, { token: link, deviceName: 'x' })).rejects.toMatchObject({ code: 'invalid_token' })
  await answerMail(ctx)
  expect((await mailsTo(ctx, email)).at(-1)).toMatchObject({ kind: 'account_changed', status: 'queued' })
})

/** As many of everything that opens an account as somebody might leave in it. */
async function leaveWays({ ctx, me }: Awaited<ReturnType<typeof person>>) {
  const { userId } = me.actor
  const some = { id: crypto.randomUUID(), userId }
  const key = { name: 'k', prefix: some.id, hash: some.id, scopes: [], ipAllow: [] }
  await ctx.db.insert(apiKeys).values({ ...some, ...key, id: ctx.newId('key') })
  const device = { publicKey: '', handle: '', counter: 0, aaguid: '', backupEligible: false, backedUp: false, name: '' }
  await ctx.db.insert(passkeys).values({ ...some, ...device, credentialId: some.id })
  await ctx.db.insert(totpSecrets).values({ ...some, secret: '', confirmedAt: ctx.now() })
  await ctx.db.insert(recoveryCodes).values({ hash: some.id, userId })
  await ctx.db.insert(identities).values({ ...some, provider: 'google', issuer: 'g', subject: some.id })
  await ctx.db.insert(webhookEndpoints).values({ ...some, url: '', description: '', events: [], secret: '' })
  const left = async () => {
    const tables = [passkeys, totpSecrets, recoveryCodes, identities, webhookEndpoints]
    return await Promise.all(tables.map((table) => ctx.db.$count(table, eq(table.userId, userId))))
  }
  const liveKeys = () => ctx.db.$count(apiKeys, and(eq(apiKeys.userId, userId), isNull(apiKeys.revokedAt)))
  return { left, liveKeys }
}

test('a reset revokes every API key and says so; the first that confirms the address removes every other way in', async () => {
  const someone = await person()
  const { ctx, resetCode } = someone
  const first = await leaveWays(someone)
  await confirmReset(ctx, { token: await resetCode(), password: OTHER })
  expect(await first.left()).toEqual([0, 0, 0, 0, 0])
  expect(await first.liveKeys()).toBe(0)
  expect(JSON.stringify(ctx.sent)).toMatch(/"key_\w+\.2\.key\.revoked"/)
  const second = await leaveWays(someone)
  await confirmReset(ctx, { token: await resetCode(), password: PASSWORD })
  expect(await second.left()).toEqual([1, 1, 1, 1, 1])
  expect(await second.liveKeys()).toBe(0)
})

test('of many resets by one code at once one is done', async () => {
  const { ctx, resetCode } = await person()
  const token = await resetCode()
  const passwords = Array.from({ length: 12 }, (_, n) => `${OTHER} ${n}`)
  const all = await Promise.allSettled(passwords.map((password) => confirmReset(ctx, { token, password })))
  expect(all.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
})

test('a weak password does not use the code up', async () => {
  const { ctx, resetCode, enter } = await person()
  const token = await resetCode()
  await expect(confirmReset(ctx, { token, password: 'fourteen chars' })).rejects.toMatchObject({
    code: 'weak_password',
  })
  await confirmReset(ctx, { token, password: OTHER })
  expect((await enter(OTHER)).kind).toBe('signed-in')
})

test('who changes the password shows the current one; every session but this ends', async () => {
  const { ctx, email, me, enter } = await person()
  const second = await enter(PASSWORD)
  if (second.kind !== 'signed-in') throw new Error('no session')
  const change = (currentPassword: string | undefined, newPassword: string) =>
    changePassword(me, { currentPassword, newPassword })
  for (const wrong of ['wrong', undefined])
    await expect(change(wrong, OTHER)).rejects.toMatchObject({ code: 'invalid_credentials' })
  await expect(change(PASSWORD, 'fourteen chars')).rejects.toMatchObject({ errors: [{ pointer: '/newPassword' }] })
  await change(PASSWORD, OTHER)
  expect((await listSessions(me, { limit: 10 })).items.map(({ id }) => id)).toEqual([me.actor.sessionId])
  expect(JSON.stringify(ctx.sent)).toContain(`${second.answer.sessionId}.1.session.ended`)
  expect((await enter(OTHER)).kind).toBe('signed-in')
  await answerMail(ctx)
  expect((await mailsTo(ctx, email)).at(-1)).toMatchObject({ kind: 'account_changed' })
})

test('a password is changed only after a sign-in of the last five minutes, by a session that lives', async () => {
  const { me } = await person()
  const later = { ...me, now: () => new Date(Date.now() + 301_000) }
  const change = { currentPassword: PASSWORD, newPassword: OTHER }
  await expect(changePassword(later, change)).rejects.toMatchObject({ code: 'step_up_required' })
  const other = await makePerson()
  await revoke(other)
  await expect(changePassword(other, change)).rejects.toThrow()
})

test('who has no password sets their first with none to show', async () => {
  const someone = await makePerson()
  await changePassword(someone, { newPassword: OTHER })
  const { email } = await getMe(someone)
  expect((await login(someone, { email, password: OTHER, deviceName: 'x' })).kind).toBe('signed-in')
})

test('whatever sets a password, it is kept by the parameters of today', async () => {
  const [registered, reset, changed, first] = [await person(), await person(), await person(), await makePerson()]
  await confirmReset(reset.ctx, { token: await reset.resetCode(), password: OTHER })
  await changePassword(changed.me, { currentPassword: PASSWORD, newPassword: OTHER })
  await changePassword(first, { newPassword: OTHER })
  const owners = [registered.me, reset.me, changed.me, first].map(({ actor }) => actor.userId)
  const kept = await first.db.select().from(credentials).where(inArray(credentials.userId, owners))
  const waiting = byMail()
  const email = address()
  await register(waiting, registration(email))
  const [code] = await waiting.db.select().from(authCodes).where(eq(authCodes.email, email))
  const hashes = [...kept.map(({ passwordHash }) => passwordHash), code?.registrant?.passwordHash]
  expect(hashes).toHaveLength(5)
  // OWASP's least for Argon2id, a salt of 16 bytes, 32 bytes of hash.
  for (const hash of hashes) expect(hash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[\w+/]{22}\$[\w+/]{43}$/)
  expect(new Set(hashes).size).toBe(5)
})

const byMail = () => mailCtx({}, { registration: 'mailed' })

test('by mail, registering answers a stranger and a person alike; the person is told they have an account', async () => {
  const { email } = await person()
  const stranger = address()
  const [known, unknown] = [byMail(), byMail()]
  expect(await register(known, registration(email))).toBe(await register(unknown, registration(stranger)))
  expect([known.meter.trips, unknown.meter.trips]).toEqual([1, 1])
  await answerMail(known)
  await answerMail(unknown)
  expect((await mailsTo(known, email)).at(-1)).toMatchObject({ kind: 'account_exists', status: 'queued' })
  expect(await mailsTo(known, stranger)).toMatchObject([{ kind: 'verify_address', userId: null }])
  await expect(login(known, { email: stranger, password: PASSWORD, deviceName: 'x' })).rejects.toThrow()
})

test('who registered by mail begins with the code and the password they chose, their address confirmed', async () => {
  const ctx = byMail()
  const email = address()
  await register(ctx, registration(email))
  await answerMail(ctx, 3)
  const token = await lastCode(ctx, email)
  const begin = (password: string) => confirmRegistration(ctx, { token, password, deviceName: 'x' })
  await expect(begin('not what was chosen')).rejects.toMatchObject({ code: 'invalid_credentials' })
  expect((await begin(PASSWORD)).user).toMatchObject({ email, emailVerified: true, displayName: 'Sam' })
  await expect(begin(PASSWORD)).rejects.toMatchObject({ code: 'invalid_token' })
  expect((await mailsTo(ctx, email)).map(({ kind }) => kind)).toEqual(['verify_address', 'welcome'])
})

test('whoever registers an address after its owner takes the code of the owner from them no more', async () => {
  const ctx = byMail()
  const email = address()
  await register(ctx, registration(email))
  await answerMail(ctx)
  const token = await lastCode(ctx, email)
  await register(ctx, { ...registration(email), password: OTHER })
  await answerMail(ctx)
  const later = await lastCode(ctx, email)
  expect((await confirmRegistration(ctx, { token, password: PASSWORD, deviceName: 'x' })).user).toMatchObject({ email })
  const again = confirmRegistration(ctx, { token: later, password: OTHER, deviceName: 'x' })
  await expect(again).rejects.toMatchObject({ code: 'invalid_token' })
})

test('ten wrong passwords end the code of a registration', async () => {
  const ctx = byMail()
  const email = address()
  await register(ctx, registration(email))
  await answerMail(ctx)
  const token = await lastCode(ctx, email)
  const begin = (password: string) => confirmRegistration(ctx, { token, password, deviceName: 'x' })
  const wrong = await Promise.allSettled(Array.from({ length: 10 }, (_, n) => begin(`guess ${n}`)))
  expect(wrong.map((one) => one.status === 'rejected' && one.reason.code)).toEqual(
    Array(10).fill('invalid_credentials'),
  )
  await expect(begin(PASSWORD)).rejects.toMatchObject({ code: 'invalid_token' })
})

test('a code of a registration makes one person, however many use it at once', async () => {
  const ctx = byMail()
  const email = address()
  await register(ctx, registration(email))
  await answerMail(ctx)
  const token = await lastCode(ctx, email)
  const begin = () => confirmRegistration(ctx, { token, password: PASSWORD, deviceName: 'x' })
  const all = await Promise.allSettled(Array.from({ length: 8 }, begin))
  expect(all.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
})

test('a password that counts beside a second factor only is not left to stand alone', async () => {
  const { ctx, me, resetCode } = await person()
  await ctx.db
    .insert(totpSecrets)
    .values({ id: ctx.newId('totp'), userId: me.actor.userId, secret: 'x', confirmedAt: ctx.now() })
  await changePassword(me, { currentPassword: PASSWORD, newPassword: 'q7!vTz0p' })
  await expect(removeTotp(me)).rejects.toMatchObject({ code: 'conflict' })
  await changePassword(me, { currentPassword: 'q7!vTz0p', newPassword: OTHER })
  await removeTotp(me)
  await confirmReset(ctx, { token: await resetCode(), password: PASSWORD })
  const [kept] = await ctx.db.select().from(credentials).where(eq(credentials.userId, me.actor.userId))
  expect(kept?.isLong).toBe(true)
})
