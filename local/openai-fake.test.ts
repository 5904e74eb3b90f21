import OpenAI from 'openai'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startOpenAiFake } from './openai-fake.ts'

let fake: Awaited<ReturnType<typeof startOpenAiFake>>
let client: OpenAI
beforeAll(async () => {
  fake = await startOpenAiFake({ models: ['m'], apiKey: 'k' })
  client = new OpenAI({ apiKey: 'k', baseURL: `${fake.url}/v1`, maxRetries: 0 })
})
afterAll(() => fake.stop())

const user = { role: 'user' as const, content: 'two tasks' }
const parameters = { type: 'object', properties: {} }
const tools = [{ type: 'function' as const, function: { name: 'create_task', parameters } }]

test('the official client reads what it streams and what it answers whole as the same', async () => {
  const calls = [
    { name: 'create_task', input: { title: 'milk' } },
    { name: 'create_task', input: {} },
  ]
  fake.on('two tasks', { text: 'Yes.', calls, cachedTokens: 2 })
  const body = { model: 'm', messages: [user], tools }
  const whole = await client.chat.completions.create(body)
  const stream = client.chat.completions.stream({ ...body, stream_options: { include_usage: true } })
  const streamed = await stream.finalChatCompletion()
  const { content, tool_calls } = streamed.choices[0]?.message ?? {}
  expect(content).toBe('Yes.')
  expect(tool_calls).toMatchObject(whole.choices[0]?.message.tool_calls ?? [])
  expect(tool_calls).toHaveLength(2)
  expect(streamed.choices[0]?.finish_reason).toBe('tool_calls')
  expect(streamed.usage).toEqual(whole.usage)
})

test('what the real one refuses is refused, in its shape', async () => {
  const call = { id: 'c', type: 'function' as const, function: { name: 'create_task', arguments: '{}' } }
  const asked = { role: 'assistant' as const, tool_calls: [call] }
  const wrong: [number, Partial<OpenAI.ChatCompletionCreateParamsNonStreaming>][] = [
    [404, { model: 'other' }],
    [400, { messages: [] }],
    [400, { messages: [user, asked, user] }],
    [400, { messages: [user, { role: 'tool', tool_call_id: 'c', content: '{}' }] }],
    [400, { tools: [], tool_choice: 'required' }],
    [400, { tools, tool_choice: { type: 'function', function: { name: 'other' } } }],
    [400, { response_format: { type: 'json_object' } }],
    [400, { response_format: { type: 'json_schema', json_schema: { name: 'no spaces', schema: {} } } }],
    [400, { stream_options: { include_usage: true } }],
    [400, { max_tokens: 1_000_000 }],
    [400, { temperature: 3 }],
  ]
  for (const [status, body] of wrong) {
    const refused = client.chat.completions.create({ model: 'm', messages: [user], ...body })
    await expect(refused, JSON.stringify(body)).rejects.toMatchObject({ status, type: 'invalid_request_error' })
  }
  const stranger = new OpenAI({ apiKey: 'wrong', baseURL: `${fake.url}/v1`, maxRetries: 0 })
  await expect(stranger.embeddings.create({ model: 'm', input: 'x' })).rejects.toMatchObject({
    code: 'invalid_api_key',
  })
})
