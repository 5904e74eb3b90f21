import { createExecutionContext, SELF, waitOnExecutionContext } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { createRoot } from './app.ts'

const json = { 'content-type': 'application/json' }
const post = (path: string, body: unknown, headers = {}) =>
  SELF.fetch(`http://aurelius.test${path}`, {
    method: 'POST',
    headers: { ...json, ...headers },
    body: JSON.stringify(body),
  })

async function register() {
  const answer = await post('/v1/auth/register', {
    email: `p${crypto.randomUUID()}@example.com`,
    password: 'correct horse battery staple',
    displayName: 'Sam',
  })
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

async function signedIn() {
  const { accessToken, user } = await register()
  const headers = { authorization: `Bearer ${accessToken}` }
  const get = (path: string, more = {}) =>
    SELF.fetch(`http://aurelius.test${path}`, { headers: { ...headers, ...more } })
  return {
    headers,
    user,
    get,
    send: (path: string, body: unknown, more = {}) => post(path, body, { ...headers, ...more }),
  }
}

test('a message is answered as JSON when the turn ends', async () => {
  const { send } = await signedIn()
  const { id } = (await (await send('/v1/conversations', {})).json()) as { id: string }
  const answer = await send(`/v1/conversations/${id}/messages`, { text: 'remind me to call the dentist tomorrow at 9' })
  expect(answer.status).toBe(200)
  const turn = (await answer.json()) as { answer: { status: string; text: string; model: string } }
  expect(turn.answer).toMatchObject({ status: 'done', model: 'offline-1' })
})

test('a message is answered as a stream when asked for, and the stream ends with the turn', async () => {
  const { send, get } = await signedIn()
  const { id } = (await (await send('/v1/conversations', {})).json()) as { id: string }
  const answer = await send(`/v1/conversations/${id}/messages`, { text: 'hello' }, { accept: 'text/event-stream' })
  expect(answer.headers.get('content-type')).toContain('text/event-stream')
  const text = await answer.text()
  const events = [...text.matchAll(/^event: (.+)$/gm)].map(([, name]) => name)
  expect(events[0]).toBe('message.created')
  expect(events).toContain('message.delta')
  expect(events.at(-1)).toBe('turn.ended')
  const ids = [...text.matchAll(/^id: (.+)$/gm)].map(([, name]) => name)
  const again = await get(`/v1/conversations/${id}/events?after=${ids[0]}`)
  const reader = again.body?.getReader()
  let seen = ''
  while (!seen.includes('turn.ended')) seen += new TextDecoder().decode((await reader?.read())?.value)
  await reader?.cancel()
  expect(seen).toContain(`id: ${ids.at(-1)}`)
})

test('the same message under the same key is one turn', async () => {
  const { send, get } = await signedIn()
  const { id } = (await (await send('/v1/conversations', {})).json()) as { id: string }
  const key = { 'idempotency-key': crypto.randomUUID() }
  const path = `/v1/conversations/${id}/messages`
  const first = await send(path, { text: 'hello' }, key)
  const second = await send(path, { text: 'hello' }, key)
  expect(second.headers.get('idempotent-replayed')).toBe('true')
  expect(await second.json()).toEqual(await first.json())
  const stream = { ...key, 'idempotency-key': crypto.randomUUID(), accept: 'text/event-stream' }
  const [one, two] = [
    await (await send(path, { text: 'again' }, stream)).text(),
    await (await send(path, { text: 'again' }, stream)).text(),
  ]
  expect(two).toContain(/"turnId":"(\w+)"/.exec(one)?.[1])
  const page = (await (await get(`${path}`)).json()) as { items: unknown[] }
  expect(page.items).toHaveLength(4)
})

test('whether it can serve is asked of every part that can be asked without changing anything, the queue too', async () => {
  const answer = await SELF.fetch('http://aurelius.test/health/ready')
  const { status, dependencies } = (await answer.json()) as { status: string; dependencies: { name: string }[] }
  expect(status).toBe('ready')
  expect(dependencies.find(({ name }) => name === 'queue')).toEqual({
    name: 'queue',
    provider: 'queues',
    status: 'ok',
    latencyMs: expect.any(Number),
    detail: expect.stringMatching(/^\d+ waiting/),
  })
})

test('who asks goes on with their own trace, and one that is none begins another', async () => {
  const trace = 'a'.repeat(32)
  const ask = async (traceparent: string) => {
    const answer = await SELF.fetch('http://aurelius.test/health', { headers: { traceparent } })
    await answer.text()
    return answer.headers.get('traceparent')
  }
  expect(await ask(`00-${trace}-${'b'.repeat(16)}-01`)).toMatch(new RegExp(`^00-${trace}-(?!b{16})[0-9a-f]{16}-01$`))
  expect(await ask(`00-${'0'.repeat(31)}-broken`)).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)
})

test('the limit at the edge is asked by network, and refuses with its headers before anything is read', async () => {
  const asked: string[] = []
  const ask = async (success: boolean) => {
    const limit = async ({ key }: { key: string }) => {
      asked.push(key)
      return { success }
    }
    const context = createExecutionContext()
    const request = new Request('http://aurelius.test/nothing', { headers: { 'cf-connecting-ip': '203.0.113.9' } })
    const bindings = { ...env, RATE_LIMIT_FACTOR: '1', EDGE_LIMIT: { limit } }
    const answer = await createRoot([]).fetch(request, bindings, context)
    await waitOnExecutionContext(context)
    return answer
  }
  const refused = await ask(false)
  expect([refused.status, ((await refused.json()) as { code: string }).code]).toEqual([429, 'rate_limited'])
  expect(refused.headers.get('ratelimit')).toContain('edge')
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
  expect((await ask(true)).status).toBe(404)
  expect(asked).toEqual(['203.0.113.9', '203.0.113.9'])
})
