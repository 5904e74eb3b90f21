import { afterAll, beforeAll, expect, test } from 'vitest'
import { startOpenAiFake } from '../local/openai-fake.ts'
import { startWorld, type World } from './world.ts'

let fake: Awaited<ReturnType<typeof startOpenAiFake>>
let world: World

beforeAll(async () => {
  fake = await startOpenAiFake({ models: ['llama3.3'] })
  world = await startWorld({ vars: { OPENAI_BASE_URL: fake.url, OPENAI_MODELS: 'llama3.3=1/2@131072/8192' } })
}, 60_000)
afterAll(async () => {
  await world.stop()
  await fake.stop()
})

async function conversation() {
  const person = await world.person()
  const { json } = await person.api('POST', '/v1/conversations', { body: {} })
  const path = `/v1/conversations/${Reflect.get(Object(json), 'id')}/messages`
  const say = (text: string) => person.api('POST', path, { body: { text }, whole: true })
  return { person, say }
}

const ready = async () => {
  const answer = await fetch(`${world.url}/health/ready`)
  const { dependencies }: { dependencies: { name: string }[] } = await answer.json()
  return { status: answer.status, model: dependencies.filter(({ name }) => name === 'model') }
}

test("a person's own model server runs the assistant: its tools act, the answer says what it cost", async () => {
  const calls = [{ name: 'create_task', input: { title: 'Call the dentist' } }]
  fake.on('the dentist', { calls, after: 'It is on your list.' })
  const { person, say } = await conversation()
  const { status, json } = await say('the dentist')
  expect(status).toBe(200)
  expect(json).toMatchObject({
    answer: { provider: 'openai-compatible', model: 'llama3.3', text: 'It is on your list.' },
  })
  expect(Reflect.get(Object(Reflect.get(Object(json), 'answer')), 'costMicros')).toBeGreaterThan(0)
  expect((await person.api('GET', '/v1/tasks')).json).toMatchObject({ items: [{ title: 'Call the dentist' }] })
  const model = [{ provider: 'openai-compatible', status: 'ok', detail: 'closed' }]
  expect(await ready()).toMatchObject({ status: 200, model })
})

test('a model server that fails is left alone after a while, and readiness says so', async () => {
  fake.on('break', { status: 500 })
  const { say } = await conversation()
  const codes: unknown[] = []
  for (let call = 0; call < 3; call++) codes.push(Reflect.get(Object((await say('break')).json), 'code'))
  expect(codes).toEqual(['model_failed', 'model_failed', 'model_overloaded'])
  const asked = fake.requests.length
  expect((await say('break')).headers.get('retry-after')).toMatch(/^1?\d$/)
  expect(fake.requests.length).toBe(asked)
  const model = [{ provider: 'openai-compatible', status: 'down', detail: 'open: llama3.3' }]
  expect(await ready()).toMatchObject({ status: 503, model })
})
