import { AppError, describeError, findAppError, type PersonActor } from '#core'
import { type Found, findCached, keepCached, type Place } from './cache.ts'
import type { Call, Decision, GatewayEvent, Receipt, TokensLeft } from './call.ts'
import { findModel } from './catalogue.ts'
import { type AiCtx, type CacheNote, direct } from './direct.ts'
import { refusedTokens } from './headers.ts'
import type { Inflight } from './inflight.ts'
import { NO_USAGE } from './model.ts'
import { BudgetExhausted } from './refusals.ts'
import { hold, settle } from './spending.ts'
import type { KeptAnswer } from './tables.ts'

/** A call that is being made for several who asked the same, as the object that makes it keeps them. */
export type Calls = Inflight<GatewayEvent>
/** A person's object, as far as it shares calls. */
type Sharer = {
  shareCall(asked: SharedAsk): Promise<ReadableStream<Uint8Array>>
  leaveCall(ticket: string): Promise<unknown>
}
/** `ticket` names who asked, for when they leave: that a stream is no longer read is heard only at its next word. */
export type SharedAsk = {
  call: Call
  place: Place
  note: CacheNote
  by: Pick<PersonActor, 'userId' | 'sessionId' | 'key'>
  ticket: string
}

type Failed = { code: string; message: string; retryAfterS: number | null; tokens?: TokensLeft | undefined }
type Told = GatewayEvent | ({ type: 'failed' } & Failed)

/**
 * An answer that was given before, or is being given, where the caller shares it; else a new one, which is kept. The
 * statement that looks for it also asks for the session.
 */
export async function* generateShared(ctx: AiCtx, call: Call, signal: AbortSignal): AsyncGenerator<GatewayEvent> {
  const began = performance.now()
  const found = await findCached(ctx, call)
  const cacheUs = Math.round((performance.now() - began) * 1000)
  const note = { cache: found.state, cacheReason: found.reason, cacheUs }
  if (found.state === 'off') yield* direct(ctx, call, signal, note)
  else if (found.state === 'miss') yield* inObject(ctx, call, found.place, note, signal)
  else yield* again(ctx, call, found, note)
}

type Hit = Extract<Found, { answer: KeptAnswer }>

async function* again(ctx: AiCtx, call: Call, { answer }: Hit, note: CacheNote): AsyncGenerator<GatewayEvent> {
  const decision = decisionOf(ctx, call, answer.provider, answer.model, note)
  const receipt = unpaid(decision)
  yield { type: 'start', decision, overhead: { choiceUs: 0, reserveUs: 0, cacheUs: note.cacheUs } }
  yield { type: 'text', text: answer.text }
  // Before the end, after which nobody may ask for more.
  ctx.waitUntil(book(ctx, call, decision, receipt))
  yield { type: 'end', stop: 'done', model: answer.model, usage: NO_USAGE, isFinal: true, receipt }
}

function decisionOf(ctx: AiCtx, call: Call, provider: string, model: string, note: CacheNote): Decision {
  const { cache, cacheReason } = note
  const known = findModel(ctx.config, model)
  const reasons = [`answered by ${provider}, when it was asked before`]
  const id = ctx.newId('aic')
  const by = { provider: known?.provider ?? ('offline' as const), model }
  return { id, ...by, kind: call.kind, difficulty: 0, parts: {}, reasons, cache, cacheReason, experiment: null }
}

function unpaid({ id: callId, provider, model }: Pick<Decision, 'id' | 'provider' | 'model'>): Receipt {
  const { cacheWrite1hTokens: _, ...tokens } = NO_USAGE
  return { callId, provider, model, ...tokens, costMicros: 0, isEstimated: false, firstTokenMs: 0, totalMs: 0 }
}

// The ledger has a line also for what cost nothing.
async function book(ctx: AiCtx, call: Call, decision: Decision, receipt: Receipt): Promise<void> {
  const model = findModel(ctx.config, decision.model)
  if (!model) return
  try {
    const held = await hold(ctx, call, decision, [{ model, worst: 0, promptTokens: null }])
    await settle(ctx, { ...held, isSent: true, end: { receipt, usage: NO_USAGE, outcome: 'done' } }, false)
  } catch (error) {
    ctx.log.warn('cache.not_booked', describeError(error))
  }
}

/** Made in the person's object, where those who ask the same meanwhile can join it: a stateless Worker cannot share. */
async function* inObject(
  ctx: AiCtx,
  call: Call,
  place: Place,
  note: CacheNote,
  signal: AbortSignal,
): AsyncGenerator<GatewayEvent> {
  const object: Sharer = ctx.env.USER_SESSION.getByName(ctx.actor.userId)
  const { userId, sessionId, key } = ctx.actor
  const ticket = ctx.newId('req')
  const stream = await object.shareCall({ call, place, note, by: { userId, sessionId, ...(key && { key }) }, ticket })
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader()
  let isOver = false
  const leave = () => {
    if (isOver) return
    isOver = true
    ctx.waitUntil(Promise.allSettled([reader.cancel(signal.reason), object.leaveCall(ticket)]))
  }
  signal.addEventListener('abort', leave, { once: true })
  let rest = ''
  try {
    for (;;) {
      const { done, value } = await reader.read()
      signal.throwIfAborted()
      if (done) {
        isOver = true
        return
      }
      const lines = (rest + value).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        const told: Told = JSON.parse(line)
        if (told.type === 'failed') throw asError(told)
        yield told
      }
    }
  } finally {
    signal.removeEventListener('abort', leave)
    leave()
  }
}

function asError({ code, message, retryAfterS, tokens }: Failed): Error {
  const options = retryAfterS === null ? {} : { retryAfterS }
  switch (code) {
    case 'model_failed':
    case 'model_overloaded':
    case 'timeout':
    case 'unavailable':
    case 'session_ended':
    case 'not_found':
      return new AppError(code, message, options)
    case 'budget_exhausted':
      return new BudgetExhausted(message, { ...options, tokens })
    default:
      return new Error(`a shared call failed: ${code}`)
  }
}

/** Runs a call whose answer may be kept, or joins the same one; its events as lines of JSON. */
export function shareCall(
  ctx: AiCtx,
  calls: Calls,
  { call, place, note }: SharedAsk,
  controller: AbortController,
): ReadableStream<Uint8Array> {
  const start = (signal: AbortSignal) => kept(ctx, call, place, note, signal)
  const { events, isLeader } = calls.share(place.key, start, controller.signal)
  const told = isLeader ? events : joined(ctx, call, events)
  const encoder = new TextEncoder()
  const line = (value: Told) => encoder.encode(`${JSON.stringify(value)}\n`)
  return new ReadableStream<Uint8Array>({
    async pull(out) {
      try {
        const { done, value } = await told.next()
        if (!done) return out.enqueue(line(value))
        out.close()
        controller.abort()
      } catch (error) {
        const known = findAppError(error)
        if (!known && !controller.signal.aborted) ctx.log.error('call.failed', describeError(error))
        const { code = 'internal', message = '', retryAfterS = null } = known ?? {}
        out.enqueue(line({ type: 'failed', code, message, retryAfterS, tokens: refusedTokens(error) }))
        out.close()
        controller.abort()
      }
    },
    async cancel() {
      controller.abort(new DOMException('nobody listens any more', 'AbortError'))
      await told.return?.()
    },
  })
}

/** A new answer, kept once it is whole. */
async function* kept(
  ctx: AiCtx,
  call: Call,
  place: Place,
  note: CacheNote,
  signal: AbortSignal,
): AsyncGenerator<GatewayEvent> {
  let text = ''
  for await (const event of direct(ctx, call, signal, note)) {
    if (event.type === 'text') text += event.text
    else if (event.type === 'end' && event.stop === 'done') {
      const { provider, model, callId } = event.receipt
      const keeping = keepCached(ctx, place, { text, provider, model, callId })
      ctx.waitUntil(keeping.catch((error) => ctx.log.warn('cache.not_kept', describeError(error))))
    }
    yield event
  }
}

/** The same events for one who came later: they paid nothing. */
async function* joined(ctx: AiCtx, call: Call, events: AsyncIterable<GatewayEvent>): AsyncGenerator<GatewayEvent> {
  let decision: Decision | undefined
  for await (const event of events) {
    if (event.type === 'start') {
      const note = { cache: 'shared' as const, cacheReason: `asked while ${event.decision.id} was answered` }
      decision = { ...event.decision, ...note, id: ctx.newId('aic') }
      // What is left was told to who pays: nothing is held here.
      const { tokens: _, ...start } = event
      yield { ...start, decision }
    } else if (event.type === 'end' && decision) {
      const receipt = unpaid(decision)
      ctx.waitUntil(book(ctx, call, decision, receipt))
      yield { ...event, usage: NO_USAGE, receipt }
    } else yield event
  }
}
