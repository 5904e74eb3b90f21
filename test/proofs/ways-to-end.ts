import { randomBytes } from 'node:crypto'
import { SCOPES } from '#auth'
import { makeKey } from '../matrix-keys.ts'
import { makeId, type Person, tokenHash, type World } from '../world.ts'

/** What is ended: a session beside that of its person, or a key. */
export type Held = { person: Person; token: string; id: string; refreshToken: string | undefined }
/** One way in which what somebody holds is made worthless, and by whose hand. */
export type Way = {
  of: 'session' | 'key'
  end(world: World, held: Held): Promise<{ status: number; text: string }>
}

/** Whatever ends a session or a key is listed here: a new way is a row. */
export const WAYS: Record<string, Way> = {
  'logging out': { of: 'session', end: (world, { token }) => world.call('POST', '/v1/auth/logout', { token }) },
  'ending one session': { of: 'session', end: (_, { person, id }) => person.api('DELETE', `/v1/auth/sessions/${id}`) },
  'ending all others': { of: 'session', end: (_, { person }) => person.api('DELETE', '/v1/auth/sessions') },
  'a refresh token that comes back': {
    of: 'session',
    async end(world, { refreshToken: first }) {
      const renew = (refreshToken: unknown) => world.call('POST', '/v1/auth/refresh', { body: { refreshToken } })
      const { refreshToken: second } = JSON.parse((await renew(first)).text)
      await renew(second)
      const replayed = await renew(first)
      return replayed.text.includes('token_replayed') ? { status: 204, text: '' } : replayed
    },
  },
  'erasing the person': { of: 'session', end: (_, { person }) => person.api('DELETE', '/v1/me') },
  'revoking a key': { of: 'key', end: (_, { person, id }) => person.api('DELETE', `/v1/api-keys/${id}`) },
  "erasing the key's person": { of: 'key', end: (_, { person }) => person.api('DELETE', '/v1/me') },
}

/** A person with something to lose. */
export async function makeHeld(world: World, of: Way['of']): Promise<Held> {
  const [person] = await world.people(1)
  if (!person) throw new Error('nobody was made')
  if (of === 'key') {
    const { id, secret } = await makeKey(person, { scopes: SCOPES })
    return { person, token: secret, id, refreshToken: undefined }
  }
  const id = makeId('ses')
  const refreshToken = `rt_${randomBytes(32).toString('base64url')}`
  await world.query(
    `with s as (insert into sessions (id, user_id, device_name, user_agent, address, expires_at)
      values ($1, $2, 'other', 'other', '192.0.2.2', now() + interval '1 day') returning id)
      insert into refresh_tokens (id, session_id, hash, generation) select $3, id, $4, 1 from s`,
    [id, person.userId, makeId('rft'), tokenHash(refreshToken)],
  )
  return { person, token: await world.token(person.userId, id), id, refreshToken }
}
