import { loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { curveOf, type Month } from './audit.ts'
import { DEAF, SABOTAGES } from './sabotages.ts'
import { type MonthOptions, simulateMonth } from './simulate.ts'

const percent = (share: number) => `${(share * 100).toFixed(1)} %`
const listed = (counts: [string, number][]) => counts.map(([name, n]) => `${name} ${n}`).join(', ')

/** The curve rises from week to week: what the month is about, over the promises of each day. */
export function falls(month: Pick<Month, 'weeks'>): string[] {
  const curve = curveOf(month)
  return curve.flatMap((share, n) => {
    const before = curve[n - 1]
    const week = `${n + 1}`
    return before !== undefined && share <= before
      ? [`week ${week} has ${percent(share)} of what is liked, the week before ${percent(before)}`]
      : []
  })
}

function print(month: Month): void {
  const { reminders, suggestions } = month
  const { expected, missed, twice, unasked, p50, max } = reminders
  const [none = 0, ...days] = suggestions.perDay
  console.log(`${month.people} people, ${month.days} days by a clock that is set, ${month.engine}, ${Math.round(month.wallS)} s
events       ${month.events} (${listed(month.byFamily)}), ${month.delivered} messages, ${month.runs} runs
reminders    ${expected} expected, ${missed} missed, ${twice} twice, ${unasked} unasked; late p50 ${p50} ms, at most ${max} ms (the alarm itself up to 900)
duplicates   ${month.repeated}
model calls  ${month.modelCalls}, without a new fact ${month.oldCalls}
suggestions  ${suggestions.offered} offered; person-days with 0: ${none}, ${days.map((n, i) => `${i + 1}: ${n}`).join(', ')} (most 8); open at once at most ${suggestions.mostOpen} (3); too soon ${suggestions.tooSoon}
not said     ${listed(suggestions.withheld)}
liked        ${month.weeks.map(({ week, days: d, liked, offered }) => `week ${week}${d < 7 ? ` (${d} days)` : ''} ${percent(liked / Math.max(1, offered))} of ${offered}`).join(', ')}`)
}

async function tell(name: string, options: MonthOptions): Promise<Month> {
  console.log(`\n${name}, load ${loadavg()[0]?.toFixed(1)}`)
  const month = await simulateMonth({ ...options, onDay: (day) => void process.stderr.write(`day ${day + 1}\r`) })
  print(month)
  return month
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      people: { type: 'string', default: '200' },
      days: { type: 'string', default: '30' },
      seed: { type: 'string', default: '20261012' },
      /** The same month without learning, beside it. */
      control: { type: 'boolean', default: false },
      sabotage: { type: 'boolean', default: false },
      pglite: { type: 'boolean', default: false },
    },
  })
  const options = {
    ...{ people: Number(values.people), days: Number(values.days), seed: Number(values.seed) },
    isSmall: values.pglite,
  }
  if (values.sabotage) {
    for (const [name, changes] of Object.entries(SABOTAGES)) {
      const month = await simulateMonth({ ...options, changes })
      const found = [...month.violations, ...falls(month)]
      console.log(`${found.length > 0 ? '✓' : '✗'} sabotaged: ${name}\n    ${found[0] ?? 'not noticed'}`)
      if (found.length === 0) process.exitCode = 1
    }
  } else {
    const month = await tell('As it is', options)
    const found = [...month.violations, ...falls(month)]
    if (values.control) {
      const deaf = await tell('The same month with learning off', { ...options, changes: DEAF })
      const [last, other] = [curveOf(month).at(-1) ?? 0, curveOf(deaf).at(-1) ?? 0]
      console.log(
        `\nlast whole week: ${percent(last)} liked, ${percent(other)} without learning, ${(last / other).toFixed(2)} of it`,
      )
    }
    for (const violation of found) console.log(`✗ ${violation}`)
    console.log(`\nmonth: ${month.events} events, ${found.length} violations, seed ${options.seed}`)
    if (found.length > 0) process.exitCode = 1
  }
}
