import type { Call, GatewayEvent } from './call.ts'
import { type AiCtx, type CacheNote, direct } from './direct.ts'
import { generateShared } from './sharing.ts'

/**
 * The one way to a model. Streams what it says, after why that model was chosen; the last event carries what it cost,
 * and comes also before the error of a call that failed or was aborted. Held before, settled after, whatever happens:
 * also when whoever listens leaves.
 */
export function generate(ctx: AiCtx, call: Call, signal: AbortSignal): AsyncGenerator<GatewayEvent> {
  return call.share ? generateShared(ctx, call, signal) : direct(ctx, call, signal, UNSHARED)
}

const UNSHARED: CacheNote = { cache: 'off', cacheReason: 'the caller does not share it', cacheUs: 0 }
