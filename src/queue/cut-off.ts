import type { Ctx } from '#core'

type CutCtx = Pick<Ctx, 'env' | 'waitUntil' | 'log'>

/**
 * Closes now what these sessions and keys have open, beside the answer. Only a speed-up: the event that was committed
 * with their end says the same, as soon as its queue hands it over, which in production takes a second and more.
 */
export function cutOff({ env, waitUntil, log }: CutCtx, userId: string, ids: readonly string[]): void {
  if (ids.length === 0) return
  const session = env.USER_SESSION.getByName(userId)
  const closed = Promise.all(ids.map((id) => session.endSession(id)))
  waitUntil(closed.catch((error: unknown) => log.warn('session.not_cut_off', { reason: String(error) })))
}

/** Closes now the sockets and streams of a key that is not what it was when they were opened; it may come back with what it is. */
export function renewSockets({ env, waitUntil, log }: CutCtx, userId: string, id: string): void {
  const closed = env.USER_SESSION.getByName(userId).renewSession(id)
  waitUntil(closed.catch((error: unknown) => log.warn('session.not_cut_off', { reason: String(error) })))
}
