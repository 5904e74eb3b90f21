import { AppError, type Ctx } from '#core'
import { networkOf, takeLimit } from '#security'

/** Counts a try before it costs anything. By whom and network together: who guesses from elsewhere locks nobody out. */
export function limitGuesses({ client, config, now }: Pick<Ctx, 'client' | 'config' | 'now'>, whom: string): void {
  const tries = takeLimit('signin', `${whom.toLowerCase()} ${networkOf(client.address)}`, now(), config.rateLimitFactor)
  if (tries.ok) return
  throw new AppError('rate_limited', 'Too many tries; wait a moment', { retryAfterS: tries.resetS })
}
