import { Secret, TOTP } from 'otpauth'
import { createAuthenticator, type Manners } from './authenticator.ts'
import { need } from './matrix-identity.ts'
import { makeRefreshToken, type Person, tokenHash, type World } from './world.ts'

const STEP_MS = 30_000

/** An app that was given a secret: its code of now, or of so many half minutes later. */
function appOf(secret: string) {
  const totp = new TOTP({ secret: Secret.fromBase32(secret) })
  return (steps = 0) => totp.generate({ timestamp: Date.now() + steps * STEP_MS })
}

// A person has one app: those who make one for the same person take turns, each in place of the one before.
const turns = new WeakMap<Person, Promise<unknown>>()
function inTurn<T>(person: Person, work: () => Promise<T>): Promise<T> {
  const mine = (turns.get(person) ?? Promise.resolve()).then(work, work)
  turns.set(person, mine)
  return mine
}

async function enrol(person: Person) {
  await person.api('DELETE', '/v1/auth/totp')
  const { secret } = await need(person, 'POST', '/v1/auth/totp')
  return appOf(secret)
}

/** An authenticator app of this person's, not yet confirmed. */
export const pendingApp = (person: Person) => inTurn(person, () => enrol(person))

/** The same, confirmed by the code of now; the next one may be used at once. */
export const confirmedApp = (person: Person): Promise<{ code(): string; next(): string; codes: string[] }> =>
  inTurn(person, async () => {
    const code = await enrol(person)
    const { codes } = await need(person, 'POST', '/v1/auth/totp/confirm', { code: code() })
    return { code, next: () => code(1), codes }
  })

/** A device whose passkey this person has added. */
export async function passkeyOf(world: World, person: Person, manners?: Manners) {
  const device = createAuthenticator(world.vars.PUBLIC_URL ?? '')
  const response = device.create(await need(person, 'POST', '/v1/auth/passkeys/options'), manners)
  const { id } = await need(person, 'POST', '/v1/auth/passkeys', { response })
  return { ...device, passkeyId: String(id) }
}

/** What a passkey is to sign, for whoever has one. */
export async function askedToSign(world: World): Promise<{ challenge: string; rpId: string }> {
  return JSON.parse((await world.call('POST', '/v1/auth/passkeys/sign-in/options')).text)
}

/** Challenges as a right password is answered with, made behind the API: no hashing. */
export async function makeChallenges(
  world: World,
  { userId }: Pick<Person, 'userId'>,
  count: number,
): Promise<string[]> {
  const challenges = Array.from({ length: count }, () => makeRefreshToken().replace('rt_', 'chl_'))
  await world.query(
    `insert into sign_in_challenges (hash, user_id, method, device_name, expires_at)
      select value, $1, 'password', 'test', now() + interval '5 minutes' from json_array_elements_text($2::json)`,
    [userId, JSON.stringify(challenges.map(tokenHash))],
  )
  return challenges
}
