import { LLMock } from '@copilotkit/aimock'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Script, startOpenAiFake } from '#test/openai-fake'
import { makeAiFake } from '#test/workers-ai-fake'
import { anthropicProvider } from './anthropic.ts'
import { ModelFailure } from './failure.ts'
import type { ModelEvent, ModelProvider, ModelRequest } from './model.ts'
import { offlineProvider } from './offline/index.ts'
import { openaiProvider } from './openai.ts'
import { workersAiProvider } from './workers-ai.ts'

const MODEL = 'test-model'
const claude = new LLMock({ port: 0 })
let fake: Awaited<ReturnType<typeof startOpenAiFake>>
const ai = makeAiFake(['@cf/own/model', '@cf/openai/model', '@cf/own/embedder'])

/** A provider with its other end, and how that one is told what to say. */
type World = {
  name: string
  model: string
  provider: () => ModelProvider
  script?: (to: string, script: Script) => void
}

// aimock says what it is told in the words of the protocol it is asked in.
function onMock(to: string, { text, calls, status, stall }: Script): void {
  if (status) claude.onMessage(to, { error: { message: 'as told', type: TYPES[status] ?? 'api_error' }, status })
  else if (calls)
    claude.onMessage(to, { toolCalls: calls.map(({ name, input }) => ({ name, arguments: JSON.stringify(input) })) })
  else {
    const isLong = to === 'be short'
    const usage = { input_tokens: 12, output_tokens: 7, prompt_tokens: 12, completion_tokens: 7 }
    claude.onMessage(
      to,
      { content: text ?? '', usage, ...(isLong && { finishReason: 'length' }) },
      { latency: stall ?? 0, chunkSize: 5 },
    )
  }
}
const TYPES: Record<number, string> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  529: 'overloaded_error',
}

const WORLDS: World[] = [
  {
    name: 'anthropic',
    model: 'claude-sonnet-5-5',
    provider: () => anthropicProvider({ apiKey: 'k', baseUrl: claude.url }),
    script: onMock,
  },
  {
    name: 'openai-compatible (aimock)',
    model: 'gpt-4o',
    provider: () => openaiProvider({ apiKey: 'k', baseUrl: claude.url }),
    script: onMock,
  },
  {
    name: 'openai-compatible (our fake)',
    model: MODEL,
    provider: () => openaiProvider({ apiKey: 'k', baseUrl: fake.url }),
    script: (to, script) => fake.on(to, script),
  },
  {
    name: 'workers-ai, its own shape',
    model: '@cf/own/model',
    provider: () => workersAiProvider(ai),
    script: (to, script) => ai.on(to, toCodes(script)),
  },
  {
    name: 'workers-ai, chunks of OpenAI',
    model: '@cf/openai/model',
    provider: () => workersAiProvider(ai),
    script: (to, script) => ai.on(to, toCodes(script)),
  },
]

const CODES: Record<number, number> = { 400: 5004, 401: 3023, 429: 3036, 500: 9999, 529: 3040 }
const toCodes = (script: Script): Script => (script.status ? { status: CODES[script.status] ?? 9999 } : script)

beforeAll(async () => {
  await claude.start()
  fake = await startOpenAiFake({ models: [MODEL], apiKey: 'k' })
})
afterAll(async () => {
  await claude.stop()
  await fake.stop()
})

const at = '2026-11-23T09:00:00.000Z'
const person = { now: at, timeZone: 'UTC', locale: 'en-US', displayName: 'Sam', projects: [], memories: [] }
const toolNamed = (name: string) => ({
  name,
  description: `To ${name}`,
  inputSchema: { type: 'object', properties: { title: { type: 'string' } } },
})
const ask = (text: string, more: Partial<ModelRequest> = {}): ModelRequest => ({
  system: 'You are Aurelius.',
  volatileSystem: 'It is Monday.',
  messages: [{ role: 'user', at, parts: [{ type: 'text', text }] }],
  tools: ['create_task', 'find_tasks'].map(toolNamed),
  maxOutputTokens: 500,
  person,
  ...more,
})

const never = () => new AbortController().signal
const collect = async (
  { provider, model }: Pick<World, 'provider' | 'model'>,
  request: ModelRequest,
  signal = never(),
) => await Array.fromAsync(provider().generate(model, request, signal))
const textOf = (events: ModelEvent[]) => events.flatMap((event) => (event.type === 'text' ? event.text : [])).join('')
const callsOf = (events: ModelEvent[]) => events.flatMap((event) => (event.type === 'tool_call' ? event.call : []))

const offline: World = { name: 'offline', model: 'offline-1', provider: () => offlineProvider() }

describe.each([...WORLDS, offline])('$name', (world) => {
  const says = (to: string, script: Script) => world.script?.(to, script)

  test('streams text, ends once with its usage, and is final', async () => {
    says('help', { text: 'I can help you, Sam. Gr\u00fc\u00dfe \u{1f642}!' })
    const events = await collect(world, ask('help'))
    expect(events.filter(({ type }) => type === 'text').length).toBeGreaterThan(1)
    if (world !== offline) expect(textOf(events)).toBe('I can help you, Sam. Gr\u00fc\u00dfe \u{1f642}!')
    expect(events.filter(({ type }) => type === 'end')).toHaveLength(1)
    const end = events.at(-1)
    expect(end).toMatchObject({ type: 'end', stop: 'done', isFinal: true })
    const usage = end?.type === 'end' ? end.usage : undefined
    expect(usage?.inputTokens).toBeGreaterThan(0)
    expect(usage?.outputTokens).toBeGreaterThan(0)
  })

  test('tells each call whole, several in one answer, each with an id of its own', async () => {
    const text = 'remind me to call mom at 5 and what is due today?'
    const input = { title: 'call mom \u{1f642}' }
    says(text, {
      calls: [
        { name: 'create_task', input },
        { name: 'find_tasks', input: {} },
      ],
    })
    const events = await collect(world, ask(text))
    const calls = callsOf(events)
    expect(calls.map(({ name }) => name)).toEqual(['create_task', 'find_tasks'])
    if (world !== offline) expect(calls.map((call) => call.input)).toEqual([input, {}])
    expect(new Set(calls.map(({ id }) => id)).size).toBe(2)
    expect(events.some((event) => event.type === 'tool_call' && event.problem !== undefined)).toBe(false)
    expect(events.at(-1)).toMatchObject({ type: 'end', stop: 'tools' })
  })

  test('takes back what it called, with the results, and goes on', async () => {
    says('and now', { text: 'It is on your list.' })
    const call = { type: 'tool_call' as const, id: 'c1', name: 'create_task', input: { title: 'milk' } }
    const other = { ...call, id: 'c2' }
    const result = {
      type: 'tool_result' as const,
      callId: 'c1',
      name: 'create_task',
      output: { id: 't' },
      isError: false,
    }
    const messages: ModelRequest['messages'] = [
      { role: 'user', at, parts: [{ type: 'text', text: 'and now buy milk' }] },
      { role: 'assistant', parts: [{ type: 'text', text: 'Yes.' }, call, other] },
      { role: 'user', at, parts: [result, { ...result, callId: 'c2', isError: true }] },
    ]
    const tools = ask('').tools
    for (const more of [{}, { tools: [], closedTools: tools }])
      expect(textOf(await collect(world, ask('', { messages, ...more })))).not.toBe('')
  })

  test('says that the answer was cut at its limit', async () => {
    says('be short', { text: 'many words '.repeat(20) })
    const request = ask(world === offline ? 'help' : 'be short', { maxOutputTokens: 3 })
    expect((await collect(world, request)).at(-1)).toMatchObject({ type: 'end', stop: 'length' })
  })

  test('ends with what the signal was aborted with, before it begins and in the middle', async () => {
    says('long', { text: 'word '.repeat(400), stall: 20 })
    const reason = new Error('nobody listens')
    await expect(collect(world, ask('help'), AbortSignal.abort(reason))).rejects.toBe(reason)
    const controller = new AbortController()
    const seen: ModelEvent[] = []
    const reading = async () => {
      const request = ask(world === offline ? 'help' : 'long')
      for await (const event of world.provider().generate(world.model, request, controller.signal)) {
        seen.push(event)
        if (seen.length === 3) controller.abort(reason)
      }
    }
    await expect(reading()).rejects.toBe(reason)
    expect(seen.length).toBeLessThan(20)
    expect(seen.filter(({ type }) => type === 'end')).toEqual(
      world === offline ? [] : [expect.objectContaining({ stop: 'aborted', isFinal: false })],
    )
  })

  if (world !== offline)
    test.each([
      [400, 'rejected'],
      [401, 'unauthorized'],
      [429, 'rate_limited'],
      [500, 'server_error'],
      [529, 'overloaded'],
    ])('an answer of %d is a typed failure: %s', async (status, reason) => {
      says(`fail with ${status}`, { status })
      const failure = collect(world, ask(`fail with ${status}`))
      await expect(failure).rejects.toBeInstanceOf(ModelFailure)
      await expect(failure).rejects.toMatchObject({ reason })
    })
})
