import type { Config } from '#config'
import type { Ctx } from '#core'
import { catalogueOf, type Model } from './catalogue.ts'
import type { ProviderName } from './model.ts'

/** How the calls of one model went lately. `untilMs` is 0 while it is closed; `probeMs`: since when one call tries it. */
export type Breaker = { sinceMs: number; calls: number; failures: number; untilMs: number; probeMs: number }
export type BreakerState = 'closed' | 'open' | 'half-open'

/** What one isolate knows, and what it shares with the others of its colo. */
export type Breakers = { known: Map<string, Breaker>; read: Map<string, number>; colo: Colo | null }

/** Until when a model is left alone; all of it best effort. */
export type Colo = {
  read(url: string): Promise<number>
  write(url: string, untilMs: number, nowMs: number): Promise<void>
}

const WINDOW_MS = 60_000
const FAILURES = 5
const OPEN_MS = 15_000
const OPEN_MOST_MS = 300_000
// A probe whose isolate went away says nothing: another may try.
const PROBE_MS = 60_000
const READ_MS = 5_000

/** Of this isolate: plain data, no promise and no socket among it. */
export const isolateBreakers: Breakers = { known: new Map(), read: new Map(), colo: cacheColo() }

/** The breakers of a world of their own. */
export const makeBreakers = (colo: Colo | null = null): Breakers => ({ known: new Map(), read: new Map(), colo })

// A dated name is the same model: a client may make up any number of them.
const keyOf = ({ provider, name }: Pick<Model, 'provider' | 'name'>) => `${provider}/${name.replace(/-20\d{6}$/, '')}`

function breakerOf({ known }: Breakers, key: string): Breaker {
  const there = known.get(key)
  if (there) return there
  const made: Breaker = { sinceMs: 0, calls: 0, failures: 0, untilMs: 0, probeMs: 0 }
  known.set(key, made)
  return made
}

function stateOf({ untilMs }: Breaker, nowMs: number): BreakerState {
  if (untilMs === 0) return 'closed'
  return nowMs < untilMs ? 'open' : 'half-open'
}

type BreakerCtx = Pick<Ctx, 'config' | 'now' | 'waitUntil'>

/** Milliseconds until this model may be called; 0 is now, and where it is half open the call is the one that tries it. */
export function admit(ctx: BreakerCtx, breakers: Breakers, model: Model): number {
  const nowMs = ctx.now().getTime()
  const breaker = breakerOf(breakers, keyOf(model))
  learnLater(ctx, breakers, model, nowMs)
  switch (stateOf(breaker, nowMs)) {
    case 'closed':
      return 0
    case 'open':
      return breaker.untilMs - nowMs
    case 'half-open': {
      const probedMs = nowMs - breaker.probeMs
      if (breaker.probeMs > 0 && probedMs < PROBE_MS) return PROBE_MS - probedMs
      breaker.probeMs = nowMs
      return 0
    }
  }
}

/** Whether a model is left alone now, as this isolate knows: for a choice, which is not the call. */
export function isOpen(model: Model, now: Date, breakers = isolateBreakers): boolean {
  const breaker = breakers.known.get(keyOf(model))
  return breaker !== undefined && stateOf(breaker, now.getTime()) === 'open'
}

/** It answered. */
export function succeeded(ctx: BreakerCtx, breakers: Breakers, model: Model): void {
  const nowMs = ctx.now().getTime()
  const breaker = counted(breakerOf(breakers, keyOf(model)), nowMs)
  if (breaker.untilMs === 0) return
  Object.assign(breaker, { sinceMs: nowMs, calls: 0, failures: 0, untilMs: 0, probeMs: 0 })
  tell(ctx, breakers, model, 0)
}

/** It failed, by its own fault; where it named a time to wait it is left alone for so long. */
export function failed(ctx: BreakerCtx, breakers: Breakers, model: Model, leaveAloneMs = 0): void {
  const nowMs = ctx.now().getTime()
  const breaker = counted(breakerOf(breakers, keyOf(model)), nowMs)
  breaker.failures++
  const isBad = breaker.failures >= FAILURES && breaker.failures * 2 >= breaker.calls
  const state = stateOf(breaker, nowMs)
  if (state === 'open' || !(isBad || state === 'half-open' || leaveAloneMs > 0)) return
  breaker.untilMs = nowMs + Math.min(Math.max(OPEN_MS, leaveAloneMs), OPEN_MOST_MS)
  breaker.probeMs = 0
  tell(ctx, breakers, model, breaker.untilMs)
}

/** It ended without a word on the model's health: the next call may try it. */
export function undecided(breakers: Breakers, model: Model): void {
  breakerOf(breakers, keyOf(model)).probeMs = 0
}

function counted(breaker: Breaker, nowMs: number): Breaker {
  if (nowMs - breaker.sinceMs >= WINDOW_MS) Object.assign(breaker, { sinceMs: nowMs, calls: 0, failures: 0 })
  breaker.calls++
  return breaker
}

const urlOf = ({ publicUrl }: Config, model: Pick<Model, 'provider' | 'name'>) =>
  `${publicUrl}/.breakers/${encodeURIComponent(keyOf(model))}`

function tell({ config, now, waitUntil }: BreakerCtx, { colo }: Breakers, model: Model, untilMs: number): void {
  if (colo) waitUntil(colo.write(urlOf(config, model), untilMs, now().getTime()).catch(() => undefined))
}

// Beside the call, never before it: what is learned holds for the next one.
function learnLater(ctx: BreakerCtx, breakers: Breakers, model: Model, nowMs: number): void {
  const key = keyOf(model)
  if (!breakers.colo || model.provider === 'offline' || nowMs - (breakers.read.get(key) ?? 0) < READ_MS) return
  breakers.read.set(key, nowMs)
  ctx.waitUntil(learn(ctx, breakers, model))
}

async function learn(ctx: Pick<Ctx, 'config' | 'now'>, breakers: Breakers, model: Model): Promise<void> {
  const untilMs = await breakers.colo?.read(urlOf(ctx.config, model)).catch(() => 0)
  const breaker = breakerOf(breakers, keyOf(model))
  if (untilMs && untilMs > ctx.now().getTime() && breaker.untilMs === 0) breaker.untilMs = untilMs
}

// Asked for when called: in Node there is no such cache.
function cacheColo(): Colo {
  const cache = () => (typeof caches === 'undefined' ? undefined : caches.default)
  return {
    async read(url) {
      const found = await cache()?.match(url)
      return Number((await found?.text()) ?? 0)
    },
    async write(url, untilMs, nowMs) {
      const seconds = Math.ceil((untilMs - nowMs) / 1000)
      if (seconds <= 0) await cache()?.delete(url)
      else
        await cache()?.put(url, new Response(String(untilMs), { headers: { 'cache-control': `max-age=${seconds}` } }))
    },
  }
}

/** How each configured provider does, as this isolate and its colo saw it: `down` where every model that was called is. */
export async function breakerStates(ctx: Pick<Ctx, 'config' | 'now'>, breakers = isolateBreakers) {
  const models = catalogueOf(ctx.config)
  const asked = models.filter(({ provider }) => provider !== 'offline')
  if (breakers.colo) await Promise.all(asked.map((model) => learn(ctx, breakers, model)))
  const nowMs = ctx.now().getTime()
  return ctx.config.ai.providers.map((provider) => providerState(provider, models, breakers, nowMs))
}

function providerState(provider: ProviderName, models: Model[], { known }: Breakers, nowMs: number) {
  const called = models.flatMap((model) => {
    const breaker = model.provider === provider ? known.get(keyOf(model)) : undefined
    const isTold = breaker && (breaker.calls > 0 || breaker.untilMs > 0)
    return isTold ? { name: model.name, state: stateOf(breaker, nowMs) } : []
  })
  const isDown = called.length > 0 && called.every(({ state }) => state === 'open')
  const named = (state: BreakerState) => called.flatMap((model) => (model.state === state ? model.name : [])).join(', ')
  const detail = (['open', 'half-open'] as const).flatMap((state) => (named(state) ? `${state}: ${named(state)}` : []))
  return { provider, status: isDown ? ('down' as const) : ('ok' as const), detail: detail.join('; ') || 'closed' }
}
