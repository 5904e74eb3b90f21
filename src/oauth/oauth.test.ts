import { eq } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { readAccessToken, resourceAt } from '#auth'
import { sessions } from '#auth/tables'
import { databaseFailure } from '#database'
import { hashToken } from '#security'
import { makePerson, testCtx } from '#test/database'
import { getMe } from '#users'
import { registerClient } from './clients.ts'
import { clientFor } from './known.ts'
import { oauthGrants } from './tables.ts'
import { exchangeCode, renewGrant } from './tokens.ts'

const METADATA = {
  client_name: 'Planner',
  redirect_uris: ['https://app.example/cb'],
  grant_types: ['authorization_code'],
  response_types: ['code'],
}
const VERIFIER = 'v'.repeat(43)

/** A person's yes, before its code was exchanged. */
async function allowed() {
  const person = await makePerson()
  const { id: clientId } = await registerClient(person, METADATA)
  const code = `oac_${person.newId('grt')}`
  const resource = resourceAt(person.config, '/')
  const sessionId = person.actor.sessionId ?? ''
  await person.db.insert(oauthGrants).values({
    id: person.newId('grt'),
    userId: person.actor.userId,
    sessionId,
    clientId,
    scopes: ['profile:read'],
    resource,
    redirectUri: 'https://app.example/cb',
    challenge: await hashToken(VERIFIER),
    codeHash: await hashToken(code),
    codeExpiresAt: new Date(Date.now() + 60_000),
  })
  person.meter.trips = 0
  return { person, sessionId, resource, exchange: { client_id: clientId, code, code_verifier: VERIFIER } }
}

test('a code costs one trip, renewing two, and a request of an app none beyond its own', async () => {
  const { person, exchange, resource } = await allowed()
  const first = await exchangeCode(person, exchange)
  expect(person.meter.trips).toBe(1)
  const next = await renewGrant(person, { client_id: exchange.client_id, refresh_token: first.refresh_token })
  expect(person.meter.trips).toBe(3)
  const actor = await readAccessToken(person, next.access_token, resource)
  expect(actor).toMatchObject({ userId: person.actor.userId, key: { scopes: ['profile:read'], ratePerMinute: null } })
  await getMe({ ...person, actor })
  expect(person.meter.trips).toBe(4)
})

test('what was let in fails at the next statement once its session has ended, and its code gives nothing', async () => {
  const { person, exchange, resource, sessionId } = await allowed()
  const { access_token: token } = await exchangeCode(person, exchange)
  const actor = await readAccessToken(person, token, resource)
  await person.db.update(sessions).set({ endedAt: new Date() }).where(eq(sessions.id, sessionId))
  const failure = await getMe({ ...person, actor }).catch((error: unknown) => error)
  expect(databaseFailure(failure)?.code).toBe('session_ended')
  const other = await allowed()
  await person.db.update(sessions).set({ endedAt: new Date() }).where(eq(sessions.id, other.sessionId))
  await expect(exchangeCode(other.person, other.exchange)).rejects.toMatchObject({ code: 'invalid_grant' })
})

test('one network registers twenty apps an hour, and has thirty looked up a minute', async () => {
  const ctx = testCtx({ client: { address: '2001:db8:0:7::1', country: null, userAgent: '' } })
  const strict = { ...ctx, config: { ...ctx.config, rateLimitFactor: 1 } }
  for (let n = 0; n < 20; n++) await registerClient(strict, METADATA)
  const neighbour = { ...strict, client: { ...ctx.client, address: '2001:db8:0:7::2' } }
  await expect(registerClient(neighbour, METADATA)).rejects.toMatchObject({ code: 'rate_limited' })
  const later = { ...strict, now: () => new Date(Date.now() + 3_600_000) }
  expect((await registerClient(later, METADATA)).name).toBe('Planner')
  for (let n = 0; n < 30; n++)
    await expect(clientFor(strict, 'https://10.0.0.1/app')).rejects.toMatchObject({ code: 'invalid_client' })
  await expect(clientFor(strict, 'https://10.0.0.1/app')).rejects.toMatchObject({ code: 'rate_limited' })
})
