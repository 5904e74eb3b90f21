import { type Known, knownIn, lineOf } from './do-calendar.ts'
import { doFind } from './do-find.ts'
import type { Days, Intent, Script, World } from './intent.ts'
import { PARTS } from './lexicon.ts'
import { plural, trouble } from './say.ts'

/** What is due and what is in the calendar in the same days, in one answer. */
export function* doDay(find: Extract<Intent, { kind: 'find' }>, days: Days, world: World): Script {
  const { from, to, part } = days
  const tasks = doFind(find, world)
  let step = tasks.next()
  const asked = step.done ? [] : step.value
  const results = yield [...asked, { name: 'list_events', input: { from, to, limit: 50 } }]
  step = tasks.next(results.slice(0, asked.length))
  while (!step.done) step = tasks.next(yield step.value)
  const { text: due, ...outcome } = step.value
  const result = results.at(asked.length)
  if (!result?.ok)
    return { ...outcome, text: `${due}\nI couldn't read your calendar: ${result ? trouble(result) : 'no answer'}.` }
  const met = knownIn(result).filter((event) => part === undefined || isIn(event, part))
  const hasTasks = (outcome.listed?.length ?? 0) > 0
  if (met.length === 0) return { ...outcome, text: `${due}${hasTasks ? '\n' : ' '}Nothing is in your calendar then.` }
  const name = `${find.title}${part === undefined || find.title.includes(part) ? '' : ` ${part}`}`
  const events = `${plural(met.length, 'event')} ${name}:\n${met.map((event) => lineOf(event, world)).join('\n')}`
  return { ...outcome, text: `${events}\n${hasTasks ? due : 'No task is due then.'}` }
}

/** Whether it touches "afternoon"; what has no hours of one day does. */
function isIn({ from, to }: Known, part: string): boolean {
  const hours = PARTS[part === 'tonight' ? 'night' : part]
  if (!hours || from === '' || to <= from) return true
  const clock = (hour: number) => `${hour}`.padStart(2, '0')
  return from < `${clock(hours.to)}:00` && to > `${clock(hours.from)}:00`
}
