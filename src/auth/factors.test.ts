import { eq } from 'drizzle-orm'
import { Secret, TOTP } from 'otpauth'
import { expect, test } from 'vitest'
import type { Ctx } from '#core'
import { emailMessages } from '#email/tables'
import { resealSecrets, unseal } from '#security'
import { makePerson, type Person, testCtx } from '#test/database'
import { confirmTotp, enrolTotp, removeTotp, renewRecoveryCodes } from './authenticator-app.ts'
import { pruneChallenges } from './challenge.ts'
import { listFactors } from './factors.ts'
import { admit } from './open.ts'
import { secretPlace } from './prove.ts'
import { authSealed } from './sealed.ts'
import { answerChallenge } from './second-step.ts'
import { recoveryCodes, sessions, signInChallenges, totpSecrets } from './tables.ts'

const STEP_MS = 30_000
// A clock of its own: codes are made for the moment a test says it is.
const START_MS = Math.floor(Date.now() / STEP_MS) * STEP_MS

/** A person at a time of the test's choosing; `later` moves it, and signs them in anew at that moment. */
async function someone() {
  const clock = { ms: START_MS }
  const now = () => new Date(clock.ms)
  const person = await makePerson({ now })
  const fresh = (): Person => ({ ...person, actor: { ...person.actor, authAtMs: clock.ms } })
  const later = (ms: number) => {
    clock.ms += ms
  }
  return { clock, fresh, now, person, later }
}
type Someone = Awaited<ReturnType<typeof someone>>

const codeOf = (secret: string, ms: number) =>
  new TOTP({ secret: Secret.fromBase32(secret) }).generate({ timestamp: ms })

/** The same with an app that is confirmed; its codes work from the next half minute on. */
async function withApp() {
  const who = await someone()
  const { secret } = await enrolTotp(who.fresh())
  const { codes } = await confirmTotp(who.fresh(), { code: codeOf(secret, who.clock.ms) })
  who.later(STEP_MS)
  const code = () => codeOf(secret, who.clock.ms)
  return { ...who, secret, codes, code, wrong: () => (code() === '000000' ? '000001' : '000000') }
}

/** What a right password is answered with. */
async function challengeOf({ person }: Someone): Promise<string> {
  const me = { id: person.actor.userId, email: '', displayName: '' } as Parameters<typeof admit>[1]['me']
  const admission = await admit(
    person,
    { userId: me.id, stamp: 0, me, isKnown: true },
    { method: 'password', deviceName: 'phone' },
  )
  if (admission.kind !== 'challenge') throw new Error('no challenge')
  return admission.answer.challenge
}
const show = (ctx: Ctx, challenge: string, code: string, method: 'totp' | 'recovery_code' = 'totp') =>
  answerChallenge(ctx, { challenge, method, code })
const refused = (code: string) => ({ code })

test('an app counts once a code of it was given, and goes with its recovery codes', async () => {
  const { fresh, clock, person } = await someone()
  const ways = async () => await listFactors(person)
  expect(await ways()).toEqual({ password: false, totp: false, recoveryCodesLeft: 0, passkeys: 0 })
  await expect(confirmTotp(fresh(), { code: '123456' })).rejects.toMatchObject(refused('not_found'))
  await expect(renewRecoveryCodes(fresh())).rejects.toMatchObject(refused('conflict'))
  await enrolTotp(fresh())
  const { secret } = await enrolTotp(fresh())
  expect((await ways()).totp).toBe(false)
  await expect(confirmTotp(fresh(), { code: codeOf(secret, clock.ms + 9e6) })).rejects.toMatchObject(
    refused('invalid_request'),
  )
  const { codes } = await confirmTotp(fresh(), { code: codeOf(secret, clock.ms) })
  expect(new Set(codes).size).toBe(10)
  expect(await ways()).toMatchObject({ totp: true, recoveryCodesLeft: 10 })
  await expect(enrolTotp(fresh())).rejects.toMatchObject(refused('conflict'))
  await expect(confirmTotp(fresh(), { code: codeOf(secret, clock.ms) })).rejects.toMatchObject(refused('conflict'))
  await removeTotp(fresh())
  expect(await ways()).toMatchObject({ totp: false, recoveryCodesLeft: 0 })
  await expect(removeTotp(fresh())).rejects.toMatchObject(refused('not_found'))
})

test('what changes a factor asks for a sign-in of the last five minutes', async () => {
  const { person, later } = await someone()
  later(300_001)
  const acts = [enrolTotp, removeTotp, renewRecoveryCodes, (ctx: Person) => confirmTotp(ctx, { code: '123456' })]
  for (const act of acts) await expect(act(person)).rejects.toMatchObject(refused('step_up_required'))
})

test('a right password is answered with a challenge, and a code of the app ends it with a session', async () => {
  const who = await withApp()
  const answer = await show(who.person, await challengeOf(who), who.code())
  const [row] = await who.person.db.select().from(sessions).where(eq(sessions.id, answer.sessionId))
  expect(row).toMatchObject({ userId: who.person.actor.userId, methods: ['password', 'totp'], deviceName: 'phone' })
})

test('a code is used once, however many challenges there are, and none of an earlier half minute after it', async () => {
  const who = await withApp()
  const used = who.code()
  await show(who.person, await challengeOf(who), used)
  await expect(show(who.person, await challengeOf(who), used)).rejects.toMatchObject(refused('wrong_factor'))
  who.later(2 * STEP_MS)
  await show(who.person, await challengeOf(who), codeOf(who.secret, who.clock.ms + STEP_MS))
  await expect(show(who.person, await challengeOf(who), who.code())).rejects.toMatchObject(refused('wrong_factor'))
})

test('a challenge takes five tries, one success and five minutes', async () => {
  const who = await withApp()
  const tried = await challengeOf(who)
  for (let tries = 0; tries < 5; tries++)
    await expect(show(who.person, tried, who.wrong())).rejects.toMatchObject(refused('wrong_factor'))
  await expect(show(who.person, tried, who.code())).rejects.toMatchObject(refused('invalid_token'))
  const used = await challengeOf(who)
  await show(who.person, used, who.code())
  await expect(show(who.person, used, who.codes[0] ?? '', 'recovery_code')).rejects.toMatchObject(
    refused('invalid_token'),
  )
  expect((await listFactors(who.person)).recoveryCodesLeft).toBe(10)
  const old = await challengeOf(who)
  who.later(300_000)
  await expect(show(who.person, old, who.code())).rejects.toMatchObject(refused('invalid_token'))
  await pruneChallenges({ ...who.person, now: () => new Date(who.clock.ms + 1) })
  const left = await who.person.db
    .select()
    .from(signInChallenges)
    .where(eq(signInChallenges.userId, who.person.actor.userId))
  expect(left).toEqual([])
})

test("another person's code, and their recovery code, end no challenge of mine", async () => {
  const [mine, theirs] = [await withApp(), await withApp()]
  await expect(show(mine.person, await challengeOf(mine), theirs.code())).rejects.toMatchObject(refused('wrong_factor'))
  const [code = ''] = theirs.codes
  await expect(show(mine.person, await challengeOf(mine), code, 'recovery_code')).rejects.toMatchObject(
    refused('wrong_factor'),
  )
  expect((await listFactors(theirs.person)).recoveryCodesLeft).toBe(10)
})

test('after ten wrong codes in a row the app waits, other ways do not; after a hundred it waits for them', async () => {
  const who = await withApp()
  const guess = async (code: string) => await show(who.person, await challengeOf(who), code)
  const fail = (code = who.wrong()) => expect(guess(code)).rejects.toMatchObject(refused('wrong_factor'))
  const wait = () => expect(guess(who.code())).rejects.toMatchObject({ code: 'rate_limited', retryAfterS: 900 })
  for (let tries = 0; tries < 10; tries++) await fail()
  await wait()
  who.later(900_001)
  await fail()
  await guess(who.code())
  await who.person.db.update(totpSecrets).set({ failures: 100 }).where(eq(totpSecrets.userId, who.person.actor.userId))
  who.later(9e8)
  await wait()
  const [code = ''] = who.codes
  await show(who.person, await challengeOf(who), code, 'recovery_code')
  await guess(who.code())
})

test('a recovery code works once, however it is written, and is told by mail; new ones end the old', async () => {
  const who = await withApp()
  const [first = '', second = ''] = who.codes
  expect(first).toMatch(/^([0-9a-hjkmnp-tv-z]{4}-){5}[0-9a-hjkmnp-tv-z]{4}$/)
  const written = ` ${first.toUpperCase().replaceAll('-', ' ').replaceAll('0', 'O').replaceAll('1', 'I')}`
  const signIn = async (code: string) => await show(who.person, await challengeOf(who), code, 'recovery_code')
  await signIn(written)
  await expect(signIn(first)).rejects.toMatchObject(refused('wrong_factor'))
  expect((await listFactors(who.person)).recoveryCodesLeft).toBe(9)
  const { codes } = await renewRecoveryCodes(who.fresh())
  await expect(signIn(second)).rejects.toMatchObject(refused('wrong_factor'))
  await signIn(codes[0] ?? '')
  const stored = await who.person.db
    .select()
    .from(recoveryCodes)
    .where(eq(recoveryCodes.userId, who.person.actor.userId))
  expect(stored).toHaveLength(10)
  for (const code of codes) expect(JSON.stringify(stored)).not.toContain(code)
})

test('the secret is sealed for its row and person, and a rotated key reaches it', async () => {
  const who = await withApp()
  const row = async () =>
    (await who.person.db.select().from(totpSecrets).where(eq(totpSecrets.userId, who.person.actor.userId)))[0]
  const before = await row()
  if (!before) throw new Error('no row')
  const keys = who.person.config.encryptionKeys
  const place = secretPlace(before.id, before.userId)
  expect(await unseal(keys, place, before.secret)).toBe(who.secret)
  await expect(unseal(keys, { ...place, userId: 'another' }, before.secret)).rejects.toThrow('does not open')
  const fresh = { id: 'fresh', key: Buffer.alloc(32, 7).toString('base64') }
  const rotating = { ...who.person, config: { ...who.person.config, encryptionKeys: [fresh, ...keys] } }
  for (let batches = 0; batches < 20 && !(await row())?.secret.startsWith('v1.fresh.'); batches++)
    await resealSecrets(rotating, authSealed)
  expect(await unseal([fresh], place, (await row())?.secret ?? '')).toBe(who.secret)
  const lost = { ...who.person, config: { ...who.person.config, encryptionKeys: keys } }
  await expect(show(lost, await challengeOf(who), who.code())).rejects.toMatchObject(refused('unavailable'))
  await show(lost, await challengeOf(who), who.codes[0] ?? '', 'recovery_code')
  // Others' rows were reached too: they go on with both keys.
  await resealSecrets({ ...rotating, config: { ...rotating.config, encryptionKeys: [...keys, fresh] } }, authSealed)
})

test('the person is told by mail of each change, in the commit that makes it', async () => {
  const who = await someone()
  const mail = { provider: 'local' as const, from: 'a@example.com', fromName: 'Aurelius', url: 'http://127.0.0.1:1' }
  const config = { ...who.person.config, mail }
  const ctx = (): Person => ({ ...who.fresh(), config })
  const { secret } = await enrolTotp(ctx())
  const { codes } = await confirmTotp(ctx(), { code: codeOf(secret, who.clock.ms) })
  const challenge = await challengeOf(who)
  await show(ctx(), challenge, codes[0] ?? '', 'recovery_code')
  for (let tries = 0; tries < 10; tries++) {
    const wrong = show(ctx(), await challengeOf(who), codeOf(secret, who.clock.ms + 9e6))
    await expect(wrong).rejects.toMatchObject(refused('wrong_factor'))
  }
  await renewRecoveryCodes(ctx())
  await removeTotp(ctx())
  const mails = await testCtx().db.select().from(emailMessages).where(eq(emailMessages.userId, who.person.actor.userId))
  const keys = mails.filter(({ kind }) => kind === 'factor_changed').map(({ key }) => key.split(':').slice(0, 2).join())
  const told = ['recovery-code', 'recovery-codes', 'totp-added', 'totp-guessed', 'totp-removed']
  expect(keys.sort()).toEqual(told.map((what) => `factor,${what}`))
  for (const { key, content } of mails) for (const code of codes) expect(`${key} ${content}`).not.toContain(code)
})
