import { runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, expect, test, vi } from 'vitest'
import { enqueue, getAnswer, runBatches } from '#ai'
import { makePerson } from '#test/database'

const CLAUDE = 'http://claude.test/v1/messages/batches'
const HOUR_MS = 3600_000

afterEach(() => vi.restoreAllMocks())

/** One batch, that has ended as soon as it is asked about. */
function standIn() {
  const real = globalThis.fetch
  const batch = {
    id: 'msgbatch_1',
    type: 'message_batch',
    processing_status: 'ended',
    results_url: `${CLAUDE}/1/results`,
  }
  const state = { customId: '' }
  vi.spyOn(globalThis, 'fetch').mockImplementation(async (input, init) => {
    const url = String(input)
    if (!url.startsWith(CLAUDE)) return await real(input, init)
    if (init?.method?.toUpperCase() === 'POST') state.customId = JSON.parse(String(init.body)).requests[0].custom_id
    if (!url.endsWith('/results')) return Response.json(batch)
    const message = {
      model: 'claude-sonnet-5-5',
      content: [{ type: 'text', text: 'Done.' }],
      stop_reason: 'end_turn',
      usage: { input_tokens: 1000, output_tokens: 100 },
    }
    return new Response(`${JSON.stringify({ custom_id: state.customId, result: { type: 'succeeded', message } })}\n`)
  })
  return state
}

test('a batch is held by the Steward for its day, and settled at half the price', async () => {
  const state = standIn()
  const clock = { ms: Date.now() }
  const person = await makePerson({ now: () => new Date(clock.ms) })
  const claude = { apiKey: 'k', baseUrl: 'http://claude.test', model: 'claude-sonnet-5-5' }
  const ai = { ...person.config.ai, providers: ['anthropic' as const], anthropic: claude }
  const ctx = { ...person, env, config: { ...person.config, ai } }
  const parts = [{ type: 'text' as const, text: 'hello' }]
  const messages = [{ role: 'user' as const, at: '2026-11-03T09:00:00Z', parts }]
  const request = { system: 's', volatileSystem: '', messages, tools: [], maxOutputTokens: 500 }
  const deadline = new Date(clock.ms + 6 * HOUR_MS)
  const id = await enqueue(ctx, { kind: 'summarise', feature: 'assistant', request }, { deadline })
  await runBatches(ctx)
  expect(state.customId).toBe(id)
  const steward = env.STEWARD.getByName(person.actor.userId)
  const alarmMs = await runInDurableObject(steward, (_, { storage }) => storage.getAlarm())
  expect((alarmMs ?? 0) - clock.ms).toBe(26 * HOUR_MS)
  clock.ms += 2 * 60_000
  await runBatches(ctx)
  // 1,000 read at 2 dollars a million and 100 written at 10, halved.
  expect(await getAnswer(ctx, id)).toMatchObject({
    state: 'answered',
    answer: { text: 'Done.', receipt: { costMicros: 1500, isEstimated: false } },
  })
  const { background } = await steward.budget()
  expect(background.day).toMatchObject({ spentMicros: 1500, reservedMicros: 0 })
})
