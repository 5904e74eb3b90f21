import { expect, inject, test, vi } from 'vitest'
import { readConfig } from '#config'
import { makePerson } from '#test/database'
import { makeSteward } from '#test/steward'
import type { Call } from './call.ts'
import { findModel } from './catalogue.ts'
import { generate } from './gateway.ts'
import { worstMicros } from './spending.ts'

const MODEL = 'claude-sonnet-5-5'
const ANSWER = [
  { type: 'message_start', message: { model: MODEL, usage: { input_tokens: 1 } } },
  { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 1 } },
]
  .map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)
  .join('')

test('work is thought about by its kind, within the limit that is held; a model a client named as that client says', async () => {
  const person = await makePerson()
  const steward = makeSteward(() => person.now().getTime())
  const config = readConfig({ ...inject('vars'), ANTHROPIC_API_KEY: 'test', ANTHROPIC_MODEL: MODEL })
  const model = findModel(config, MODEL)
  if (!model) throw new Error('no model')
  const ctx = { ...person, config, env: { STEWARD: { getByName: () => steward } } as unknown as Env }
  const sent: string[] = []
  vi.spyOn(globalThis, 'fetch').mockImplementation(async (_, init) => {
    sent.push(String(init?.body))
    return new Response(ANSWER, { headers: { 'content-type': 'text/event-stream' } })
  })
  const messages: Call['request']['messages'] = [{ role: 'user', at: '', parts: [{ type: 'text', text: 'hi' }] }]
  const request = { system: 's', volatileSystem: '', messages, tools: [], maxOutputTokens: 4096 }
  const effortOf = async (more: Partial<Call>) => {
    const call: Call = { kind: 'chat', feature: 'assistant', request, ...more }
    const events = generate(ctx, call, new AbortController().signal)
    await events.next()
    const { reservedMicros } = (await steward.budget()).own.day
    await Array.fromAsync(events)
    const { max_tokens: maxOutputTokens, output_config: output } = JSON.parse(sent.at(-1) ?? '{}')
    expect(reservedMicros).toBe(worstMicros(model, { ...request, maxOutputTokens }, person.now()))
    return output?.effort
  }
  try {
    expect(await effortOf({ kind: 'chat' })).toBe('low')
    expect(await effortOf({ kind: 'draft' })).toBe('medium')
    expect(await effortOf({ kind: 'analyse' })).toBe('high')
    expect(await effortOf({ model: MODEL })).toBeUndefined()
  } finally {
    vi.restoreAllMocks()
  }
})
