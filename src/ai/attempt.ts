import { type Ctx, createTimer } from '#core'
import { type Breakers, failed, succeeded, undecided } from './breaker.ts'
import type { Model } from './catalogue.ts'
import { type FailureReason, ModelFailure } from './failure.ts'
import {
  type ModelEvent,
  type ModelProvider,
  type ModelRequest,
  NO_USAGE,
  type ProviderName,
  type Stop,
  type Usage,
} from './model.ts'

export type Attempt = { model: Model; provider: ModelProvider }

/** To the headers; from there to the first piece; between two pieces. */
export type Deadlines = { connectMs: number; firstMs: number; idleMs: number }

// A person's own machine first loads the model, and answers its headers with the first word; Claude may think for long
// without a word.
const DEADLINES: Record<ProviderName, Deadlines> = {
  anthropic: { connectMs: 20_000, firstMs: 60_000, idleMs: 90_000 },
  'openai-compatible': { connectMs: 120_000, firstMs: 60_000, idleMs: 60_000 },
  'workers-ai': { connectMs: 30_000, firstMs: 60_000, idleMs: 60_000 },
  offline: { connectMs: 20_000, firstMs: 20_000, idleMs: 20_000 },
}
export const deadlinesOf = (provider: ProviderName): Deadlines => DEADLINES[provider]

// How long a provider may take to say what it used, once it was told to stop; then it is left behind.
const GRACE_MS = 100
/** A wait that is worth it; a longer one is for another model. */
export const SHORT_WAIT_MS = 5_000

// Answers that cost nothing: the provider said that it did not begin. A connection that failed says nothing of the other
// side: workerd tells one that was refused and one that broke after the request by the same words.
const UNPAID = new Set<FailureReason>(['rate_limited', 'overloaded', 'server_error', 'rejected', 'unauthorized'])
export const isUnpaid = (failure: unknown) => failure instanceof ModelFailure && UNPAID.has(failure.reason)
// Said of the request, not of the model's health.
const OURS = new Set<FailureReason>(['rejected', 'late_total'])

/** How one try went: a `stop`, or the `failure` that ended it. */
export type Tried = {
  stop: Stop | undefined
  failure: unknown
  hasSaid: boolean
  model: string
  usage: Usage
  isFinal: boolean
}
export type Said = Exclude<ModelEvent, { type: 'end' }>

/** What the tries of one call share; `hear` is told what is said. */
export type Run = {
  ctx: Pick<Ctx, 'config' | 'now' | 'waitUntil'>
  signal: AbortSignal
  deadlines: (provider: ProviderName) => Deadlines
  breakers: Breakers
  hear(event: Said): void
}

/** One call of one model, within its deadlines, also where the provider does not heed its signal. */
export async function* attempt(
  run: Run,
  { model, provider }: Attempt,
  request: ModelRequest,
): AsyncGenerator<Said, Tried> {
  const watch = watched(run.signal, run.deadlines(provider.name))
  const tried: Tried = {
    stop: undefined,
    failure: undefined,
    hasSaid: false,
    model: model.name,
    usage: NO_USAGE,
    isFinal: false,
  }
  let isOver = false
  let isKnown = false
  const events = provider.generate(model.name, request, watch.signal, watch.heard)[Symbol.asyncIterator]()
  try {
    for (;;) {
      const step = await watch.within(events.next())
      if (step.done) break
      const event = step.value
      if (event.type === 'end') {
        const { stop, usage, isFinal } = event
        Object.assign(tried, { model: event.model, usage, isFinal, stop: stop === 'aborted' ? undefined : stop })
        isKnown = true
        continue
      }
      if (!tried.hasSaid) succeeded(run.ctx, run.breakers, model)
      tried.hasSaid = true
      run.hear(event)
      watch.pause()
      yield event
      watch.heard('piece')
    }
    if (!tried.stop) tried.failure = new ModelFailure('cut', 'the stream ended before its end')
    isOver = true
  } catch (error) {
    isOver = true
    tried.stop = undefined
    tried.failure = watch.signal.aborted ? watch.signal.reason : error
  } finally {
    // Left by its reader, or deaf: it is told to stop, and not waited for.
    if (!isOver || tried.failure) watch.stop()
    watch.clear()
    judge(run, model, tried)
    void Promise.resolve(events.return?.()).catch(() => undefined)
  }
  if (!isKnown && isUnpaid(tried.failure)) tried.isFinal = true
  return tried
}

/** Tells the model's breaker of a failure that is the model's own; false where it is not. */
export function judgeFailure(ctx: Run['ctx'], breakers: Breakers, model: Model, failure: unknown): boolean {
  if (!(failure instanceof ModelFailure) || OURS.has(failure.reason)) return false
  const leaveAloneMs = (failure.retryAfterS ?? 0) * 1000
  failed(ctx, breakers, model, leaveAloneMs > SHORT_WAIT_MS ? leaveAloneMs : 0)
  return true
}

function judge({ ctx, breakers }: Run, model: Model, tried: Tried): void {
  const { failure, hasSaid, stop } = tried
  if (judgeFailure(ctx, breakers, model, failure)) return
  if (stop && !hasSaid) succeeded(ctx, breakers, model)
  else if (!hasSaid) undecided(breakers, model)
}

/** The deadline of the phase a call is in. */
function watched(signal: AbortSignal, { connectMs, firstMs, idleMs }: Deadlines) {
  const controller = new AbortController()
  let late: FailureReason = 'late_connect'
  let giveUp: () => void = () => undefined
  const timer = createTimer(() => controller.abort(new ModelFailure(late, 'the provider took too long')))
  const grace = createTimer(() => giveUp())
  const forward = () => controller.abort(signal.reason)
  const hurry = () => grace.set(GRACE_MS)
  controller.signal.addEventListener('abort', hurry, { once: true })
  timer.set(connectMs)
  if (signal.aborted) forward()
  else signal.addEventListener('abort', forward, { once: true })
  return {
    signal: controller.signal,
    heard(what: 'open' | 'piece') {
      if (controller.signal.aborted) return
      if (what === 'piece' || late === 'late_idle') {
        late = 'late_idle'
        timer.set(idleMs)
      } else if (late === 'late_connect') {
        late = 'late_first'
        timer.set(firstMs)
      }
    },
    /** While the reader holds what was said, the provider owes nothing. */
    pause: timer.pause,
    stop: () => controller.abort(),
    /** What was asked for, or an error soon after the signal was aborted. */
    within<T>(work: Promise<T>): Promise<T> {
      return new Promise((resolve, reject) => {
        giveUp = () => reject(controller.signal.reason)
        if (controller.signal.aborted) grace.set(GRACE_MS)
        work.then(resolve, reject)
      })
    },
    clear() {
      timer.clear()
      grace.clear()
      signal.removeEventListener('abort', forward)
      // A closure that a signal holds is garbage only to the collection that stops everybody.
      controller.signal.removeEventListener('abort', hurry)
    },
  }
}
