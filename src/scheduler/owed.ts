import type { When } from './schema.ts'
import { nextTimes } from './when.ts'

const HOUR_MS = 3600_000
// A sweep and a slow alarm are no outage: what is later than this was missed.
const MISSED_AFTER_MS = 5 * 60_000
const MAX_CAUGHT_UP = 100
const PAGE = 100

export type Owed = { at: Date; status: 'waiting' | 'missed'; missed: number }

/**
 * The runs that are owed for the times from `since` to `now`, by the policy; one that is due a moment early counts. Of
 * more than a hundred times the last hundred.
 */
export function owedRuns(when: When, policy: 'skip' | 'once' | 'all', since: Date, now: Date): Owed[] {
  const times = dueTimes(when, since.getTime(), Math.max(since.getTime(), now.getTime()))
  const last = times.at(-1)
  if (!last) return []
  if (policy === 'all') return times.map((at) => ({ at, status: 'waiting', missed: 0 }))
  const isLate = now.getTime() - last.getTime() > MISSED_AFTER_MS
  return [{ at: last, status: policy === 'skip' && isLate ? 'missed' : 'waiting', missed: times.length - 1 }]
}

// The window doubles: of a year of minutes only the last hundred are looked at.
function dueTimes(when: When, sinceMs: number, toMs: number): Date[] {
  for (let ms = HOUR_MS; ; ms *= 2) {
    const fromMs = Math.max(sinceMs, toMs - ms)
    const times = timesBetween(when, fromMs, toMs)
    if (times.length >= MAX_CAUGHT_UP || fromMs === sinceMs) return times.slice(-MAX_CAUGHT_UP)
  }
}

function timesBetween(when: When, fromMs: number, toMs: number): Date[] {
  const times: Date[] = []
  for (let after = new Date(fromMs - 1); ; ) {
    const page = nextTimes(when, after, PAGE)
    times.push(...page.filter((at) => at.getTime() <= toMs))
    const last = page.at(-1)
    if (!last || last.getTime() > toMs || page.length < PAGE) return times
    after = last
  }
}
