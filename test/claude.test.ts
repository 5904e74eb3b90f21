import { LLMock } from '@copilotkit/aimock'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startWorld, type World } from './world.ts'

const claude = new LLMock({ port: 0 })
let world: World

beforeAll(async () => {
  await claude.start()
  world = await startWorld({
    vars: { ANTHROPIC_API_KEY: 'test-key', ANTHROPIC_BASE_URL: claude.url, ANTHROPIC_MODEL: 'claude-sonnet-5-5' },
  })
}, 60_000)
afterAll(async () => {
  await world.stop()
  await claude.stop()
})

async function conversation() {
  const person = await world.person()
  const { json } = await person.api('POST', '/v1/conversations', { body: {} })
  const path = `/v1/conversations/${Reflect.get(Object(json), 'id')}/messages`
  return {
    person,
    say: (text: string, headers = {}) => person.api('POST', path, { body: { text }, headers, whole: true }),
  }
}

test('with a key the same assistant runs on Claude: its tools act on the person and the turn shows what it cost', async () => {
  const { person, say } = await conversation()
  const input = { title: 'Call the dentist', due: { date: '2027-03-01', time: '09:00' } }
  claude.on(
    { userMessage: 'the dentist', hasToolResult: false },
    { toolCalls: [{ name: 'create_task', arguments: JSON.stringify(input) }] },
  )
  claude.on(
    { userMessage: 'the dentist', hasToolResult: true },
    { content: 'It is on your list.', usage: { input_tokens: 900, output_tokens: 30 } },
  )
  const { status, json, headers } = await say('the dentist, first of march at nine')
  expect(status).toBe(200)
  expect(json).toMatchObject({
    answer: { provider: 'anthropic', model: 'claude-sonnet-5-5', text: 'It is on your list.', status: 'done' },
  })
  const { costMicros: cost, callId } = Object(Reflect.get(Object(json), 'answer'))
  expect(cost).toBeGreaterThanOrEqual(2100)
  expect(headers.get('aurelius-model')).toBe('claude-sonnet-5-5')
  expect(headers.get('aurelius-provider')).toBe('anthropic')
  expect(headers.get('aurelius-cost-micros')).toBe(String(cost))
  expect(headers.get('aurelius-cache')).toMatch(/^(off|miss)$/)
  expect(Number(headers.get('aurelius-overhead-us'))).toBeGreaterThanOrEqual(0)
  expect(headers.get('server-timing')).toMatch(/^(choice|reserve|cache|upstream);dur=/)
  for (const name of ['choice', 'reserve', 'cache', 'upstream', 'db', 'total'])
    expect(headers.get('server-timing')).toContain(`${name};dur=`)
  // The message leads to why this model; who else has its id is told nothing.
  expect(callId).toMatch(/^aic_/)
  expect(headers.get('aurelius-decision')).toBe(callId)
  const why = `/v1/ai/decisions/${callId}`
  expect((await person.api('GET', why)).json).toMatchObject({
    id: callId,
    model: 'claude-sonnet-5-5',
    kind: 'chat',
    outcome: 'done',
    reasons: expect.arrayContaining([expect.stringMatching(/^chat of difficulty/)]),
  })
  expect((await (await world.person()).api('GET', why)).status).toBe(404)
  const tasks = await person.api('GET', '/v1/tasks')
  expect(tasks.json).toMatchObject({
    items: [{ title: 'Call the dentist', due: { date: '2027-03-01', time: '09:00' } }],
  })
})

test('an overloaded Claude is a 503 with a time to wait, and the message says so', async () => {
  const { say } = await conversation()
  claude.onMessage('too busy', { error: { message: 'Overloaded', type: 'overloaded_error' }, status: 529 })
  const { status, json, headers } = await say('too busy')
  expect(status).toBe(503)
  expect(headers.get('retry-after')).toBe('10')
  expect(json).toMatchObject({ code: 'model_overloaded' })
})

test('the stream of a turn on Claude is the stream of any turn', async () => {
  const { say } = await conversation()
  claude.onMessage('good morning', { content: 'Good morning to you.' })
  const { text } = await say('good morning', { accept: 'text/event-stream' })
  expect(text).toMatch(/event: message\.completed\ndata: .*"model":"claude-sonnet-5-5".*"callId":"aic_\w+"/)
  const names = [...text.matchAll(/^event: (.+)$/gm)].map(([, name]) => name)
  expect(names[0]).toBe('message.created')
  expect(names).toContain('message.delta')
  expect(names.at(-1)).toBe('turn.ended')
})
