import { type Ctx, createTimer, wait } from '#core'
import { type Attempt, attempt, type Deadlines, deadlinesOf, type Run, type Said, SHORT_WAIT_MS } from './attempt.ts'
import { admit, type Breakers, isolateBreakers, undecided } from './breaker.ts'
import type { Model } from './catalogue.ts'
import { type FailureReason, ModelFailure } from './failure.ts'
import { type ModelEvent, type ModelRequest, NO_USAGE, type ProviderName, type Stop, type Usage } from './model.ts'

/**
 * Every try is told: `try` when it begins, `tried` when it ends, with what it spent (`answeredAs` is the name the provider
 * gave). `isFinal` false: what was spent may be more. `end` comes once, last, with the sum of all tries; an error after it.
 */
export type SurviveEvent =
  | { type: 'try'; model: Model }
  | { type: 'tried'; model: Model; answeredAs: string; usage: Usage; isFinal: boolean; failure: FailureReason | null }
  | ModelEvent

/** For tests: other limits, a world of breakers of its own, waits that do not wait. */
export type SurviveOptions = {
  deadlines?: (provider: ProviderName) => Deadlines
  totalMs?: number
  breakers?: Breakers
  pause?: Pause
}
type Pause = (ms: number, signal: AbortSignal) => Promise<void>

const TOTAL_MS = 300_000
const TRIES = 3
const BACKOFF_MS = 250
const BACKOFF_MOST_MS = 2_000
// What may have been paid for is not asked of the same model again.
const AGAIN = new Set<FailureReason>(['rate_limited', 'overloaded', 'server_error'])

/**
 * Asks the models in their order until one has answered. Before anything was said a failure is tried again or
 * elsewhere; text that was said is gone on with by the next model; what cannot be saved ends with its typed error.
 */
export async function* survive(
  ctx: Pick<Ctx, 'config' | 'now' | 'waitUntil'>,
  attempts: readonly Attempt[],
  request: ModelRequest,
  signal: AbortSignal,
  options: SurviveOptions = {},
): AsyncGenerator<SurviveEvent> {
  const { deadlines = deadlinesOf, totalMs = TOTAL_MS, breakers = isolateBreakers, pause = wait } = options
  const limit = limited(signal, totalMs)
  const told: Told = {
    text: '',
    calls: 0,
    model: attempts[0]?.model.name ?? '',
    usage: NO_USAGE,
    isFinal: true,
    stop: undefined,
    failure: undefined,
  }
  const run: Run = { ctx, signal: limit.signal, deadlines, breakers, hear: (event) => hear(told, event) }
  try {
    for (const candidate of attempts) {
      if (limit.signal.aborted || !canGoOn(told, request, candidate.provider.name)) break
      yield* ask(run, candidate, request, told, pause)
      if (told.stop || !(told.failure instanceof ModelFailure)) break
    }
  } catch (error) {
    told.failure = error
  } finally {
    limit.clear()
  }
  const { stop, model, usage, isFinal } = told
  yield { type: 'end', stop: stop ?? 'aborted', model, usage, isFinal }
  if (!stop) throw limit.signal.aborted ? limit.signal.reason : told.failure
}

/** What was said, spent and known so far, over all tries. */
type Told = {
  text: string
  calls: number
  model: string
  usage: Usage
  isFinal: boolean
  stop: Stop | undefined
  failure: unknown
}

/** One model, as often as it is worth it. */
async function* ask(
  run: Run,
  { model, provider }: Attempt,
  request: ModelRequest,
  told: Told,
  pause: Pause,
): AsyncGenerator<SurviveEvent> {
  for (let tries = 1; ; tries++) {
    const closedMs = admit(run.ctx, run.breakers, model)
    if (closedMs > 0) {
      const retryAfterS = Math.ceil(closedMs / 1000)
      told.failure ??= new ModelFailure('overloaded', 'left alone for a while', { retryAfterS })
      return
    }
    let isAsked = false
    try {
      yield { type: 'try', model }
      isAsked = true
    } finally {
      // Held back by whoever pays: the next call may be the one that tries it.
      if (!isAsked) undecided(run.breakers, model)
    }
    const asked = continued(request, told.text, run.ctx.now())
    const { stop, failure, hasSaid, ...spent } = yield* attempt(run, { model, provider }, asked)
    Object.assign(told, { stop, failure, model: spent.model, usage: sum(told.usage, spent.usage) })
    told.isFinal &&= spent.isFinal
    const known = failure instanceof ModelFailure ? failure : undefined
    const { model: answeredAs, usage, isFinal } = spent
    yield { type: 'tried', model, answeredAs, usage, isFinal, failure: known?.reason ?? null }
    const ms = known && !hasSaid && tries < TRIES ? pauseMs(known, tries) : null
    if (ms === null || run.signal.aborted) return
    await pause(ms, run.signal)
  }
}

function hear(told: Told, event: Said): void {
  if (event.type === 'text') told.text += event.text
  else told.calls++
}

const sum = (a: Usage, b: Usage): Usage => ({
  inputTokens: a.inputTokens + b.inputTokens,
  outputTokens: a.outputTokens + b.outputTokens,
  cacheReadTokens: a.cacheReadTokens + b.cacheReadTokens,
  cacheWriteTokens: a.cacheWriteTokens + b.cacheWriteTokens,
  cacheWrite1hTokens: a.cacheWrite1hTokens + b.cacheWrite1hTokens,
})

// Half a JSON is not gone on with by another model, nor anything by rules; a call may be carried out already.
function canGoOn({ text, calls }: Told, { format = 'text' }: ModelRequest, provider: ProviderName): boolean {
  if (text === '' && calls === 0) return true
  return calls === 0 && format === 'text' && provider !== 'offline'
}

const GO_ON =
  'Your answer broke off here. Go on from exactly where it stopped; repeat nothing, and do not mention this.'
const CHARS_PER_TOKEN = 4
const LEAST_TOKENS = 64

function continued(request: ModelRequest, text: string, now: Date): ModelRequest {
  if (text.trim() === '') return request
  const left = request.maxOutputTokens - Math.ceil(text.length / CHARS_PER_TOKEN)
  return {
    ...request,
    maxOutputTokens: Math.max(left, LEAST_TOKENS),
    messages: [
      ...request.messages,
      { role: 'assistant', parts: [{ type: 'text', text: text.trimEnd() }] },
      { role: 'user', at: now.toISOString(), parts: [{ type: 'text', text: GO_ON }] },
    ],
  }
}

/** How long to wait before the same model is asked again; null where it is not. */
function pauseMs({ reason, retryAfterS = 0 }: ModelFailure, tries: number): number | null {
  if (!AGAIN.has(reason) || retryAfterS * 1000 > SHORT_WAIT_MS) return null
  return retryAfterS * 1000 + chance() * Math.min(BACKOFF_MOST_MS, BACKOFF_MS * 2 ** tries)
}

const chance = () => (crypto.getRandomValues(new Uint32Array(1))[0] ?? 0) / 2 ** 32

/** The caller's signal and the deadline of the whole call, as one. */
function limited(signal: AbortSignal, totalMs: number) {
  const controller = new AbortController()
  const timer = createTimer(() => controller.abort(new ModelFailure('late_total', 'the whole call took too long')))
  const forward = () => controller.abort(signal.reason)
  if (signal.aborted) forward()
  else signal.addEventListener('abort', forward, { once: true })
  timer.set(totalMs)
  const clear = () => {
    timer.clear()
    signal.removeEventListener('abort', forward)
  }
  return { signal: controller.signal, clear }
}
