import { fork } from 'node:child_process'
import { loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import type { Sabotage } from '../proofs/sabotage.ts'
import { type Counts, curveOf, fallsOf, lateness, type Month, merged, percent, total, violationsOf } from './figures.ts'
import { DEAF, SABOTAGES } from './sabotages.ts'
import { type MonthOptions, simulateMonth } from './simulate.ts'

type Asked = Omit<MonthOptions, 'onDay'>

const listed = (counts: Counts) =>
  Object.entries(counts)
    .map(([name, n]) => `${name} ${n}`)
    .join(', ')

function print(month: Month): void {
  const { reminders, suggestions, events, weeks } = month
  const { p50, max } = lateness(month)
  const days = suggestions.perDay.map((n, offered) => `${offered}: ${n}`).join(', ')
  const curve = weeks.map(({ week, days: d, liked, offered }) => {
    return `week ${week}${d < 7 ? ` (${d} days)` : ''} ${percent(liked / Math.max(1, offered))} of ${offered}`
  })
  console.log(`${month.people} people, ${month.days} days by a clock that is set, ${month.engine}, ${Math.round(month.wallS)} s
events       ${total(events)} (${listed(events)}), ${month.delivered} messages, ${month.runs} runs, ${month.failedRuns} failed
reminders    ${reminders.expected} expected, ${reminders.missed} missed, ${reminders.twice} twice, ${reminders.unasked} unasked; late p50 ${p50} ms, at most ${max} ms (the alarm itself up to 900)
duplicates   ${month.repeated}
model calls  ${month.modelCalls}, without a new fact ${month.oldCalls}
suggestions  ${suggestions.offered} offered; person-days by how many of them (most 8): ${days}; open at once at most ${suggestions.mostOpen} (3); too soon ${suggestions.tooSoon}
not said     ${listed(suggestions.withheld)}
liked        ${curve.join(', ')}`)
}

/** The people are shared out among processes: none of them knows of another. */
async function live(asked: Asked, processes: number): Promise<Month> {
  const shares = Array.from({ length: processes }, (_, n): Asked => {
    const people = Math.floor(asked.people / processes) + (n < asked.people % processes ? 1 : 0)
    return { ...asked, people, seed: asked.seed + n }
  })
  return merged(await Promise.all(shares.filter(({ people }) => people > 0).map(elsewhere)))
}

function elsewhere(asked: Asked): Promise<Month> {
  return new Promise((resolve, reject) => {
    const child = fork(import.meta.filename, ['--child'])
    let month: Month | undefined
    child.once('message', (told: Month) => {
      month = told
    })
    child.once('exit', (code) => (month ? resolve(month) : reject(new Error(`a process ended with ${code}`))))
    child.send(asked)
  })
}

async function tell(name: string, asked: Asked, processes: number, changes: Sabotage[] = []): Promise<Month> {
  console.log(`\n${name}, load ${loadavg()[0]?.toFixed(1)}`)
  const month = await live({ ...asked, changes }, processes)
  print(month)
  return month
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      people: { type: 'string', default: '200' },
      days: { type: 'string', default: '30' },
      seed: { type: 'string', default: '20261012' },
      processes: { type: 'string', default: '2' },
      /** Also, or only, the same people without learning. */
      control: { type: 'boolean', default: false },
      deaf: { type: 'boolean', default: false },
      sabotage: { type: 'boolean', default: false },
      pglite: { type: 'boolean', default: false },
    },
  })
  const processes = Number(values.processes)
  const numbers = { people: Number(values.people), days: Number(values.days), seed: Number(values.seed) }
  const asked: Asked = { ...numbers, isSmall: values.pglite }
  if (values.sabotage) {
    for (const [name, changes] of Object.entries(SABOTAGES)) {
      const month = await live({ ...asked, changes }, processes)
      const found = [...violationsOf(month), ...fallsOf(month)]
      console.log(`${found.length > 0 ? '✓' : '✗'} sabotaged: ${name}\n    ${found[0] ?? 'not noticed'}`)
      if (found.length === 0) process.exitCode = 1
    }
    return
  }
  const month = await tell('The month', asked, processes, values.deaf ? DEAF : [])
  if (values.control) {
    const deaf = await tell('The same people with learning off', asked, processes, DEAF)
    const [last, other] = [curveOf(month).at(-1) ?? 0, curveOf(deaf).at(-1) ?? 0]
    console.log(
      `\nlast whole week: ${percent(last)} liked; ${percent(other)} without learning, ${(last / other).toFixed(2)} times`,
    )
  }
  const found = [...violationsOf(month), ...fallsOf(month)]
  for (const violation of found) console.log(`✗ ${violation}`)
  console.log(`\nmonth: ${total(month.events)} events, ${found.length} violations, seed ${asked.seed}`)
  if (found.length > 0) process.exitCode = 1
}

if (process.argv.includes('--child'))
  process.once('message', async (asked: Asked) => {
    const onDay = (day: number) => void process.stderr.write(`day ${day + 1}\n`)
    const month = await simulateMonth({ ...asked, onDay })
    process.send?.(month, () => process.exit(0))
  })
else if (import.meta.main) await main()
