import { asTask, record, resultsOf, type Turn, tasksOf } from './conversation.ts'
import type { Intent, Outcome, State, Task } from './intent.ts'

export const NOTHING: State = { focus: [], focusIs: 'none', wrote: false }

/** What is spoken of after a turn that was played. */
export function stateAfter(outcomes: Outcome[], before: State, intents: Intent[]): State {
  const written = outcomes.flatMap((o) => o.written ?? [])
  const listed = outcomes.flatMap((o) => o.listed ?? [])
  const wrote = outcomes.some((o) => o.wrote)
  const ask = outcomes.find((o) => o.ask)?.ask
  const query = intents.find((i) => i.kind === 'find')
  const projectId = outcomes.find((o) => o.projectId)?.projectId
  const shown = before.focusIs === 'listed' ? before.focus : before.list
  // "The third one" is of the list that was read out, also once another of it was moved.
  const list = listed.length > 0 || written.length > 1 ? undefined : shown?.map((task) => newest(task, written))
  // A correction of what was no task is about no task.
  const focusIs = wrote ? 'none' : before.focusIs
  return {
    ...(written.length > 0
      ? { focus: written, focusIs: 'written' }
      : listed.length > 0
        ? { focus: listed, focusIs: 'listed' }
        : { focus: before.focus, focusIs }),
    wrote,
    ...(list && focusIs !== 'listed' ? { list } : {}),
    ...(ask ? { ask } : {}),
    ...(query ? { query } : {}),
    ...(projectId ? { projectId } : {}),
  }
}

const newest = (task: Task, written: Task[]) => written.find(({ id }) => id === task.id) ?? task

/** What tools gave back in a turn we did not lead (another model answered it). */
export function stateSeen(turn: Turn, before: State): State {
  const changed: Task[] = []
  let listed: Task[] = []
  let wrote = false
  for (const step of turn.steps) {
    resultsOf(step).forEach((result, i) => {
      const name = step.calls[i]?.name ?? ''
      if (!result.ok) return
      if (name === 'find_tasks') listed = tasksOf(result.output)
      else if (/^(?:create|update|complete|reopen)_task$/.test(name))
        changed.push(...[asTask(record(result.output).task) ?? asTask(result.output) ?? []].flat())
      if (!/^(?:find|list|get|search)_|insights/.test(name)) wrote = true
    })
  }
  if (changed.length > 0) return { focus: changed, focusIs: 'written', wrote }
  if (listed.length > 0) return { focus: listed, focusIs: 'listed', wrote }
  const { ask: _, ...rest } = before
  return { ...rest, wrote }
}
