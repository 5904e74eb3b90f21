import { afterEach, expect, inject, test, vi } from 'vitest'
import { readConfig } from '#config'
import { newId, type UserCtx } from '#core'
import { testCtx } from '#test/database'
import { type Chance, createChance } from '#test/proofs/chance'
import { makeSteward } from '#test/steward'
import { askedOf, type Bill, makeReply } from '#test/upstream'
import type { Call, GatewayEvent } from './call.ts'
import { findModel } from './catalogue.ts'
import { choose } from './choose.ts'
import { generate } from './gateway.ts'
import type { ModelRequest } from './model.ts'
import { PLANS } from './plans.ts'
import { reserve, worstMicros } from './spending.ts'

const START_MS = Date.parse('2026-11-03T09:00:00Z')
const DAY_MS = 24 * 3600_000
const SONNET = { ANTHROPIC_API_KEY: 'test', ANTHROPIC_MODEL: 'claude-sonnet-5-5' }
const NO_CAPS = { dayMicros: null, monthMicros: null }

afterEach(() => vi.restoreAllMocks())

function makeWorld(vars: Record<string, string> = SONNET) {
  const clock = { ms: START_MS }
  const steward = makeSteward(() => clock.ms)
  const logged: string[] = []
  const note = (event: string) => void logged.push(event)
  const userId = newId('usr', new Date(START_MS))
  const ctx: UserCtx = {
    ...testCtx({ now: () => new Date(clock.ms) }),
    actor: { kind: 'person', userId, sessionId: null },
    config: readConfig({ ...inject('vars'), ...vars }),
    env: { STEWARD: { getByName: (name: string) => (name === userId ? steward : undefined) } } as unknown as Env,
    log: { info: note, warn: note, error: note },
  }
  return { clock, steward, ctx, logged }
}

const requestOf = (text: string, maxOutputTokens = 500): ModelRequest => ({
  system: text,
  volatileSystem: '',
  messages: [{ role: 'user', at: '2026-11-03T09:00:00Z', parts: [{ type: 'text', text: 'hi' }] }],
  tools: [],
  maxOutputTokens,
})
const callOf = (text: string, more: Partial<Call> = {}): Call => ({
  kind: 'chat',
  feature: 'assistant',
  request: requestOf(text),
  ...more,
})

/** Claude on the wire: what each request is answered is `reply`'s to say; answers what it billed. */
function standIn(reply: (text: string) => { status?: number; chunks: string[] }) {
  const bodies: string[] = []
  vi.spyOn(globalThis, 'fetch').mockImplementation(async (_, init) => {
    init?.signal?.throwIfAborted()
    const text = String(init?.body)
    bodies.push(text)
    const { status = 200, chunks } = reply(text)
    const left = chunks.values()
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (init?.signal?.aborted) return controller.error(init.signal.reason)
        const { value, done } = left.next()
        if (done) controller.close()
        else controller.enqueue(new TextEncoder().encode(value))
      },
    })
    return new Response(body, { status, headers: { 'content-type': 'text/event-stream' } })
  })
  return bodies
}

/** An answer that ends well, of a prompt and an output of so many tokens. */
const whole = (input: number, output: number) => [
  `event: message_start\ndata: {"type":"message_start","message":{"model":"claude-sonnet-5-5","usage":{"input_tokens":${input}}}}\n\n`,
  ...Array<string>(6).fill(
    'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"yes"}}\n\n',
  ),
  `event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":${output}}}\n\n`,
]

async function listen(events: AsyncIterable<GatewayEvent>): Promise<GatewayEvent[]> {
  const heard: GatewayEvent[] = []
  for await (const event of events) heard.push(event)
  return heard
}

test('a call is held at its worst while it runs, and charged what it cost', async () => {
  const { ctx, steward } = makeWorld()
  standIn(() => ({ chunks: whole(100, 20) }))
  const events = generate(ctx, callOf('x'), new AbortController().signal)
  await events.next()
  const model = findModel(ctx.config, 'claude-sonnet-5-5')
  if (!model) throw new Error('no model')
  const worst = worstMicros(model, requestOf('x'), ctx.now())
  expect((await steward.budget()).own.day).toMatchObject({ spentMicros: 0, reservedMicros: worst })
  expect((await listen(events)).at(-1)).toMatchObject({ type: 'end', receipt: { costMicros: 400, isEstimated: false } })
  expect((await steward.budget()).own.day).toMatchObject({ spentMicros: 400, reservedMicros: 0 })
  expect(steward.lines()).toMatchObject([
    { costMicros: 400, outcome: 'done', inputTokens: 100, outputTokens: 20, decision: { model: 'claude-sonnet-5-5' } },
  ])
})

test('the worst case is no less than what the dearest part of a prompt costs, and the dear band of a long one', () => {
  const { ctx } = makeWorld({ ANTHROPIC_API_KEY: 'test' })
  const at = new Date(START_MS)
  const worst = (name: string, chars: number) => {
    const model = findModel(ctx.config, name)
    return model ? worstMicros(model, requestOf('x'.repeat(chars), 1000), at) : 0
  }
  // 10,000 bytes are at most 5,000 tokens, written to the cache at 2.50, and 1,000 tokens are said at 10.
  expect(worst('claude-sonnet-5-5', 10_000)).toBeGreaterThan(5000 * 2.5 + 10_000)
  expect(worst('claude-sonnet-5-5', 10_000)).toBeLessThan(5000 * 2.5 + 10_000 + 4000)
  expect(worst('claude-haiku-5-5', 240_000)).toBeGreaterThan(120_000 * 0.5 * 1.25 + 2500)
  expect(worst('claude-sonnet-5-5', 6_000_000)).toBe(1_000_000 * 2.5 + 10_000)
})

test('whatever way a call ends, it is settled: stopped, left, cut, refused, or never sent', async () => {
  const { ctx, steward } = makeWorld()
  await steward.setBudget({ plan: 'max' })
  const outcomes = async (work: () => Promise<unknown>) => {
    const before = steward.lines().length
    await work().catch(() => undefined)
    expect((await steward.budget()).own.day.reservedMicros).toBe(0)
    return steward
      .lines()
      .slice(before)
      .map(({ outcome, isEstimated, costMicros }) => [outcome, isEstimated, costMicros > 0])
  }
  const wire = { status: 200, chunks: whole(10, 10) }
  standIn(() => wire)
  const start = (signal = new AbortController().signal) => generate(ctx, callOf('x'), signal)
  const stopped = new AbortController()
  const stop = async () => {
    for await (const { type } of start(stopped.signal)) if (type === 'text') stopped.abort()
  }
  const leaveAt = (left: GatewayEvent['type']) => async () => {
    for await (const { type } of start()) if (type === left) return
  }
  expect(await outcomes(() => listen(start()))).toEqual([['done', false, true]])
  expect(await outcomes(stop)).toEqual([['aborted', true, true]])
  expect(await outcomes(leaveAt('text'))).toEqual([['aborted', true, true]])
  expect(await outcomes(leaveAt('end'))).toEqual([['done', false, true]])
  expect(await outcomes(leaveAt('start'))).toEqual([])
  expect(await outcomes(() => listen(start(AbortSignal.abort())))).toEqual([])
  wire.chunks = whole(10, 10).slice(0, 2)
  expect(await outcomes(() => listen(start()))).toEqual([['failed', true, true]])
  Object.assign(wire, { status: 529, chunks: ['{}'] })
  expect(await outcomes(() => listen(start()))).toEqual([['failed', false, false]])
})

test('what there is no budget for is not sent, and the caller is told when there will be', async () => {
  const { ctx, steward } = makeWorld()
  const bodies = standIn(() => ({ chunks: whole(10, 10) }))
  await steward.setBudget({ caps: { own: { dayMicros: 100, monthMicros: null }, background: NO_CAPS } })
  const said = listen(generate(ctx, callOf('x'), new AbortController().signal))
  await expect(said).rejects.toMatchObject({
    code: 'budget_exhausted',
    retryAfterS: (Date.parse('2026-11-04') - START_MS) / 1000,
    message: expect.stringMatching(/0\.000100 USD is left .* it resets at 2026-11-04T00:00:00\.000Z/),
    tokens: { any: { limit: expect.any(Number) }, resetAtMs: Date.parse('2026-11-04') },
  })
  const background = generate(ctx, callOf('x', { background: true }), new AbortController().signal)
  expect((await listen(background)).at(-1)).toMatchObject({ type: 'end' })
  await steward.setBudget({ isPaused: true })
  await expect(listen(generate(ctx, callOf('x'), new AbortController().signal))).rejects.toMatchObject({
    code: 'budget_exhausted',
    retryAfterS: undefined,
  })
  expect(bodies).toHaveLength(1)
})

test('near the end of a budget a cheaper model is taken, and the decision says so', async () => {
  const { ctx, steward } = makeWorld({ ANTHROPIC_API_KEY: 'test' })
  const [opus, sonnet, haiku] = ['claude-opus-5-5', 'claude-sonnet-5-5', 'claude-haiku-5-5'].map((name) =>
    findModel(ctx.config, name),
  )
  if (!opus || !sonnet || !haiku) throw new Error('no models')
  const asked = vi.spyOn(steward, 'reserve')
  const standing = { plan: 'pro' as const, leftShare: 1 }
  const by = { config: ctx.config, id: ctx.newId('aic'), userId: ctx.actor.userId, standing, isAway: () => false }
  const decision = { ...choose(by, callOf('x', { model: opus.name })).decision, reasons: ['hard'] }
  const dayMicros = worstMicros(haiku, requestOf('x'), ctx.now())
  await steward.setBudget({ caps: { own: { dayMicros, monthMicros: null }, background: NO_CAPS } })
  const hold = await reserve(ctx, callOf('x'), { decision, models: [opus, sonnet, haiku] })
  expect(hold).toMatchObject({ model: haiku, worstMicros: dayMicros, decision: { model: haiku.name } })
  expect(hold.decision.reasons).toEqual(['hard', 'a cheaper one, for what is left of the budget'])
  expect(asked.mock.calls.map(([{ model }]) => model)).toEqual([opus.name, haiku.name])
})

test('a Steward that is away costs nobody anything: nothing is sent', async () => {
  const { ctx, steward } = makeWorld()
  const bodies = standIn(() => ({ chunks: whole(10, 10) }))
  const reserve = vi.spyOn(steward, 'reserve').mockRejectedValue(new Error('away'))
  await expect(listen(generate(ctx, callOf('x'), new AbortController().signal))).rejects.toMatchObject({
    code: 'unavailable',
  })
  expect(reserve).toHaveBeenCalledTimes(3)
  expect(bodies).toEqual([])
})

test('an end that neither the Steward nor the ledger can be told is charged in full once the call is overdue', async () => {
  const { ctx, steward, clock, logged } = makeWorld()
  standIn(() => ({ chunks: whole(10, 10) }))
  vi.spyOn(steward, 'settle').mockRejectedValue(new Error('away'))
  await listen(generate(ctx, callOf('x'), new AbortController().signal))
  expect(logged).toEqual(['budget.unsettled', 'budget.not_written'])
  clock.ms = steward.nextDeadlineMs() ?? 0
  expect(steward.overdue()).toHaveLength(1)
  expect(steward.lines()).toMatchObject([{ outcome: 'lost', isEstimated: true }])
})

test('a call that costs more than was held is charged that, and it is logged', async () => {
  const { ctx, steward, logged } = makeWorld()
  standIn(() => ({ chunks: whole(50_000, 10) }))
  await listen(generate(ctx, callOf('x'), new AbortController().signal))
  expect(steward.lines()).toMatchObject([{ costMicros: 100_100, isEstimated: false }])
  expect(logged).toEqual(['budget.exceeded'])
})

test.each(['null', '-5', '0.5', '1e12', '"9"'])('an output of %s tokens is no usage: charged in full', async (said) => {
  const { ctx, steward } = makeWorld()
  standIn(() => ({ chunks: whole(10, 123).map((chunk) => chunk.replace('123', said)) }))
  const heard = await listen(generate(ctx, callOf('x'), new AbortController().signal)).catch(() => [])
  expect(heard.at(-1)).toMatchObject({ type: 'end', stop: 'done', receipt: { isEstimated: true, outputTokens: 0 } })
  expect(steward.lines()).toMatchObject([{ outputTokens: 0, isEstimated: true, outcome: 'done' }])
})

/** One random call: answered as chance has it, listened to for as long as chance has it. */
async function callAtRandom(world: ReturnType<typeof makeWorld>, chance: Chance, key: string): Promise<void> {
  const { ctx, clock } = world
  // A breaker that opened lets somebody through again.
  clock.ms += 20_000
  const stop = new AbortController()
  const until = chance.next() < 0.3 ? chance.int(8) : Number.POSITIVE_INFINITY
  const request = requestOf(`${key} ${'context '.repeat(chance.int(800))}`, 1 + chance.int(2000))
  const call = callOf('', { conversationId: key, background: chance.next() < 0.2, request })
  try {
    let heard = 0
    for await (const _ of generate(ctx, call, stop.signal)) {
      if (++heard <= until) continue
      if (chance.next() < 0.5) break
      stop.abort()
    }
  } catch (error) {
    // Whoever is refused waits for another day.
    if (error instanceof Error && 'code' in error && error.code === 'budget_exhausted') clock.ms += DAY_MS
  }
}

test('over 5,000 random calls the ledger is what the provider billed, or more where it did not say', async () => {
  const CALLS = 5000
  const chance = createChance(20_261_123)
  const world = makeWorld()
  const { steward } = world
  await steward.setBudget({ plan: 'max' })
  const bills = new Map<string, Bill>()
  standIn((text) => {
    const asked = askedOf(text)
    const reply = makeReply(chance, asked)
    // Whoever leaves is billed the whole answer, as a provider may.
    const { micros = 0 } = bills.get(asked.key) ?? {}
    const more = reply.billed(reply.chunks.length)
    bills.set(asked.key, { key: asked.key, micros: micros + more, isWhole: !reply.isCut })
    return reply
  })
  const keys = Array.from({ length: CALLS }, (_, index) => `case-${index}`).values()
  const work = async () => {
    for (const key of keys) await callAtRandom(world, chance, key)
  }
  await Promise.all(Array.from({ length: 10 }, work))
  const counts = { exact: 0, estimated: 0 }
  const spent = new Map<string, { micros: number; limit: number }>()
  const calls = Map.groupBy(steward.lines(), ({ conversationId }) => conversationId ?? '')
  for (const [key, lines] of calls) {
    const { micros = 0 } = bills.get(key) ?? {}
    const charged = lines.reduce((sum, { costMicros }) => sum + costMicros, 0)
    const isEstimated = lines.some((line) => line.isEstimated)
    if (isEstimated) expect(charged).toBeGreaterThanOrEqual(micros)
    else expect(charged).toBe(micros)
    counts[isEstimated ? 'estimated' : 'exact']++
  }
  for (const line of steward.lines()) {
    const account = line.isBackground ? 'background' : 'own'
    for (const period of [line.createdAt.slice(0, 10), line.createdAt.slice(0, 7)]) {
      const { micros = 0 } = spent.get(`${account} ${period}`) ?? {}
      const { day, month } = PLANS.max[account]
      const limit = period.length === '2026-11'.length ? month : day
      spent.set(`${account} ${period}`, { micros: micros + line.costMicros, limit })
    }
  }
  expect(counts.exact + counts.estimated).toBe(bills.size)
  expect(Math.min(counts.exact, counts.estimated)).toBeGreaterThan(1000)
  expect([...spent].filter(([, { micros, limit }]) => micros > limit)).toEqual([])
  const { own, background } = await steward.budget()
  expect([own.month.reservedMicros, background.month.reservedMicros]).toEqual([0, 0])
})
