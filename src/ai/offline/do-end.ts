import { taskFollows } from './clauses.ts'
import { asTask, record, text as textOf } from './conversation.ts'
import { missedText, nextOf } from './do-change.ts'
import { doCreate } from './do-create.ts'
import type { Draft, Outcome, Result, Script, Target, Task, World } from './intent.ts'
import { resolve } from './resolve.ts'
import { quote, titles, trouble, whenText } from './say.ts'
import { sentence } from './words.ts'

type Ending = { kind: 'complete' | 'reopen' | 'delete'; target: Target; orCreate?: Draft }
const TOOL = { complete: 'complete_task', reopen: 'reopen_task', delete: 'delete_task' } as const
const SAID = { complete: 'Done:', reopen: 'Reopened', delete: 'Deleted' } as const
const VERB = { complete: 'complete', reopen: 'reopen', delete: 'delete' } as const

/** "reschedule the dentist": to when? */
export function* doAskWhen(intent: { kind: 'ask-when'; target: Target }, world: World): Script {
  const found = yield* resolve(intent.target, 'open', world)
  if (!found.ok)
    return found.which ? { text: found.text, ask: { kind: 'which', tasks: found.which, intent } } : { text: found.text }
  const [task] = found.tasks
  if (!task) return { text: 'Which task do you mean?' }
  return {
    text: `When should ${quote(task.title)} be${task.due ? ` (now ${whenText(task.due, world.clock)})` : ''}?`,
    listed: [task],
    ask: { kind: 'when', task, remind: false },
  }
}

export function* doEnd(intent: Ending, world: World): Script {
  const everything = intent.target.kind === 'set'
  const finding = intent.kind === 'reopen' ? 'closed' : intent.kind === 'delete' ? 'any' : 'open'
  const preferOpen = intent.orCreate ? 'sure' : intent.kind === 'delete' && !everything ? 'open' : finding
  let found = yield* resolve(intent.target, preferOpen, world)
  if (!found.ok && found.missing && intent.orCreate) return yield* doCreate(intent.orCreate, world)
  if (!found.ok && found.missing && intent.kind === 'delete') found = yield* resolve(intent.target, 'any', world)
  if (!found.ok)
    return found.which ? { text: found.text, ask: { kind: 'which', tasks: found.which, intent } } : { text: found.text }
  const results = yield found.tasks.map((task) => ({ name: TOOL[intent.kind], input: { id: task.id } }))
  const outcome = summary(intent.kind, results, found.tasks, world)
  const fresh = found.missed.find(taskFollows)
  if (!fresh) return { ...outcome, text: outcome.text + missedText(found.missed) }
  const draft: Draft = { title: sentence(fresh), remind: false }
  const text = `${outcome.text}${missedText(found.missed)} Shall I add ${quote(draft.title)} as a new task?`
  return { ...outcome, text, ask: { kind: 'offer', intent: { kind: 'create', draft } } }
}

function summary(kind: Ending['kind'], results: Result[], tasks: Task[], world: World): Outcome {
  const good = tasks.filter((_, i) => results[i]?.ok)
  const declined = tasks.filter((_, i) => isCode(results[i], 'declined'))
  const waiting = tasks.filter((_, i) => waits(results[i]))
  const failed = tasks.filter((task) => !good.includes(task) && !declined.includes(task) && !waiting.includes(task))
  const parts: string[] = []
  if (good.length > 0) parts.push(`${SAID[kind]} ${titles(named(good, results))}.`)
  if (kind === 'complete') parts.push(...upcoming(results, world))
  if (declined.length > 0) parts.push(`Okay, I kept ${titles(declined)}; nothing was deleted.`)
  if (waiting.length > 0) parts.push(`I need your yes before I ${VERB[kind]} ${titles(waiting)}. Shall I?`)
  const bad = results.find((r) => !r.ok && r.code !== 'declined' && !waits(r))
  if (failed.length > 0) parts.push(`I couldn't ${VERB[kind]} ${titles(failed)}: ${bad ? trouble(bad) : 'no answer'}.`)
  const written = results.flatMap((r) => (r.ok ? (asTask(record(r.output).task) ?? asTask(r.output) ?? []) : []))
  return { text: parts.join(' '), written: kind === 'delete' ? [] : written, wrote: good.length > 0 }
}

const isCode = (result: Result | undefined, code: string) => result !== undefined && !result.ok && result.code === code
export const waits = (result: Result | undefined) =>
  result !== undefined && !result.ok && /confirm|approval|pending/i.test(result.code)

/** The titles as the tool gave them back, where it did. */
function named(tasks: Task[], results: Result[]): { title: string }[] {
  const told = new Map<string, string>()
  for (const r of results) {
    if (!r.ok) continue
    const output = record(r.output)
    const task = asTask(output.task) ?? asTask(output)
    const id = task?.id ?? textOf(output.id)
    if (task?.title || textOf(output.title)) told.set(id, task?.title ?? textOf(output.title))
  }
  return tasks.map((task) => ({ title: told.get(task.id) ?? task.title }))
}

function upcoming(results: Result[], world: World): string[] {
  return results.flatMap((r) => {
    const next = r.ok ? nextOf(r.output) : undefined
    return next?.due ? [`Next ${quote(next.title)}: ${whenText(next.due, world.clock)}.`] : []
  })
}
