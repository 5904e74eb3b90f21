import { confirmedApp, passkeyOf } from '../matrix-factors.ts'
import type { Request } from '../matrix-requests.ts'
import type { Person, World } from '../world.ts'

type Try = { owner: Person; request: Request }

async function another(world: World): Promise<Person> {
  const [person] = await world.people(1)
  if (!person) throw new Error('no person')
  return person
}

/** What only the verbs behind the factors of a sign-in refuse. */
export const OWN_FACTORS: Record<string, (world: World, asked: Try) => Promise<Try[]>> = {
  answerChallenge: async (_, asked) => [asked, asked],
  // The right answer before these ended the session that asks.
  stepUp: async (_, { owner, request }) => {
    const raw = (text: string, type: string): Try => {
      const options = { raw: text, headers: { 'content-type': type } }
      return { owner, request: { ...request, options } }
    }
    return [raw('x'.repeat(1_000_001), 'application/json'), raw('{}', 'application/json; charset=utf-16')]
  },
  signInWithPasskey: async (_, asked) => [asked, asked],
  enrolTotp: async (_, asked) => {
    await confirmedApp(asked.owner)
    return [asked]
  },
  confirmTotp: async (world, asked) => [asked, asked, { ...asked, owner: await another(world) }],
  removeTotp: async (world, asked) => {
    const short = await another(world)
    await confirmedApp(short)
    await world.query(
      `insert into credentials (user_id, password_hash, is_long) values ($1, 'none', false)
        on conflict (user_id) do update set is_long = false`,
      [short.userId],
    )
    return [
      { ...asked, owner: await another(world) },
      { ...asked, owner: short },
    ]
  },
  renewRecoveryCodes: async (world, asked) => [{ ...asked, owner: await another(world) }],
  addPasskey: async (world, { owner, request }) => {
    const device = await passkeyOf(world, owner)
    const options = JSON.parse((await owner.api('POST', '/v1/auth/passkeys/options')).text)
    return [{ owner, request: { ...request, options: { body: { response: device.create(options) } } } }]
  },
  removePasskey: async (world, { request }) => {
    const owner = await another(world)
    const { passkeyId } = await passkeyOf(world, owner)
    return [{ owner, request: { ...request, path: `/v1/auth/passkeys/${passkeyId}` } }]
  },
}
