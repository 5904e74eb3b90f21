import type { LimitClass } from '#core'

export type Quota = { quota: number; windowS: number }
/**
 * Who counts the calls of a signed-in person: their Steward, each before it is let in (`exact`); their Steward, in
 * shares that isolates spend without asking (`shared`); or the isolate alone.
 */
type Rule = Quota & { counted: 'exact' | 'shared' | 'isolate' }

/** How many calls of a class one caller may make in a window; the whole policy is this table. */
export const LIMITS: Record<LimitClass | 'guess', Rule> = {
  // Of nobody known: by network.
  public: { quota: 300, windowS: 60, counted: 'isolate' },
  signin: { quota: 60, windowS: 60, counted: 'isolate' },
  // At one secret of one person, by network too: who guesses from elsewhere locks nobody out.
  guess: { quota: 20, windowS: 60, counted: 'isolate' },
  read: { quota: 600, windowS: 60, counted: 'shared' },
  write: { quota: 240, windowS: 60, counted: 'shared' },
  ai: { quota: 40, windowS: 60, counted: 'exact' },
  export: { quota: 5, windowS: 3600, counted: 'exact' },
}

const MAX_CALLERS = 20_000
type Window = { startedMs: number; used: number }
const windows = new Map<string, Window>()

/** `resetS` is whole seconds, rounded up, until the window ends. */
export type Take = { ok: boolean; quota: number; left: number; windowS: number; resetS: number }

/** Counts one call in this isolate alone: of whoever is not signed in, whom no object keeps. */
export function takeLimit(limit: keyof typeof LIMITS, caller: string, now: Date, factor: number): Take {
  const { quota, windowS } = LIMITS[limit]
  return takeQuota(`${limit}:${caller}`, { quota: quota * factor, windowS }, now)
}

/** The same for a quota of its own, outside the table. */
export function takeQuota(key: string, { quota, windowS }: Quota, now: Date): Take {
  const nowMs = now.getTime()
  let window = windows.get(key)
  if (!window || nowMs - window.startedMs >= windowS * 1000 || nowMs < window.startedMs) {
    window = { startedMs: nowMs, used: 0 }
    keepNewest(windows, key, window, MAX_CALLERS)
  }
  const ok = window.used < quota
  if (ok) window.used++
  const resetS = secondsUntil(window.startedMs + windowS * 1000, nowMs)
  return { ok, quota, left: quota - window.used, windowS, resetS }
}

export const secondsUntil = (endsMs: number, nowMs: number) => Math.max(1, Math.ceil((endsMs - nowMs) / 1000))

/** Sets it as the newest, and forgets the oldest of too many. */
export function keepNewest<V>(map: Map<string, V>, key: string, value: V, most: number): void {
  map.delete(key)
  map.set(key, value)
  if (map.size <= most) return
  const oldest = map.keys().next()
  if (!oldest.done) map.delete(oldest.value)
}

/** Whose calls an address's calls are counted with: an IPv6 subscriber has a whole /64 to call from. */
export function networkOf(address: string): string {
  return address.includes(':') ? `${groupsOf(address, 4)}::/64` : address
}

/** The range an address is in, whoever holds it: its /24, or of IPv6 its /48. */
export function rangeOf(address: string): string {
  return address.includes(':') ? `${groupsOf(address, 3)}::/48` : `${address.split('.').slice(0, 3).join('.')}.0/24`
}

function groupsOf(address: string, count: number): string {
  const [head = '', tail = ''] = address.split('::', 2)
  const left = head.split(':').filter(Boolean)
  const right = address.includes('::') ? tail.split(':').filter(Boolean) : []
  const zeros = Array.from({ length: Math.max(0, 8 - left.length - right.length) }, () => '0')
  const groups = [...left, ...(address.includes('::') ? zeros : []), ...right]
  return groups
    .slice(0, count)
    .map((group) => group.toLowerCase().replace(/^0+(?=.)/, ''))
    .join(':')
}
