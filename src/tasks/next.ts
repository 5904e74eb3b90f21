import { nextOccurrence, type s, type UserCtx } from '#core'
import type { Draft } from './create.ts'
import { toMomentInput } from './row.ts'
import type { Task } from './schema.ts'

const DAY_MS = 86_400_000

/** A draft that is made only if the task it `completes` is completed by the same statement. */
export type NextDraft = Draft & { completes: string }

/** The next occurrence of a task with its subtasks, as new tasks; none when the recurrence has ended. */
export function draftNext(ctx: Pick<UserCtx, 'now' | 'newId'>, task: Task, subtasks: Task[]): NextDraft[] {
  if (!task.recurrence || !task.due) return []
  const next = nextOccurrence(task.recurrence, task.due, ctx.now())
  if (!next) return []
  const days = (Date.parse(next.date) - Date.parse(task.due.date)) / DAY_MS
  const id = ctx.newId('task')
  const first: NextDraft = {
    ...copy(task, days),
    n: 0,
    id,
    completes: task.id,
    followsId: task.id,
    parentId: task.parentId,
    recurrence: next.rule,
  }
  const below = subtasks.map((subtask, i) => ({
    ...copy(subtask, days),
    n: i + 1,
    id: ctx.newId('task'),
    completes: task.id,
    parentId: id,
  }))
  return [first, ...below]
}

// What was planned comes again; what was done, how long it took, and where it came from does not.
function copy(task: Task, days: number) {
  const { title, notes, priority, labels, projectId, estimateMinutes, position, tainted } = task
  return {
    title,
    notes,
    priority,
    labels,
    projectId,
    estimateMinutes,
    position,
    tainted,
    start: shifted(task.start, days),
    due: shifted(task.due, days),
    remindAt: shifted(task.remindAt, days),
  }
}

function shifted(moment: s.Moment | null, days: number): s.MomentInput | null {
  const given = toMomentInput(moment)
  return given && { ...given, date: new Date(Date.parse(given.date) + days * DAY_MS).toISOString().slice(0, 10) }
}
