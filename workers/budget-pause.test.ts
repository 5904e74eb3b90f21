import { SELF } from 'cloudflare:test'
import { expect, test } from 'vitest'

test('a person pauses their spending over HTTP: no turn is answered, and the budget says why', async () => {
  const made = await SELF.fetch('http://aurelius.test/v1/auth/register', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      email: `p${crypto.randomUUID()}@example.com`,
      password: 'correct horse battery staple',
      displayName: 'Sam',
    }),
  })
  const { accessToken } = (await made.json()) as { accessToken: string }
  const send = async (method: string, path: string, body?: object) => {
    const headers = { authorization: `Bearer ${accessToken}`, 'content-type': 'application/json' }
    const answer = await SELF.fetch(`http://aurelius.test${path}`, {
      method,
      headers,
      ...(body && { body: JSON.stringify(body) }),
    })
    return { status: answer.status, json: (await answer.json()) as Record<string, unknown> }
  }
  const { json: conversation } = await send('POST', '/v1/conversations', {})
  const say = () => send('POST', `/v1/conversations/${conversation.id}/messages`, { text: 'hello' })
  expect((await say()).status).toBe(200)
  expect((await send('GET', '/v1/ai/usage')).json).toMatchObject({
    total: { calls: 1, costMicros: 0 },
    models: [{ model: 'offline-1' }],
    conversations: [{ conversationId: conversation.id }],
  })
  const caps = { dayMicros: null, monthMicros: null }
  const budget = await send('PUT', '/v1/ai/budget', { isPaused: true, caps: { own: caps, background: caps } })
  expect(budget).toMatchObject({ status: 200, json: { isPaused: true, plan: 'free' } })
  expect(await say()).toMatchObject({ status: 429, json: { code: 'budget_exhausted' } })
  const stream = await SELF.fetch(`http://aurelius.test/v1/conversations/${conversation.id}/messages`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${accessToken}`,
      'content-type': 'application/json',
      accept: 'text/event-stream',
    },
    body: JSON.stringify({ text: 'hello' }),
  })
  expect(await stream.text()).toMatch(
    /event: turn.ended\ndata: .*"errorCode":"budget_exhausted","detail":"You have paused the spending on AI/,
  )
  expect((await send('GET', '/v1/ai/budget')).json).toEqual(budget.json)
})
