import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { testCtx } from '#test/database'
import { makeBreakers } from './breaker.ts'
import type { Model } from './catalogue.ts'
import { type FailureReason, ModelFailure } from './failure.ts'
import { type Heard, type ModelEvent, type ModelRequest, NO_USAGE, type ProviderName } from './model.ts'
import { price } from './prices.ts'
import { type SurviveEvent, type SurviveOptions, survive } from './survive.ts'

// Those that are ours: the platform's own connections set timers too.
const waiting = new Set<unknown>()
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  waiting.clear()
  const { setTimeout: set, clearTimeout: clear } = globalThis
  vi.spyOn(globalThis, 'setTimeout').mockImplementation((run, ms) => {
    const timer = set(() => {
      waiting.delete(timer)
      run()
    }, ms)
    if (new Error('where from').stack?.includes('core/timeout')) waiting.add(timer)
    return timer
  })
  vi.spyOn(globalThis, 'clearTimeout').mockImplementation((timer) => {
    waiting.delete(timer)
    clear(timer)
  })
})
afterEach(() => {
  // Whatever happened, nothing keeps an object awake.
  expect(waiting.size).toBe(0)
  vi.restoreAllMocks()
  vi.useRealTimers()
})

type Step = ModelEvent | ModelFailure | 'open' | 'hang' | 'deaf'
const text = (said: string): ModelEvent => ({ type: 'text', text: said })
const end: ModelEvent = {
  type: 'end',
  stop: 'done',
  model: 'm',
  usage: { ...NO_USAGE, inputTokens: 10, outputTokens: 2 },
  isFinal: true,
}
const cutEnd: ModelEvent = { ...end, stop: 'aborted', isFinal: false }
const call: ModelEvent = { type: 'tool_call', call: { type: 'tool_call', id: 'c', name: 'create_task', input: {} } }
const fail = (reason: FailureReason, retryAfterS?: number) =>
  new ModelFailure(reason, 'as told', retryAfterS === undefined ? {} : { retryAfterS })

/** A model that does what it is told, one list of steps for each time it is asked; the last list again and again. */
function scripted(name: string, lists: Step[][], provider: ProviderName = 'anthropic') {
  const model: Model = {
    name,
    provider,
    tier: 2,
    abilities: ['tools', 'json'],
    contextTokens: 1e6,
    maxOutputTokens: 1e5,
    prices: [price('2026-01-01', 1, 1)],
  }
  const asked: ModelRequest[] = []
  const signals: AbortSignal[] = []
  async function* generate(_model: string, request: ModelRequest, signal: AbortSignal, heard?: Heard) {
    const steps = lists[Math.min(asked.length, lists.length - 1)] ?? []
    asked.push(request)
    signals.push(signal)
    for (const step of steps) {
      signal.throwIfAborted()
      if (step === 'open') heard?.('open')
      else if (step === 'deaf') await new Promise(() => undefined)
      else if (step === 'hang')
        await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
      else if (step instanceof ModelFailure) throw step
      else yield step
    }
  }
  return { model, provider: { name: provider, generate }, asked, signals }
}

const request: ModelRequest = {
  system: 's',
  volatileSystem: '',
  messages: [{ role: 'user', at: '2026-11-23T09:00:00.000Z', parts: [{ type: 'text', text: 'hello' }] }],
  tools: [],
  maxOutputTokens: 500,
}

const never = () => new AbortController().signal
const LIMITS = { connectMs: 1_000, firstMs: 2_000, idleMs: 3_000 }
const waits: number[] = []

async function run(
  attempts: ReturnType<typeof scripted>[],
  {
    asked = request,
    signal = never(),
    ...options
  }: SurviveOptions & { asked?: ModelRequest; signal?: AbortSignal } = {},
) {
  const events: SurviveEvent[] = []
  waits.length = 0
  let failure: unknown
  const given: SurviveOptions = {
    breakers: makeBreakers(),
    deadlines: () => LIMITS,
    pause: async (ms) => void waits.push(ms),
    ...options,
  }
  const reading = (async () => {
    for await (const event of survive(testCtx(), attempts, asked, signal, given)) events.push(event)
  })().catch((error: unknown) => {
    failure = error
  })
  let isOver = false
  void reading.finally(() => {
    isOver = true
  })
  // To beyond every limit, and not beyond the end: a timer that is left is found.
  for (let ms = 0; ms < 20_000 && !isOver; ms += 100) await vi.advanceTimersByTimeAsync(100)
  expect(isOver).toBe(true)
  const said = events.flatMap((event) => (event.type === 'text' ? event.text : [])).join('')
  const tried = events.flatMap((event) => (event.type === 'tried' ? [[event.model.name, event.failure]] : []))
  return { events, failure, said, tried, last: events.at(-1) }
}

test('a healthy call is one try, told at its beginning and its end', async () => {
  const { events } = await run([scripted('a', [['open', text('Hi'), end]])])
  expect(events.map(({ type }) => type)).toEqual(['try', 'text', 'tried', 'end'])
  expect(events.at(-1)).toMatchObject({ stop: 'done', isFinal: true, usage: { inputTokens: 10 } })
})

test('what failed before a word was said is asked again, twice, with growing waits; then the next model', async () => {
  const [a, b] = [scripted('a', [[fail('overloaded')]]), scripted('b', [[text('Hi'), end]])]
  const { said, tried, last } = await run([a, b])
  expect(said).toBe('Hi')
  expect(tried).toEqual([
    ['a', 'overloaded'],
    ['a', 'overloaded'],
    ['a', 'overloaded'],
    ['b', null],
  ])
  expect(waits).toHaveLength(2)
  expect(waits[0]).toBeLessThanOrEqual(500)
  expect(waits[1]).toBeLessThanOrEqual(1000)
  // Refusals cost nothing: all of the sum is the one answer's.
  expect(last).toMatchObject({ type: 'end', isFinal: true, usage: { inputTokens: 10, outputTokens: 2 } })
})

test('the waits are spread over the whole of their range', async () => {
  const seen: number[] = []
  for (let n = 0; n < 60; n++) {
    await run([scripted('a', [[fail('server_error')], [text('Hi'), end]])])
    seen.push(...waits)
  }
  expect(Math.min(...seen)).toBeLessThan(125)
  expect(Math.max(...seen)).toBeGreaterThan(375)
})

test('a short time to wait is kept to, a long one is for another model', async () => {
  const ready = [text('Hi'), end]
  await run([scripted('a', [[fail('rate_limited', 3)], ready])])
  expect(waits[0]).toBeGreaterThanOrEqual(3000)
  const { tried } = await run([scripted('a', [[fail('rate_limited', 30)], ready]), scripted('b', [ready])])
  expect(tried).toEqual([
    ['a', 'rate_limited'],
    ['b', null],
  ])
  expect(waits).toEqual([])
  const alone = await run([scripted('a', [[fail('rate_limited', 30)], ready])])
  expect(alone.failure).toMatchObject({ reason: 'rate_limited', retryAfterS: 30 })
  expect(alone.last).toMatchObject({ type: 'end', stop: 'aborted', isFinal: true })
})

test.each<FailureReason>(['rejected', 'unauthorized', 'garbage', 'cut', 'late_first'])(
  'after %s the same model is not asked again, the next one is',
  async (reason) => {
    const { tried } = await run([scripted('a', [[fail(reason)]]), scripted('b', [[text('Hi'), end]])])
    expect(tried).toEqual([
      ['a', reason],
      ['b', null],
    ])
  },
)

test('an answer that broke is gone on with by the next model, and both are paid for', async () => {
  const a = scripted('a', [['open', text('One, two, '), cutEnd, fail('cut')]])
  const b = scripted('b', [[text('three.'), end]])
  const { said, tried, last, failure } = await run([a, b])
  expect(failure).toBeUndefined()
  expect(said).toBe('One, two, three.')
  expect(tried).toEqual([
    ['a', 'cut'],
    ['b', null],
  ])
  expect(last).toMatchObject({ stop: 'done', isFinal: false, usage: { inputTokens: 20, outputTokens: 4 } })
  expect(b.asked[0]?.messages).toMatchObject([
    { role: 'user' },
    { role: 'assistant', parts: [{ text: 'One, two,' }] },
    { role: 'user', parts: [{ text: expect.stringContaining('Go on') }] },
  ])
  expect(b.asked[0]?.maxOutputTokens).toBe(497)
})

describe('what cannot be gone on with ends with its typed error', () => {
  const broken = (...said: ModelEvent[]) => scripted('a', [[...said, cutEnd, fail('cut')]])
  const b = () => scripted('b', [[text('Hi'), end]])
  test.each([
    ['there is no other model', () => [broken(text('One'))], {}],
    ['a call was told', () => [broken(call), b()], {}],
    ['it is JSON', () => [broken(text('{')), b()], { asked: { ...request, format: 'json' as const } }],
    ['the other is rules', () => [broken(text('One')), scripted('b', [[text('Hi'), end]], 'offline')], {}],
  ])('where %s', async (_name, attempts, options) => {
    const { failure, tried, last } = await run(attempts(), options)
    expect(failure).toMatchObject({ reason: 'cut' })
    expect(tried).toEqual([['a', 'cut']])
    expect(last).toMatchObject({ type: 'end', stop: 'aborted', usage: { inputTokens: 10 } })
  })
})

test.each<[FailureReason, Step[]]>([
  ['late_connect', ['hang']],
  ['late_connect', ['deaf']],
  ['late_first', ['open', 'hang']],
  ['late_first', ['open', 'deaf']],
  ['late_idle', ['open', text('One'), 'hang']],
  ['late_idle', ['open', text('One'), 'deaf']],
])('a provider that is %s is left, also when it does not heed its signal: %j', async (reason, steps) => {
  const { failure, last } = await run([scripted('a', [steps])])
  expect(failure).toMatchObject({ name: 'ModelFailure', reason })
  // It may have been paid for: the sum is not the last word.
  expect(last).toMatchObject({ type: 'end', stop: 'aborted', isFinal: false })
})

test('the whole call has a limit over all its tries', async () => {
  const attempts = ['a', 'b', 'c'].map((name) => scripted(name, [['hang']]))
  const { failure, tried } = await run(attempts, { totalMs: 1_500 })
  expect(failure).toMatchObject({ reason: 'late_total' })
  expect(tried).toEqual([
    ['a', 'late_connect'],
    ['b', 'late_total'],
  ])
})

test('a slow reader is no fault of the provider', async () => {
  const events = survive(testCtx(), [scripted('a', [['open', text('One'), text('two'), end]])], request, never(), {
    breakers: makeBreakers(),
    deadlines: () => LIMITS,
    totalMs: 1_000_000,
  })
  const seen: string[] = []
  for await (const event of events) {
    await vi.advanceTimersByTimeAsync(60_000)
    seen.push(event.type)
  }
  expect(seen).toEqual(['try', 'text', 'text', 'tried', 'end'])
})

test('an abort ends the call with its reason, whatever is under way; nothing else is asked', async () => {
  for (const steps of [['hang'], ['deaf'], [text('One'), 'hang']] as Step[][]) {
    const controller = new AbortController()
    const [a, b] = [scripted('a', [steps]), scripted('b', [[end]])]
    setTimeout(() => controller.abort(new Error('left')), 10)
    const { failure, last } = await run([a, b], { signal: controller.signal })
    expect(failure).toMatchObject({ message: 'left' })
    expect(last).toMatchObject({ type: 'end', stop: 'aborted', isFinal: false })
    expect(b.asked).toEqual([])
  }
  const before = scripted('a', [[end]])
  const { last } = await run([before], { signal: AbortSignal.abort(new Error('left')) })
  expect(before.asked).toEqual([])
  expect(last).toMatchObject({ type: 'end', isFinal: true })
})

test('a reader that leaves tells the provider to stop', async () => {
  const a = scripted('a', [[text('One'), 'hang']])
  for await (const event of survive(testCtx(), [a], request, never(), { breakers: makeBreakers() }))
    if (event.type === 'text') break
  expect(a.signals[0]?.aborted).toBe(true)
})

test('a probe that was not made leaves the next one to be made', async () => {
  const { model, provider } = scripted('away', [[text('hi'), end]])
  const breakers = makeBreakers()
  const ctx = testCtx()
  const untilMs = ctx.now().getTime() - 1
  breakers.known.set('anthropic/away', { sinceMs: 0, calls: 5, failures: 5, untilMs, probeMs: 0 })
  const given = { breakers, deadlines: () => LIMITS }
  // Left at the try, as whoever pays does when there is no budget for it.
  for await (const { type } of survive(ctx, [{ model, provider }], request, never(), given)) if (type === 'try') break
  const { events } = await run([{ model, provider, asked: [], signals: [] }], { breakers })
  expect(events.at(-1)).toMatchObject({ type: 'end', stop: 'done' })
})
