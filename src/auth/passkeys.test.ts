import { eq } from 'drizzle-orm'
import { Secret, TOTP } from 'otpauth'
import { expect, test } from 'vitest'
import { createAuthenticator, type Manners } from '#test/authenticator'
import { makePerson, type Person, testCtx } from '#test/database'
import { confirmTotp, enrolTotp } from './authenticator-app.ts'
import { Assertion, Attestation } from './factors-schema.ts'
import { addPasskey, listPasskeys, offerPasskey, offerSignIn, removePasskey, renamePasskey } from './passkeys.ts'
import { signInWithPasskey } from './second-step.ts'
import { credentials, passkeyChallenges, passkeys, sessions } from './tables.ts'

const PAGE = 'http://aurelius.test'
const refused = (code: string) => ({ code })

type Device = ReturnType<typeof createAuthenticator>

async function register(person: Person, device = createAuthenticator(PAGE), manners: Manners = {}) {
  const response = Attestation.parse(device.create(await offerPasskey(person), manners))
  return { device, passkey: await addPasskey(person, { response, name: 'Laptop' }) }
}
async function signIn(device: Device, manners: Manners = {}, ctx = testCtx()) {
  const response = Assertion.parse(device.get(await offerSignIn(ctx), manners))
  return await signInWithPasskey(ctx, { response, deviceName: 'tablet' })
}

test('a passkey is added, signs in without a name or a second factor, is renamed and removed', async () => {
  const person = await makePerson()
  const { device, passkey } = await register(person)
  expect(passkey).toMatchObject({ name: 'Laptop', backupEligible: true, backedUp: true, lastUsedAt: null })
  const { secret } = await enrolTotp(person)
  await confirmTotp(person, { code: new TOTP({ secret: Secret.fromBase32(secret) }).generate() })
  const signedIn = await signIn(device)
  expect(signedIn.user.id).toBe(person.actor.userId)
  const [session] = await person.db.select().from(sessions).where(eq(sessions.id, signedIn.sessionId))
  expect(session).toMatchObject({ methods: ['passkey'], deviceName: 'tablet' })
  const other = await register(person)
  expect(await renamePasskey(person, passkey.id, { name: 'Key ring' })).toMatchObject({ name: 'Key ring' })
  expect((await listPasskeys(person)).map(({ name }) => name)).toEqual(['Laptop', 'Key ring'])
  expect((await listPasskeys(person))[1]?.lastUsedAt).not.toBeNull()
  await removePasskey(person, passkey.id)
  await expect(signIn(device)).rejects.toMatchObject(refused('wrong_factor'))
  expect((await signIn(other.device)).user.id).toBe(person.actor.userId)
})

test('what an authenticator is given names no address as its handle, one handle a person, and what it has already', async () => {
  const person = await makePerson()
  const [first, second] = [await offerPasskey(person), await offerPasskey(person)]
  expect(first.user.id).toMatch(/^[\w-]{43}$/)
  expect(second.challenge).not.toBe(first.challenge)
  expect(first).toMatchObject({
    attestation: 'none',
    authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
  })
  const { device } = await register(person)
  const third = await offerPasskey(person)
  const [row] = await person.db.select().from(passkeys).where(eq(passkeys.userId, person.actor.userId))
  expect(third.user.id).toBe(row?.handle)
  expect(third.excludeCredentials).toEqual([
    { type: 'public-key', id: row?.credentialId, transports: ['internal', 'hybrid'] },
  ])
  await expect(register(await makePerson(), device)).rejects.toMatchObject(refused('conflict'))
})

const BAD: [string, Manners][] = [
  ['of another page', { origin: 'https://evil.example' }],
  ['of a page whose name begins alike', { origin: `${PAGE}.evil.example` }],
  ['for another domain', { rpId: 'evil.example' }],
  ['without the person verified', { isVerified: false }],
  ['without the person present', { isPresent: false }],
]

test.each([...BAD, ['of another kind', { type: 'webauthn.get' }] as [string, Manners]])(
  'a passkey made %s is refused',
  async (_, manners) => {
    const person = await makePerson()
    await expect(register(person, createAuthenticator(PAGE), manners)).rejects.toMatchObject(refused('wrong_factor'))
    expect(await listPasskeys(person)).toEqual([])
  },
)

test.each([
  ...BAD,
  ['of another kind', { type: 'webauthn.create' }],
  ['with a counter that stood still', { counter: 7 }],
  ['with a counter that went back', { counter: 6 }],
  ['for another handle', { userHandle: 'YW5vdGhlcg' }],
  ['without a handle', { userHandle: null }],
] as [string, Manners][])('a sign-in %s is refused', async (_, manners) => {
  const { device } = await register(await makePerson())
  await signIn(device, { counter: 7 })
  await expect(signIn(device, manners)).rejects.toMatchObject(refused('wrong_factor'))
  await signIn(device, { counter: 8 })
})

test('an authenticator that does not count is taken', async () => {
  const { device } = await register(await makePerson(), createAuthenticator(PAGE), { counter: 0 })
  await signIn(device, { counter: 0 })
  await signIn(device, { counter: 0 })
})

test('what a passkey signed works once, within five minutes, and only what we asked for', async () => {
  const { device } = await register(await makePerson())
  const ctx = testCtx()
  const options = await offerSignIn(ctx)
  const response = Assertion.parse(device.get(options))
  await signInWithPasskey(ctx, { response, deviceName: 'x' })
  await expect(signInWithPasskey(ctx, { response, deviceName: 'x' })).rejects.toMatchObject(refused('wrong_factor'))
  const late = testCtx({ now: () => new Date(Date.now() + 300_001) })
  const old = Assertion.parse(device.get(await offerSignIn(ctx)))
  await expect(signInWithPasskey(late, { response: old, deviceName: 'x' })).rejects.toMatchObject(
    refused('wrong_factor'),
  )
  const invented = Assertion.parse(device.get({ ...options, challenge: 'A'.repeat(43) }))
  await expect(signInWithPasskey(ctx, { response: invented, deviceName: 'x' })).rejects.toMatchObject(
    refused('wrong_factor'),
  )
})

test('a changed byte of what was signed is refused, as is text that is none of ours', async () => {
  const { device } = await register(await makePerson())
  const ctx = testCtx()
  for (const field of ['authenticatorData', 'signature', 'clientDataJSON'] as const) {
    const good = Assertion.parse(device.get(await offerSignIn(ctx)))
    const bytes = Buffer.from(good.response[field], 'base64url')
    bytes.writeUInt8((bytes.at(-1) ?? 0) ^ 1, bytes.length - 1)
    for (const changed of [bytes.toString('base64url'), 'AAAA']) {
      const response = { ...good, response: { ...good.response, [field]: changed } }
      await expect(signInWithPasskey(ctx, { response, deviceName: 'x' })).rejects.toMatchObject(refused('wrong_factor'))
    }
  }
})

test('a challenge to add a passkey is for one session, and signs nobody in', async () => {
  const person = await makePerson()
  const { device } = await register(person)
  const options = await offerPasskey(person)
  const elsewhere = await makePerson()
  const response = Attestation.parse(createAuthenticator(PAGE).create(options))
  await expect(addPasskey(elsewhere, { response, name: 'x' })).rejects.toMatchObject(refused('wrong_factor'))
  const signed = Assertion.parse(device.get({ challenge: options.challenge, rpId: options.rp.id }))
  await expect(signInWithPasskey(testCtx(), { response: signed, deviceName: 'x' })).rejects.toMatchObject(
    refused('wrong_factor'),
  )
  await addPasskey(person, { response, name: 'x' })
  await expect(addPasskey(person, { response, name: 'x' })).rejects.toMatchObject(refused('wrong_factor'))
})

test('the last way in stays, also when two are removed at once', async () => {
  const person = await makePerson()
  const { passkey: first } = await register(person)
  await expect(removePasskey(person, first.id)).rejects.toMatchObject(refused('conflict'))
  const { passkey: second } = await register(person)
  const both = await Promise.allSettled([removePasskey(person, first.id), removePasskey(person, second.id)])
  expect(both.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  const [left] = await listPasskeys(person)
  await person.db.insert(credentials).values({ userId: person.actor.userId, passwordHash: 'x' })
  await removePasskey(person, left?.id ?? '')
  expect(await listPasskeys(person)).toEqual([])
})

test('passkeys are added and removed after a fresh sign-in only, and a stranger has none of them', async () => {
  const person = await makePerson()
  const { device, passkey } = await register(person)
  const response = Attestation.parse(device.create(await offerPasskey(person)))
  const stale: Person = { ...person, actor: { ...person.actor, authAtMs: Date.now() - 300_001 } }
  for (const act of [offerPasskey(stale), addPasskey(stale, { response, name: 'x' }), removePasskey(stale, passkey.id)])
    await expect(act).rejects.toMatchObject(refused('step_up_required'))
  const stranger = await makePerson()
  for (const act of [removePasskey(stranger, passkey.id), renamePasskey(stranger, passkey.id, { name: 'x' })])
    await expect(act).rejects.toMatchObject(refused('not_found'))
})

test('a person has at most twenty passkeys', async () => {
  const person = await makePerson()
  const row = {
    userId: person.actor.userId,
    publicKey: '',
    handle: 'h',
    counter: 0,
    aaguid: '',
    backupEligible: false,
    backedUp: false,
    name: 'x',
  }
  const rows = Array.from({ length: 20 }, () => ({
    ...row,
    id: person.newId('psk'),
    credentialId: crypto.randomUUID(),
  }))
  await person.db.insert(passkeys).values(rows)
  await expect(register(person)).rejects.toMatchObject(refused('conflict'))
  const left = await person.db.select().from(passkeyChallenges).where(eq(passkeyChallenges.userId, person.actor.userId))
  expect(left).toEqual([])
})
