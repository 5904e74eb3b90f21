import { catalogueOf } from '#ai'
import { type Config, readConfig } from '#config'
import { type Actor, type Client, type Ctx, createLog, newId } from '#core'
import { connect, type DatabaseMeter } from '#database'

const configs = new WeakMap<object, Config>()

/** The deployment's settings, checked once an isolate. */
export function configOf(env: Env): Config {
  const known = configs.get(env)
  if (known) return known
  const made = readConfig(env)
  // A model without a price is refused here, before it could be called.
  catalogueOf(made)
  configs.set(env, made)
  return made
}

const NOBODY: Client = { address: '', country: null, userAgent: '' }
type Runtime = { waitUntil(promise: Promise<unknown>): void }
type Given = { actor?: Actor; client?: Client; traceId?: string }

/** The one place a context is made: for a request, a queue batch, a cron tick, an alarm, a turn, a tool. */
export function makeCtx(env: Env, runtime: Runtime, given: Given = {}): Ctx & { meter: DatabaseMeter } {
  const config = configOf(env)
  const meter: DatabaseMeter = { trips: 0, ms: 0 }
  const now = () => new Date()
  const requestId = newId('req', now())
  return {
    actor: given.actor ?? { kind: 'system' },
    client: given.client ?? NOBODY,
    config,
    env,
    meter,
    db: connect(config.database, meter),
    requestId,
    now,
    newId: (prefix) => newId(prefix, now()),
    waitUntil: (promise) => runtime.waitUntil(promise),
    log: createLog({ requestId, ...(given.traceId && { traceId: given.traceId }) }, config.logLevel),
  }
}
