import type { LimitClass } from '#core'

type Quota = { quota: number; windowS: number }

/** How many calls of a class one caller may make in a window; the whole policy is this table. */
const LIMITS: Record<LimitClass, Quota> = {
  public: { quota: 300, windowS: 60 },
  signin: { quota: 20, windowS: 60 },
  read: { quota: 600, windowS: 60 },
  write: { quota: 240, windowS: 60 },
  ai: { quota: 40, windowS: 60 },
}

const MAX_CALLERS = 20_000
type Window = { startedMs: number; used: number }
const windows = new Map<string, Window>()

/** `resetS` is whole seconds, rounded up, until the window ends. */
export type Take = { ok: boolean; quota: number; left: number; windowS: number; resetS: number }

/**
 * Counts one call. Exact within one isolate, so an upper bound is quota × isolates: enough against a
 * runaway client; what must be exact for a person is kept in their Durable Object.
 */
export function takeLimit(limit: LimitClass, caller: string, now: Date, factor: number): Take {
  const { quota, windowS } = LIMITS[limit]
  return takeQuota(`${limit}:${caller}`, { quota: quota * factor, windowS }, now)
}

/** The same for a quota that is no class's: `key` says whose and of what. */
export function takeQuota(key: string, { quota, windowS }: Quota, now: Date): Take {
  const nowMs = now.getTime()
  let window = windows.get(key)
  if (!window || nowMs - window.startedMs >= windowS * 1000 || nowMs < window.startedMs) {
    window = { startedMs: nowMs, used: 0 }
    windows.delete(key)
    windows.set(key, window)
    if (windows.size > MAX_CALLERS) forgetOldest()
  }
  const ok = window.used < quota
  if (ok) window.used++
  const resetS = Math.max(1, Math.ceil((window.startedMs + windowS * 1000 - nowMs) / 1000))
  return { ok, quota, left: quota - window.used, windowS, resetS }
}

function forgetOldest(): void {
  const oldest = windows.keys().next()
  if (!oldest.done) windows.delete(oldest.value)
}

/** Whose calls an address's calls are counted with: an IPv6 subscriber has a whole /64 to call from. */
export function networkOf(address: string): string {
  if (!address.includes(':')) return address
  const [head = '', tail = ''] = address.split('::', 2)
  const left = head.split(':').filter(Boolean)
  const right = address.includes('::') ? tail.split(':').filter(Boolean) : []
  const zeros = Array.from({ length: Math.max(0, 8 - left.length - right.length) }, () => '0')
  const groups = [...left, ...(address.includes('::') ? zeros : []), ...right]
  return `${groups
    .slice(0, 4)
    .map((group) => group.toLowerCase().replace(/^0+(?=.)/, ''))
    .join(':')}::/64`
}
