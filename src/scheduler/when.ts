import { cronTimes, nextOccurrence, wallMs } from '#core'
import { When } from './schema.ts'

const MINUTE_MS = 60_000
const MAX_TIMES = 100

/** The zone that is meant, where one is said. */
const zoneOf = (when: When): string | undefined => (when.kind === 'at' && when.at.timeZone) || when.timeZone

/** Why this is not a `When`, in words and with the place; null when it is one. */
export function whenProblem(when: unknown): string | null {
  const [issue] = When.safeParse(when).error?.issues ?? []
  return issue ? `/${issue.path.join('/')}: ${issue.message}` : null
}

/**
 * The next `count` times, 100 at most, strictly after `after`; fewer where it ends. A wall clock that a day leaves out is
 * taken after the jump, of two the first; docs/decisions/0052 says what of a cron of every hour. UTC where no zone is said.
 */
export function nextTimes(when: When, after: Date, count: number): Date[] {
  const most = Math.min(count, MAX_TIMES)
  const zone = zoneOf(when) ?? 'UTC'
  switch (when.kind) {
    case 'at':
      return [new Date(wallMs({ ...when.at, timeZone: zone }))].filter((at) => at > after).slice(0, most)
    case 'every':
      return everyTimes(when, after, most)
    case 'cron':
      return cronTimes(when.cron, zone, after, most)
    case 'rrule':
      return ruleTimes(when, zone, after, most)
  }
}

function everyTimes({ minutes, from }: Extract<When, { kind: 'every' }>, after: Date, count: number): Date[] {
  const [first, step] = [from === undefined ? 0 : Date.parse(from), minutes * MINUTE_MS]
  const passed = Math.floor((after.getTime() - first) / step) + 1
  const next = from === undefined ? passed : Math.max(0, passed)
  return Array.from({ length: count }, (_, n) => new Date(first + (next + n) * step))
}

function ruleTimes(when: Extract<When, { kind: 'rrule' }>, timeZone: string, after: Date, count: number): Date[] {
  const times: Date[] = []
  const instantOf = (date: string) => new Date(wallMs({ date, time: when.start.time, timeZone }))
  // The start is the first of them, whether or not the rule would fall on it (RFC 5545, 3.8.2.4).
  let next: { date: string; rule: string } | null = { date: when.start.date, rule: when.rrule }
  if (instantOf(next.date) <= after) next = nextOccurrence(next.rule, { ...when.start, timeZone }, after)
  while (next && times.length < count) {
    const at = instantOf(next.date)
    times.push(at)
    next = nextOccurrence(next.rule, { date: next.date, time: when.start.time, timeZone }, at)
  }
  return times
}
