import { SELF } from 'cloudflare:test'
import { expect, test } from 'vitest'

const json = { 'content-type': 'application/json' }
const post = (path: string, body: unknown, headers = {}) =>
  SELF.fetch(`http://aurelius.test${path}`, { method: 'POST', headers: { ...json, ...headers }, body: JSON.stringify(body) })

async function register() {
  const answer = await post('/v1/auth/register', { email: `p${crypto.randomUUID()}@example.com`, password: 'correct horse battery staple', displayName: 'Sam' })
  expect(answer.status).toBe(201)
  return (await answer.json()) as { accessToken: string; user: { id: string; version: number } }
}

test('a person registers over HTTP and reads themselves in one trip', async () => {
  const { accessToken, user } = await register()
  const answer = await SELF.fetch('http://aurelius.test/v1/me', { headers: { authorization: `Bearer ${accessToken}` } })
  expect(await answer.json()).toEqual(user)
  expect(answer.headers.get('etag')).toBe('"1"')
  expect(answer.headers.get('server-timing')).toContain('trips=1')
})
