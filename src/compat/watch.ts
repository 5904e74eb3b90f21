import { requireSession } from '#auth'
import { findAppError, type UserCtx, wait } from '#core'
import { databaseFailure } from '#database'

const ASK_EACH_MS = 2000

/**
 * Ends an answer whose session or key ends meanwhile: while a model speaks no statement asks, so this does. A short
 * answer pays nothing for it.
 */
export function watchSession(ctx: UserCtx, working: AbortController): { stop(): void } {
  const over = new AbortController()
  const watch = async () => {
    for (;;) {
      await wait(ASK_EACH_MS, over.signal)
      try {
        await requireSession(ctx)
      } catch (error) {
        const known = findAppError(error) ?? databaseFailure(error)
        // A database that is away for a moment ends nothing.
        if (known?.code === 'session_ended') return working.abort(known)
      }
    }
  }
  ctx.waitUntil(watch().catch(() => undefined))
  return { stop: () => over.abort() }
}
