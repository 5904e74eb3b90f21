import { afterEach, expect, inject, test, vi } from 'vitest'
import { readConfig } from '#config'
import { newId, type UserCtx } from '#core'
import { testCtx } from '#test/database'
import { makeSteward } from '#test/steward'
import type { Call } from './call.ts'
import { generate } from './gateway.ts'

afterEach(() => vi.restoreAllMocks())

const TWO = {
  ANTHROPIC_API_KEY: 'test',
  OPENAI_BASE_URL: 'http://127.0.0.1:9/v1',
  OPENAI_MODELS: 'small=1/2',
  AI_PROVIDERS: 'anthropic,openai-compatible',
}
const call: Call = {
  kind: 'chat',
  feature: 'assistant',
  request: {
    system: '',
    volatileSystem: '',
    messages: [{ role: 'user', at: '2026-11-03T09:00:00Z', parts: [{ type: 'text', text: 'hi' }] }],
    tools: [],
    maxOutputTokens: 100,
  },
}

async function makeWorld(vars: Record<string, string>) {
  const steward = makeSteward(() => Date.now())
  await steward.setBudget({ plan: 'max' })
  const ctx: UserCtx = {
    ...testCtx(),
    actor: { kind: 'person', userId: newId('usr', new Date()), sessionId: null },
    config: readConfig({ ...inject('vars'), ...vars }),
    env: { STEWARD: { getByName: () => steward } } as unknown as Env,
  }
  return { steward, ctx }
}

test('whoever leaves while the next model is held pays only for the one before', async () => {
  const { steward, ctx } = await makeWorld(TWO)
  const stop = new AbortController()
  const { reserve } = steward
  const hold = vi.spyOn(steward, 'reserve').mockImplementation(async (ask) => {
    if (hold.mock.calls.length === 2) stop.abort()
    return await reserve(ask)
  })
  const sent = vi.spyOn(globalThis, 'fetch').mockRejectedValue(new TypeError('Network connection lost.'))
  const listening = (async () => {
    for await (const _ of generate(ctx, call, stop.signal));
  })()
  await expect(listening).rejects.toThrow()
  expect(hold).toHaveBeenCalledTimes(2)
  expect(sent).toHaveBeenCalledTimes(1)
  expect(steward.lines()).toHaveLength(1)
  expect((await steward.budget()).own.day.reservedMicros).toBe(0)
})

test('the next model is held in the place of one that cost nothing, however long that took', async () => {
  const { steward, ctx } = await makeWorld(TWO)
  let nowMs = Date.now()
  const held: number[] = []
  vi.spyOn(globalThis, 'fetch').mockImplementation(async () => {
    held.push((await steward.budget()).own.day.reservedMicros)
    nowMs += 1000
    return new Response('{}', { status: 401 })
  })
  const reserve = vi.spyOn(steward, 'reserve')
  const asking = async () => {
    for await (const _ of generate({ ...ctx, now: () => new Date(nowMs) }, call, new AbortController().signal));
  }
  await expect(asking()).rejects.toThrow()
  expect(held).toEqual(reserve.mock.calls.map(([{ worstMicros }]) => worstMicros))
  expect(new Set(held).size).toBeGreaterThan(1)
  expect((await steward.budget()).own.day.reservedMicros).toBe(0)
})

test("a server that answers under the name of another provider's model is paid at its own price", async () => {
  const { steward, ctx } = await makeWorld({ ...TWO, AI_PROVIDERS: 'openai-compatible,offline' })
  const said = {
    model: 'offline-1',
    choices: [{ message: { content: 'hi' }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 1000, completion_tokens: 100 },
  }
  vi.spyOn(globalThis, 'fetch').mockImplementation(async () => Response.json(said))
  for await (const _ of generate(ctx, { ...call, model: 'small' }, new AbortController().signal));
  expect(steward.lines()).toMatchObject([{ model: 'small', costMicros: 1200, isEstimated: false }])
})
