import { eq } from 'drizzle-orm'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { expect, test } from 'vitest'
import { type Ctx, requireFresh } from '#core'
import { jobs } from '#queue/tables'
import { makePerson, revoke, testCtx } from '#test/database'
import { mailCtx, mailsTo } from '#test/mailed'
import { getMe } from '#users'
import { registerDirectly as register } from './register.ts'
import { listSessions, logout, refresh } from './sessions.ts'
import { login } from './sign-in.ts'
import { readAccessToken } from './tokens.ts'

const PASSWORD = 'correct horse battery staple'
const registration = (email: string) => ({
  email,
  password: PASSWORD,
  displayName: 'Sam',
  timeZone: 'Europe/Berlin',
  locale: 'de-DE',
  deviceName: 'phone',
})
const address = () => `p${crypto.randomUUID()}@example.com`

async function signedIn(ctx = testCtx()) {
  const email = address()
  return { ctx, email, tokens: await register(ctx, registration(email)) }
}

test('a person registers, signs in and is known by the token', async () => {
  const { ctx, email, tokens } = await signedIn()
  expect(tokens.user).toMatchObject({
    email,
    displayName: 'Sam',
    preferences: { timeZone: 'Europe/Berlin', locale: 'de-DE' },
    version: 1,
  })
  const admission = await login(ctx, { email: email.toUpperCase(), password: PASSWORD, deviceName: 'tablet' })
  if (admission.kind !== 'signed-in') throw new Error('no session')
  const again = admission.answer
  expect(again.sessionId).not.toBe(tokens.sessionId)
  const actor = await readAccessToken(ctx, again.accessToken, ctx.config.publicUrl)
  expect(actor).toMatchObject({ kind: 'person', userId: tokens.user.id, sessionId: again.sessionId })
  expect(await getMe({ ...ctx, actor })).toEqual(tokens.user)
  const { exp = 0, iat = 0 } = decodeJwt(again.accessToken)
  expect([exp - iat, decodeProtectedHeader(again.accessToken).typ]).toEqual([600, 'at+jwt'])
})

test('an address registers once, in any letter case', async () => {
  const { ctx, email } = await signedIn()
  await expect(register(ctx, registration(email.toUpperCase()))).rejects.toMatchObject({ code: 'email_taken' })
})

test('a wrong password and an unknown address are one answer', async () => {
  const { ctx, email } = await signedIn()
  for (const input of [
    { email, password: 'wrong' },
    { email: address(), password: PASSWORD },
  ]) {
    await expect(login(ctx, { ...input, deviceName: 'x' })).rejects.toMatchObject({ code: 'invalid_credentials' })
  }
})

test('refreshing costs one trip and the same token within the grace gives the same successor', async () => {
  const { tokens } = await signedIn()
  const ctx = testCtx()
  const first = await refresh(ctx, tokens)
  expect(ctx.meter.trips).toBe(1)
  const second = await refresh(ctx, tokens)
  expect(second.refreshToken).toBe(first.refreshToken)
  expect((await refresh(ctx, first)).refreshToken).not.toBe(first.refreshToken)
})

test('renewing a token does not make the sign-in later, and what needs a fresh one is refused after five minutes', async () => {
  const { ctx, tokens } = await signedIn()
  const { authAtMs = 0, ...actor } = await readAccessToken(ctx, tokens.accessToken, ctx.config.publicUrl)
  const at = (ms: number) => testCtx({ now: () => new Date(authAtMs + ms) })
  const renewed = await readAccessToken(
    at(299_000),
    (await refresh(at(299_000), tokens)).accessToken,
    ctx.config.publicUrl,
  )
  expect(renewed).toEqual({ ...actor, authAtMs })
  expect(() => requireFresh({ ...at(300_000), actor: renewed })).not.toThrow()
  expect(() => requireFresh({ ...at(300_001), actor: renewed })).toThrow('last five minutes')
  expect(() => requireFresh({ ...at(0), actor })).toThrow('last five minutes')
})

test('an older refresh token ends the family and says so to the outbox', async () => {
  const { ctx, tokens } = await signedIn()
  const next = await refresh(ctx, tokens)
  await refresh(ctx, next)
  await expect(refresh(ctx, tokens)).rejects.toMatchObject({ code: 'token_replayed' })
  await expect(refresh(ctx, next)).rejects.toMatchObject({ code: 'session_ended' })
  expect(ctx.sent).toContainEqual({ v: 1, kind: 'event', outboxId: `${tokens.sessionId}.1.session.ended` })
})

test('a used refresh token after the grace ends the family', async () => {
  const { ctx, tokens } = await signedIn()
  await refresh(ctx, tokens)
  const later = testCtx({ now: () => new Date(Date.now() + 11_000) })
  await expect(refresh(later, tokens)).rejects.toMatchObject({ code: 'token_replayed' })
})

test('parallel refreshes leave one live branch', async () => {
  const { ctx, tokens } = await signedIn()
  const all = await Promise.all(Array.from({ length: 20 }, () => refresh(ctx, tokens)))
  expect(new Set(all.map(({ refreshToken }) => refreshToken)).size).toBe(1)
})

test('a session that ended is refused by the next statement, not when the token ends', async () => {
  const person = await makePerson()
  expect((await listSessions(person, { limit: 10 })).items).toHaveLength(1)
  await logout(person)
  await expect(getMe(person)).rejects.toThrow()
  await expect(listSessions(person, { limit: 10 })).rejects.toThrow()
  const other = await makePerson()
  await revoke(other)
  await expect(logout(other)).rejects.toThrow()
})

test('welcome and a link to confirm the address wait in the commit that made the person, which is one trip still', async () => {
  const ctx = mailCtx()
  const { email, tokens } = await signedIn(ctx)
  expect(ctx.meter.trips).toBe(1)
  const [mail, ...more] = await mailsTo(ctx, email)
  expect(more.map(({ kind, status }) => [kind, status])).toEqual([['verify_address', 'queued']])
  expect(mail).toMatchObject({ kind: 'welcome', status: 'queued', userId: tokens.user.id })
  const [job] = await ctx.db
    .select()
    .from(jobs)
    .where(eq(jobs.key, `mail:${mail?.id}`))
  expect(ctx.sent).toContainEqual({ v: 1, kind: 'job', jobId: job?.id })
  await expect(register(ctx, registration(email))).rejects.toMatchObject({ code: 'email_taken' })
  expect(await mailsTo(ctx, email)).toHaveLength(2)
})

test('a sign-in from a program or a country that was not seen before is told, once for each', async () => {
  const { email } = await signedIn(mailCtx())
  const from = (userAgent: string, country: string | null) =>
    mailCtx({ client: { address: '192.0.2.1', country, userAgent } })
  const signIn = (ctx: Ctx) => login(ctx, { email, password: PASSWORD, deviceName: 'tablet' })
  const told = async () => (await mailsTo(mailCtx(), email)).filter(({ kind }) => kind === 'new_device').length
  await signIn(mailCtx())
  expect(await told()).toBe(0)
  const strange = from('Firefox', 'DE')
  await signIn(strange)
  expect(strange.meter.trips).toBe(2)
  expect(await told()).toBe(1)
  await signIn(from('Firefox', 'DE'))
  expect(await told()).toBe(1)
  await signIn(from('Firefox', 'FR'))
  expect(await told()).toBe(2)
  await expect(login(from('Safari', 'FR'), { email, password: 'wrong', deviceName: 'x' })).rejects.toThrow()
  expect(await told()).toBe(2)
})

test('a right password is let in from where many were wrong: later than elsewhere, not never', async () => {
  const { ctx, email } = await signedIn()
  const from = (address: string) => {
    const client = { address, country: null, userAgent: '' }
    return { ...ctx, client, config: { ...ctx.config, rateLimitFactor: 1 } }
  }
  const wrong = Array.from({ length: 12 }, (_, n) =>
    login(from(`203.0.113.${n}`), { email: address(), password: 'wrong', deviceName: 'x' }),
  )
  await Promise.allSettled(wrong)
  const took = async (place: string) => {
    const started = performance.now()
    const { kind } = await login(from(place), { email, password: PASSWORD, deviceName: 'x' })
    return [kind, performance.now() - started >= 249]
  }
  expect(await took('203.0.113.200')).toEqual(['signed-in', true])
  const client = { address: '198.51.100.1', country: null, userAgent: '' }
  await login({ ...ctx, client }, { email, password: PASSWORD, deviceName: 'x' })
})
