import { randomBytes } from 'node:crypto'
import { SCOPES } from '#auth'
import { makeKey } from '../matrix-keys.ts'
import { OBJECTS } from '../matrix-objects.ts'
import { mailedCode } from '../matrix-valid.ts'
import { makeId, PASSWORD, type Person, tokenHash, type World } from '../world.ts'
import { erasePerson } from './lib-erasure.ts'

/** What is ended: a session beside that of its person, a key, what an app was allowed, or a role. */
export type Held = {
  person: Person
  token: string
  /** What opens the MCP server, where that is another token. */
  mcpToken?: string
  id: string
  refreshToken: string | undefined
}
/** One way in which what somebody holds is made worthless, and by whose hand. */
export type Way = {
  of: 'session' | 'key' | 'grant' | 'role'
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
  'choosing another password': {
    of: 'session',
    end: (_, { person }) => person.api('POST', '/v1/auth/password', { body: { newPassword: PASSWORD } }),
  },
  'a new password by mail': {
    of: 'session',
    async end(world, { person }) {
      const body = { token: await mailedCode(world, 'reset', person), password: PASSWORD }
      return await world.call('POST', '/v1/auth/password-reset/confirm', { body })
    },
  },
  'a link to an address nobody had confirmed': { of: 'session', end: comeIn },
  'disabling the person': { of: 'session', end: (world, { person }) => change(world, person, { disabled: true }) },
  // Scheduling ends nothing: docs/decisions/0045.
  'the end of the erasure': { of: 'session', end: (world, { person }) => erase(world, person) },
  'revoking a key': { of: 'key', end: (_, { person, id }) => person.api('DELETE', `/v1/api-keys/${id}`) },
  'a new password by mail, of a key': {
    of: 'key',
    async end(world, { person }) {
      const body = { token: await mailedCode(world, 'reset', person), password: PASSWORD }
      return await world.call('POST', '/v1/auth/password-reset/confirm', { body })
    },
  },
  'a link to an address nobody had confirmed, of a key': { of: 'key', end: comeIn },
  "disabling the key's person": { of: 'key', end: (world, { person }) => change(world, person, { disabled: true }) },
  "the end of the erasure of the key's person": { of: 'key', end: (world, { person }) => erase(world, person) },
  'revoking what an app was allowed': {
    of: 'grant',
    end: (_, { person, id }) => person.api('DELETE', `/v1/oauth/grants/${id}`),
  },
  'a link to an address nobody had confirmed, of an app': { of: 'grant', end: comeIn },
  'disabling the person of an app': {
    of: 'grant',
    end: (world, { person }) => change(world, person, { disabled: true }),
  },
  'taking a role': { of: 'role', end: (world, { person }) => change(world, person, { role: 'person' }) },
}

const change = (world: World, { userId }: Person, body: object) =>
  world.call('PATCH', `/v1/admin/people/${userId}`, {
    ...{ token: world.vars.OPERATOR_TOKEN, body, headers: { 'if-match': '*' } },
  })

async function comeIn(world: World, { person }: Held) {
  const body = { token: await mailedCode(world, 'link', person) }
  return await world.call('POST', '/v1/auth/magic-link/confirm', { body })
}

async function erase(world: World, person: Person) {
  return (await erasePerson(world, person)) ? { status: 200, text: '' } : { status: 500, text: 'no receipt came' }
}

/** A person with something to lose. */
export async function makeHeld(world: World, of: Way['of']): Promise<Held> {
  const [person] = await world.people(1)
  if (!person) throw new Error('nobody was made')
  if (of === 'key') {
    const { id, secret } = await makeKey(person, { scopes: SCOPES })
    return { person, token: secret, id, refreshToken: undefined }
  }
  if (of === 'grant') return await makeAllowed(world, person)
  if (of === 'role') {
    await world.query("update users set role = 'support' where id = $1", [person.userId])
    return { person, token: person.accessToken, id: person.sessionId, refreshToken: undefined }
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

/** As an app has it that exchanged its code. */
async function makeAllowed(world: World, person: Person): Promise<Held> {
  const id = await OBJECTS['/v1/oauth/grants']?.make(world, person, 'an app')
  const [row] = await world.query('select session_id, client_id from oauth_grants where id = $1', [id])
  const claims = { client_id: String(row?.client_id), scope: SCOPES.join(' ') }
  const tokenFor = (aud: string) => world.token(person.userId, String(row?.session_id), { claims: { ...claims, aud } })
  const { PUBLIC_URL = '' } = world.vars
  const [token, mcpToken] = await Promise.all([tokenFor(PUBLIC_URL), tokenFor(`${PUBLIC_URL}/mcp`)])
  return { person, token, mcpToken, id: String(id), refreshToken: undefined }
}
