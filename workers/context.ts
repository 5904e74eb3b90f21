import { catalogueOf } from '#ai'
import { type Config, readConfig } from '#config'
import { type Actor, type Client, type Ctx, createLog, newId, type PersonActor, type UserCtx } from '#core'
import { actOf, connect, type DatabaseMeter } from '#database'

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
type Given = { actor?: Actor; client?: Client; traceId?: string; operation?: string; requestId?: string }

/** The one place a context is made: for a request, a queue batch, a cron tick, an alarm, a turn, a tool. */
export function makeCtx(env: Env, runtime: Runtime, given: Given = {}): Ctx & { meter: DatabaseMeter } {
  const config = configOf(env)
  const meter: DatabaseMeter = { trips: 0, ms: 0 }
  const now = () => new Date()
  const requestId = given.requestId ?? newId('req', now())
  const ctx: Ctx = {
    actor: given.actor ?? { kind: 'system' },
    client: given.client ?? NOBODY,
    config,
    env,
    meter,
    // Of what the context says when something is changed: who asks is found out later.
    db: connect(config.database, meter, () => actOf(ctx)),
    requestId,
    operation: given.operation ?? 'system',
    callId: '',
    now,
    newId: (prefix) => newId(prefix, now()),
    waitUntil: (promise) => runtime.waitUntil(promise),
    log: createLog({ requestId, ...(given.traceId && { traceId: given.traceId }) }, config.logLevel),
  }
  return ctx
}

/** Who asks an object for something, and by which request. */
export type Asker = Pick<PersonActor, 'userId' | 'sessionId' | 'key' | 'isUnsigned'> & {
  asked?: Pick<Ctx, 'requestId' | 'client'>
}

/** The context of whoever asks an object. */
export function askerCtx(env: Env, runtime: Runtime, { asked, ...by }: Asker, operation: string): UserCtx {
  const actor = { kind: 'person' as const, ...by }
  return Object.assign(makeCtx(env, runtime, { ...asked, actor, operation }), { actor })
}
