import { Buffer } from 'node:buffer'
import { createHmac } from 'node:crypto'
import { newSecrets } from '../local/secrets.ts'
import { erasePerson } from './proofs/lib-erasure.ts'
import { makeId, type Person, type World } from './world.ts'

/** Sent as they are, in place of a valid `Authorization`. */
export type Callers = Record<string, Record<string, string>>

const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

function unsigned(valid: string, alg: string): string {
  const [header = '', payload] = valid.split('.')
  const { kid } = JSON.parse(Buffer.from(header, 'base64url').toString())
  return `${encode({ alg, kid, typ: 'at+jwt' })}.${payload}.`
}

// The public key taken for a shared secret: an old way to be let in.
function signedWithPublicKey(valid: string, x: string): string {
  const signed = `${encode({ alg: 'HS256', typ: 'at+jwt' })}.${valid.split('.')[1]}`
  return `${signed}.${createHmac('sha256', Buffer.from(x, 'base64url')).update(signed).digest('base64url')}`
}

/** Every way to come with a token that is none, by what is wrong with it. */
export async function wrongTokens(world: World, person: Person): Promise<Callers> {
  const { userId, sessionId, accessToken } = person
  const forge = (parts: Parameters<World['token']>[2]) => world.token(userId, sessionId, parts)
  const [own] = JSON.parse(world.vars.JWT_KEYS ?? '[]')
  const [other] = JSON.parse((await newSecrets()).JWT_KEYS)
  const [head, payload = '', signature = ''] = accessToken.split('.')
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString())
  const altered = encode({ ...claims, sub: makeId('usr') })
  return {
    'no token': {},
    'an empty token': { authorization: 'Bearer ' },
    'another scheme': { authorization: `Basic ${Buffer.from('sam:sam').toString('base64')}` },
    'a token without its scheme': { authorization: accessToken },
    'two tokens': { authorization: `Bearer ${accessToken} ${accessToken}` },
    'a malformed token': bearer('not-a-token'),
    'a token cut short': bearer(accessToken.slice(0, -4)),
    'a token with another payload': bearer(`${head}.${altered}.${signature}`),
    'a token without its signature': bearer(`${head}.${payload}.`),
    'an expired token': bearer(await forge({ expiresIn: -60 })),
    'a token of later': bearer(await forge({ claims: { nbf: Math.floor(Date.now() / 1000) + 3600 } })),
    'a token that never ends': bearer(await forge({ claims: { exp: undefined } })),
    'a token signed by another key': bearer(await forge({ key: other })),
    'a token that brings its key': bearer(await forge({ key: other, header: { jwk: { ...other, d: undefined } } })),
    'a token of an unknown key': bearer(await forge({ header: { kid: 'unknown' } })),
    'alg none': bearer(unsigned(accessToken, 'none')),
    'alg NoNe': bearer(unsigned(accessToken, 'NoNe')),
    'the public key as a secret': bearer(signedWithPublicKey(accessToken, own.x)),
    'a token of another type': bearer(await forge({ header: { typ: 'JWT' } })),
    'a token for another audience': bearer(await forge({ claims: { aud: 'https://elsewhere.example' } })),
    'a token of another issuer': bearer(await forge({ claims: { iss: 'https://elsewhere.example' } })),
    'a token of no session': bearer(await forge({ claims: { sid: undefined } })),
    'a refresh token': bearer(person.refreshToken),
    "the operator's token": bearer(world.vars.OPERATOR_TOKEN ?? ''),
  }
}

/** Tokens that were signed here and whose session lets nobody in. */
export async function endedTokens(world: World): Promise<Callers> {
  const [ended, one, other, erased] = await world.people(4)
  if (!ended || !one || !other || !erased) throw new Error('no people')
  await ended.api('POST', '/v1/auth/logout')
  await erasePerson(world, erased)
  return {
    'a session that ended': bearer(ended.accessToken),
    "another person's session": bearer(await world.token(one.userId, other.sessionId)),
    'a session that never was': bearer(await world.token(one.userId, makeId('ses'))),
    'a person who is gone': bearer(erased.accessToken),
  }
}

/** What only those who run the deployment may call. */
export const OPERATOR = [
  'DELETE /v1/admin/people/{id}/sessions/{sessionId}',
  'GET /v1/admin/ai/experiments',
  'GET /v1/admin/audit',
  'GET /v1/admin/cron',
  'GET /v1/admin/dead-letters',
  'GET /v1/admin/flags',
  'GET /v1/admin/jobs',
  'GET /v1/admin/jobs/{id}',
  'GET /v1/admin/people',
  'GET /v1/admin/people/{id}',
  'GET /v1/admin/people/{id}/sessions',
  'GET /v1/admin/queues',
  'GET /v1/admin/secrets',
  'PATCH /v1/admin/people/{id}',
  'PATCH /v1/admin/queues/{queue}',
  'POST /v1/admin/dead-letters/{id}/redrive',
  'POST /v1/admin/jobs/{id}/retry',
  'POST /v1/admin/queues/{queue}/purge',
  'POST /v1/admin/queues/{queue}/redrive',
  'PUT /v1/admin/flags',
  'PUT /v1/admin/people/{id}/plan',
]
