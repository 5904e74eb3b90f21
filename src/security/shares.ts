import { type ActingKey, AppError, type Ctx, describeError, type LimitClass, within } from '#core'
import { keepNewest, LIMITS, type Quota, secondsUntil, type Take } from './limits.ts'
import type { Grant, LimitAsk } from './windows.ts'

type TakeCtx = Pick<Ctx, 'config' | 'env' | 'now' | 'waitUntil' | 'log'>
type Counted = Quota & { name: string; userId: string; isExact: boolean }

/**
 * What this isolate knows of a person's window. `left` was granted and is not used; `pool` is what the Steward had left
 * when it last answered, null before it did; `untold` were let in without a grant.
 */
type Share = {
  sinceMs: number
  endsMs: number
  left: number
  granted: number
  pool: number | null
  untold: number
  taken: number
  askedMs: number
  failedMs: number
}

// Of the quota: let in before the Steward is heard, so that no call of an ordinary person waits for it, or is told to it.
const AHEAD = 50
// An ask of which nothing was heard so long has failed, and for as long again is not repeated for what can do without.
const ASK_MS = 2000
const AWAY_S = 2
const TRIES = 4
const MAX_SHARES = 20_000

type Shares = Map<string, Share>

/** The memory of one isolate. */
export function createShares() {
  const shares: Shares = new Map()
  return {
    /** Counts one call of a person. Only where it is exact, or the share of this isolate is used up, does it wait. */
    takeOwn(ctx: TakeCtx, userId: string, limit: LimitClass): Take | Promise<Take> {
      const { quota, windowS, counted } = LIMITS[limit]
      const { rateLimitFactor } = ctx.config
      const isExact = counted === 'exact'
      return take(shares, ctx, { name: limit, userId, quota: quota * rateLimitFactor, windowS, isExact })
    },
    /** The same of an API key's own rate, beside the limits of its person. */
    takeKey(ctx: TakeCtx, userId: string, { id, ratePerMinute }: ActingKey): Take | Promise<Take> | undefined {
      if (ratePerMinute === null) return undefined
      return take(shares, ctx, { name: id, userId, quota: ratePerMinute, windowS: 60, isExact: ratePerMinute < AHEAD })
    },
  }
}

export const { takeOwn, takeKey } = createShares()

function take(shares: Shares, ctx: TakeCtx, counted: Counted): Take | Promise<Take> {
  const nowMs = ctx.now().getTime()
  const share = shareOf(shares, counted, nowMs)
  if (!mayTake(share, counted)) {
    if (share.pool === 0) return answer(share, counted, nowMs, false)
    const isAway = nowMs - share.failedMs < ASK_MS
    return isAway && !counted.isExact ? takeAlone(share, counted, nowMs) : takeAsked(ctx, counted, share)
  }
  use(share)
  if (!counted.isExact && isLow(share, counted, nowMs)) refill(ctx, counted, share)
  return answer(share, counted, nowMs, true)
}

function shareOf(shares: Shares, { name, userId, windowS }: Counted, nowMs: number): Share {
  const key = `${name}:${userId}`
  const known = shares.get(key)
  if (known && nowMs < known.endsMs && nowMs >= known.sinceMs) return known
  const share: Share = {
    sinceMs: nowMs,
    endsMs: nowMs + windowS * 1000,
    left: 0,
    granted: 0,
    pool: null,
    untold: 0,
    taken: 0,
    askedMs: 0,
    failedMs: 0,
  }
  keepNewest(shares, key, share, MAX_SHARES)
  return share
}

const aheadOf = ({ quota, isExact }: Counted) => (isExact ? 0 : Math.floor(quota / AHEAD))
const mayTake = (share: Share, counted: Counted) =>
  share.left > 0 || (share.pool === null && share.taken < aheadOf(counted))

function use(share: Share): void {
  share.taken++
  if (share.left > 0) share.left--
  else share.untold++
}

function isLow(share: Share, counted: Counted, nowMs: number): boolean {
  if (nowMs - Math.max(share.askedMs, share.failedMs) < ASK_MS) return false
  return share.pool === null ? share.untold * 2 >= aheadOf(counted) : share.pool > 0 && share.left * 2 <= share.granted
}

function refill(ctx: TakeCtx, counted: Counted, share: Share): void {
  const asked = ask(ctx, counted, share)
  ctx.waitUntil(asked.catch((error: unknown) => ctx.log.warn('limit.not_told', describeError(error))))
}

async function takeAsked(ctx: TakeCtx, counted: Counted, share: Share): Promise<Take> {
  try {
    // What was granted may be taken by another call meanwhile.
    for (let tries = 0; share.left === 0 && share.pool !== 0 && tries < TRIES; tries++) await ask(ctx, counted, share)
  } catch (cause) {
    if (counted.isExact)
      throw new AppError('unavailable', 'The limit cannot be asked; try again', { cause, retryAfterS: AWAY_S })
    ctx.log.warn('limit.not_told', describeError(cause))
    return takeAlone(share, counted, ctx.now().getTime())
  }
  const ok = share.left > 0
  if (ok) use(share)
  return answer(share, counted, ctx.now().getTime(), ok)
}

/** While the Steward is away the isolate counts by itself. */
function takeAlone(share: Share, counted: Counted, nowMs: number): Take {
  const ok = share.taken < counted.quota
  if (ok) use(share)
  return answer(share, counted, nowMs, ok)
}

/** A person's Steward, as far as it counts their calls. */
type Counter = { grantCalls(ask: LimitAsk): Promise<Grant> }

async function ask(ctx: TakeCtx, { name, userId, quota, windowS, isExact }: Counted, share: Share): Promise<void> {
  const spent = share.untold
  share.untold = 0
  share.askedMs = ctx.now().getTime()
  try {
    const steward: Counter = ctx.env.STEWARD.getByName(userId)
    const asked = steward.grantCalls({ name, quota, windowS, isExact, spent, sinceMs: share.sinceMs })
    hear(share, await within(ASK_MS, asked))
    share.failedMs = 0
  } catch (error) {
    share.untold += spent
    share.failedMs = ctx.now().getTime()
    throw error
  } finally {
    share.askedMs = 0
  }
}

function hear(share: Share, { granted, left, endsMs }: Grant): void {
  // An answer of a window before: what it gave is not used.
  if (share.pool !== null && endsMs < share.endsMs) return
  const isSame = share.pool !== null && endsMs === share.endsMs
  if (!isSame) Object.assign(share, { endsMs, left: 0, pool: null })
  // What was let in meanwhile is paid for with it.
  const paid = Math.min(granted, share.untold)
  share.untold -= paid
  share.left += granted - paid
  share.granted = granted
  share.pool = Math.min(share.pool ?? left, left)
}

function answer(share: Share, { quota, windowS }: Counted, nowMs: number, ok: boolean): Take {
  const known = share.pool === null ? quota - share.taken : share.left + share.pool
  return { ok, quota, left: ok ? Math.max(0, known) : 0, windowS, resetS: secondsUntil(share.endsMs, nowMs) }
}
