import { LLMock } from '@copilotkit/aimock'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { anthropicProvider } from './anthropic.ts'
import type { ModelEvent, ModelRequest } from './model.ts'

const mock = new LLMock({ port: 0 })
beforeAll(() => mock.start())
afterAll(() => mock.stop())

const provider = (baseUrl = mock.url) => anthropicProvider({ apiKey: 'test-key', baseUrl, model: 'claude-sonnet-5-5' })
const ask = (text: string, more: Partial<ModelRequest> = {}): ModelRequest => ({
  system: 'You are Aurelius.',
  volatileSystem: 'It is Monday.',
  messages: [{ role: 'user', at: '2026-11-23T09:00:00.000Z', parts: [{ type: 'text', text }] }],
  tools: [
    {
      name: 'create_task',
      description: 'Create a task',
      inputSchema: { type: 'object', properties: { title: { type: 'string' } } },
    },
  ],
  maxOutputTokens: 500,
  person: {
    now: '2026-11-23T09:00:00.000Z',
    timeZone: 'UTC',
    locale: 'en-US',
    displayName: 'Sam',
    projects: [],
    memories: [],
  },
  ...more,
})

async function collect(
  request: ModelRequest,
  signal = new AbortController().signal,
  from = provider(),
): Promise<ModelEvent[]> {
  return await Array.fromAsync(from.generate(request, signal))
}

test('an answer streams as text and ends with its usage', async () => {
  mock.onMessage('say hello', { content: 'Hello there, Sam.', usage: { input_tokens: 12, output_tokens: 7 } })
  const events = await collect(ask('say hello'))
  expect(events.flatMap((event) => (event.type === 'text' ? event.text : [])).join('')).toBe('Hello there, Sam.')
  expect(events.at(-1)).toMatchObject({ type: 'end', stop: 'done', usage: { inputTokens: 12, outputTokens: 7 } })
})

test('tool calls arrive whole, and several in one answer', async () => {
  mock.onMessage('two tasks', {
    toolCalls: [
      { name: 'create_task', arguments: '{"title":"milk"}' },
      { name: 'create_task', arguments: '{"title":"eggs"}' },
    ],
  })
  const events = await collect(ask('two tasks'))
  const calls = events.flatMap((event) => (event.type === 'tool_call' ? event.call : []))
  expect(calls.map(({ name, input }) => [name, input])).toEqual([
    ['create_task', { title: 'milk' }],
    ['create_task', { title: 'eggs' }],
  ])
  expect(new Set(calls.map(({ id }) => id)).size).toBe(2)
  expect(events.at(-1)).toMatchObject({ type: 'end', stop: 'tools' })
})

test('the lasting part of the prompt, the tools and the history are marked for the prompt cache', async () => {
  mock.onMessage('cached', { content: 'ok' })
  await collect(ask('cached'))
  const body = JSON.stringify(mock.getLastRequest()?.body)
  expect(body).toContain('You are Aurelius.')
  const sent: string[] = []
  const spy = globalThis.fetch
  globalThis.fetch = async (input, init) => {
    sent.push(String(init?.body))
    return await spy(input, init)
  }
  try {
    await collect(ask('cached'))
  } finally {
    globalThis.fetch = spy
  }
  const wire = JSON.parse(sent[0] ?? '{}')
  expect(wire.system.map((part: object) => 'cache_control' in part)).toEqual([true, false])
  expect(wire.tools.at(-1)).toHaveProperty('cache_control')
  expect(wire.messages.at(-1).content.at(-1)).toHaveProperty('cache_control')
})

test('an overloaded provider is a typed error with a time to wait', async () => {
  mock.onMessage('busy', { error: { message: 'Overloaded', type: 'overloaded_error' }, status: 529 })
  await expect(collect(ask('busy'))).rejects.toMatchObject({ code: 'model_overloaded' })
})

test('a refused request and an unreachable provider are typed errors', async () => {
  mock.onMessage('bad', { error: { message: 'no', type: 'invalid_request_error' }, status: 400 })
  await expect(collect(ask('bad'))).rejects.toMatchObject({ code: 'model_failed' })
  await expect(collect(ask('x'), undefined, provider('http://127.0.0.1:9'))).rejects.toMatchObject({
    code: 'model_failed',
  })
}, 20_000)

test('an abort ends the stream', async () => {
  mock.onMessage('long', { content: 'word '.repeat(400) }, { latency: 20, chunkSize: 5 })
  const controller = new AbortController()
  const seen: ModelEvent[] = []
  await expect(async () => {
    for await (const event of provider().generate(ask('long'), controller.signal)) {
      seen.push(event)
      if (seen.length === 3) controller.abort()
    }
  }).rejects.toThrow()
  expect(seen.length).toBeLessThan(20)
})
