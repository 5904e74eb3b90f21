import { afterEach, expect, test } from 'vitest'
import { makePerson } from '#test/database'
import { findModel, type GatewayEvent, generate } from './index.ts'
import { worstMicros } from './spending.ts'

const real = globalThis.fetch
afterEach(() => {
  globalThis.fetch = real
})

/** What the wire answers, one after the other. */
function answering(...bodies: string[]): void {
  globalThis.fetch = async (input, init) =>
    String(input).includes('claude.test')
      ? new Response(bodies.shift() ?? '', { headers: { 'content-type': 'text/event-stream' } })
      : await real(input, init)
}

const wire = (...events: object[]) =>
  events.map((event) => `event: ${Reflect.get(event, 'type')}\ndata: ${JSON.stringify(event)}\n\n`).join('')
const begun = {
  type: 'message_start',
  message: { model: 'claude-opus-5-5', usage: { input_tokens: 1000, output_tokens: 0 } },
}
const word = [
  { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
  { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Hi' } },
]
const whole = [
  { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 100 } },
  { type: 'message_stop' },
]

async function ask() {
  const person = await makePerson()
  const claude = { apiKey: 'k', baseUrl: 'http://claude.test', model: 'claude-opus-5-5' }
  const ai = { ...person.config.ai, providers: ['anthropic' as const], anthropic: claude }
  const parts = [{ type: 'text' as const, text: 'hello' }]
  const messages = [{ role: 'user' as const, at: person.now().toISOString(), parts }]
  const request = { system: 's', volatileSystem: '', messages, tools: [], maxOutputTokens: 500 }
  const call = { kind: 'chat' as const, feature: 'assistant' as const, request }
  const events: GatewayEvent[] = []
  let failure: unknown
  try {
    const ctx = { ...person, config: { ...person.config, ai } }
    for await (const event of generate(ctx, call, new AbortController().signal)) events.push(event)
  } catch (error) {
    failure = error
  }
  const last = events.at(-1)
  const opus = findModel({ ...person.config, ai }, 'claude-opus-5-5')
  const worst = opus ? worstMicros(opus, request, person.now()) : 0
  return { events, failure, worst, receipt: last?.type === 'end' ? last.receipt : undefined }
}

test('a receipt is of all tries: what the one that failed had read is paid for too', async () => {
  answering(wire(begun, { type: 'error', error: { type: 'api_error' } }), wire(begun, ...word, ...whole))
  const { events, receipt, failure, worst } = await ask()
  expect(failure).toBeUndefined()
  expect(events.map(({ type }) => type)).toEqual(['start', 'text', 'end'])
  // 1,000 read at 4 dollars a million and 100 written at 20; of the try that broke only what it may have cost is known.
  expect(receipt).toMatchObject({
    inputTokens: 2000,
    outputTokens: 100,
    costMicros: worst + 4000 + 2000,
    isEstimated: true,
  })
})

test('an answer that breaks has its receipt before its error', async () => {
  answering(wire(begun, ...word))
  const { events, receipt, failure, worst } = await ask()
  expect(failure).toMatchObject({ code: 'model_failed' })
  expect(events.map(({ type }) => type)).toEqual(['start', 'text', 'end'])
  expect(receipt).toMatchObject({ inputTokens: 1000, costMicros: worst, isEstimated: true })
})
