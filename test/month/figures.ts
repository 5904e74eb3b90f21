const ON_TIME_MS = 1000
const MOST_A_DAY = 8
const MOST_OPEN = 3
// By then somebody has dismissed a kind often enough.
const LEARNS_WITHIN_DAYS = 14
// What chance alone may take from a week.
const ERRORS = 2

export type Counts = Record<string, number>
export type Week = { week: number; days: number; offered: number; liked: number }
/** What came of a month. `perDay`: how many person-days had so many suggestions. `late`: milliseconds by that clock. */
export type Month = {
  engine: string
  people: number
  days: number
  wallS: number
  events: Counts
  undispatched: number
  delivered: number
  runs: number
  failedRuns: number
  reminders: { expected: number; missed: number; twice: number; unasked: number; late: number[] }
  repeated: number
  modelCalls: number
  oldCalls: number
  suggestions: { offered: number; perDay: number[]; mostOpen: number; tooSoon: number; withheld: Counts }
  weeks: Week[]
  trouble: string[]
}

export const total = (counts: Counts): number => Object.values(counts).reduce((sum, n) => sum + n, 0)

/** Each figure of several months of other people: counts are added, what is the most is the most of all. */
export function merged(months: Month[]): Month {
  return months.reduce((a, b) => ({
    ...{ engine: a.engine, days: a.days, people: a.people + b.people, wallS: Math.max(a.wallS, b.wallS) },
    events: added(a.events, b.events),
    undispatched: a.undispatched + b.undispatched,
    ...{ delivered: a.delivered + b.delivered, runs: a.runs + b.runs, repeated: a.repeated + b.repeated },
    failedRuns: a.failedRuns + b.failedRuns,
    reminders: {
      expected: a.reminders.expected + b.reminders.expected,
      missed: a.reminders.missed + b.reminders.missed,
      twice: a.reminders.twice + b.reminders.twice,
      unasked: a.reminders.unasked + b.reminders.unasked,
      late: [...a.reminders.late, ...b.reminders.late],
    },
    ...{ modelCalls: a.modelCalls + b.modelCalls, oldCalls: a.oldCalls + b.oldCalls },
    suggestions: {
      offered: a.suggestions.offered + b.suggestions.offered,
      perDay: longer(a.suggestions.perDay, b.suggestions.perDay).map(
        (_, n) => (a.suggestions.perDay[n] ?? 0) + (b.suggestions.perDay[n] ?? 0),
      ),
      mostOpen: Math.max(a.suggestions.mostOpen, b.suggestions.mostOpen),
      tooSoon: a.suggestions.tooSoon + b.suggestions.tooSoon,
      withheld: added(a.suggestions.withheld, b.suggestions.withheld),
    },
    weeks: a.weeks.map((week, n) => ({
      ...week,
      offered: week.offered + (b.weeks[n]?.offered ?? 0),
      liked: week.liked + (b.weeks[n]?.liked ?? 0),
    })),
    trouble: [...a.trouble, ...b.trouble],
  }))
}

const longer = (a: number[], b: number[]) => (a.length > b.length ? a : b)

function added(a: Counts, b: Counts): Counts {
  const names = new Set([...Object.keys(a), ...Object.keys(b)])
  return Object.fromEntries([...names].map((name) => [name, (a[name] ?? 0) + (b[name] ?? 0)]))
}

/** How late half of the reminders were, and the latest (or the earliest, if that is further off). */
export function lateness({ reminders: { late } }: Month): { p50: number; max: number } {
  const sorted = late.toSorted((a, b) => a - b)
  return { p50: sorted[Math.floor(sorted.length / 2)] ?? 0, max: Math.max(0, ...sorted.slice(-1), -(sorted[0] ?? 0)) }
}

/** What was promised of every day and is not so. */
export function violationsOf(month: Month): string[] {
  const { reminders, suggestions, trouble } = month
  const { max } = lateness(month)
  const mostADay = suggestions.perDay.length - 1
  const broken: [boolean, string][] = [
    [reminders.missed > 0, `${reminders.missed} reminders were missed`],
    [reminders.twice > 0, `${reminders.twice} reminders were given twice`],
    [reminders.unasked > 0, `${reminders.unasked} reminders were given that nobody expected`],
    [max > ON_TIME_MS, `a reminder was ${max} ms off`],
    [month.repeated > 0, `${month.repeated} notifications were told or sent twice`],
    [month.oldCalls > 0, `a model was asked ${month.oldCalls} times without a new fact`],
    [month.modelCalls === 0, 'no model was ever asked'],
    [mostADay > MOST_A_DAY, `somebody was offered ${mostADay} in a day`],
    [suggestions.mostOpen > MOST_OPEN, `somebody had ${suggestions.mostOpen} open at once`],
    [suggestions.tooSoon > 0, `${suggestions.tooSoon} of a kind came before it had rested`],
    [month.failedRuns > 0, `${month.failedRuns} runs failed`],
    [
      month.days >= LEARNS_WITHIN_DAYS && !suggestions.withheld['learned'],
      'nothing was kept back for what was learned',
    ],
    [month.undispatched > 0, `${month.undispatched} events were never dispatched`],
    [trouble.length > 0, `${trouble.length} troubles: ${[...new Set(trouble)].slice(0, 2).join(' | ').slice(0, 600)}`],
  ]
  return broken.flatMap(([is, what]) => (is ? [what] : []))
}

const shareOf = ({ liked, offered }: Week) => (offered === 0 ? 0 : liked / offered)

/** The share of what its person likes in what was offered, by whole weeks. */
export const curveOf = ({ weeks }: Month): number[] => weeks.filter(({ days }) => days === 7).map(shareOf)

export const percent = (share: number) => `${(share * 100).toFixed(1)} %`

/** Where the curve does not rise: a week under the one before it by more than chance, or the last not over the first. */
export function fallsOf(month: Month): string[] {
  const whole = month.weeks.filter(({ days }) => days === 7)
  const falls = whole.flatMap((week, n) => {
    const before = whole[n - 1]
    if (!before) return []
    const [now, then] = [shareOf(week), shareOf(before)]
    const error = Math.sqrt((now * (1 - now)) / week.offered + (then * (1 - then)) / before.offered)
    return now < then - ERRORS * error
      ? [`week ${week.week} has ${percent(now)} that are liked, after ${percent(then)}`]
      : []
  })
  const [first, last] = [whole[0], whole.at(-1)]
  if (!first || !last || first === last) return falls
  const error = Math.sqrt((shareOf(first) * (1 - shareOf(first))) / first.offered + 1 / (4 * last.offered))
  const isHigher = shareOf(last) > shareOf(first) + ERRORS * error
  return isHigher
    ? falls
    : [...falls, `the last week has ${percent(shareOf(last))} that are liked, the first ${percent(shareOf(first))}`]
}
