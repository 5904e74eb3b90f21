import { requireSession } from '#auth'
import { createTimer, findAppError, type UserCtx } from '#core'
import { databaseFailure } from '#database'

const ASK_EACH_MS = 2000

/**
 * Ends an answer whose session or key ends meanwhile: while a model speaks no statement asks, so this does. A short
 * answer pays nothing for it.
 */
export function watchSession(ctx: UserCtx, working: AbortController): { stop(): void } {
  let isOver = false
  const timer = createTimer(() => ctx.waitUntil(look()))
  const look = async () => {
    try {
      await requireSession(ctx)
    } catch (error) {
      const known = findAppError(error) ?? databaseFailure(error)
      // A database that is away for a moment ends nothing.
      if (known?.code === 'session_ended') return working.abort(known)
    }
    if (!isOver) timer.set(ASK_EACH_MS)
  }
  timer.set(ASK_EACH_MS)
  const stop = () => {
    isOver = true
    timer.clear()
  }
  return { stop }
}
