import type { UserCtx } from './ctx.ts'
import { AppError } from './errors.ts'

const FRESH_MS = 300_000

/** Throws unless the person themselves signed in within five minutes: for acts that outlive a stolen token. */
export function requireFresh({ actor, now }: Pick<UserCtx, 'actor' | 'now'>): void {
  if (actor.key) throw new AppError('forbidden', 'No API key or app may do this; sign in')
  if (now().getTime() - (actor.authAtMs ?? 0) <= FRESH_MS) return
  throw new AppError('step_up_required', 'This needs a sign-in of the last five minutes; sign in again')
}
