import { sql } from 'drizzle-orm'
import { AppError, type ErrorCode } from '#core'

const PROBLEMS = {
  missing: ['not_found', 'There is no such task', 'id'],
  stale: ['version_stale', 'The task has changed since you read it', 'version'],
  project: ['invalid_request', 'There is no such project', 'projectId'],
  parent: ['invalid_request', 'There is no such task, or one of the two is a subtask or has some', 'parentId'],
  due: ['invalid_request', 'A recurrence needs a due', 'recurrence'],
  completed: ['conflict', 'A completed task is reopened first', 'status'],
  cancelled: ['conflict', 'A cancelled task is reopened first', 'status'],
} as const satisfies Record<string, readonly [ErrorCode, string, string]>

export type Problem = keyof typeof PROBLEMS
/** Nothing was done, and the next try may: the task has changed since the statement began. */
export type Moved = 'moved'

/** Where in the request a field of the nth item is. */
export type PointerOf = (n: number, field: string) => string

/** Throws what was wrong with the items, all at once; the first one gives the code. Nothing was done. */
export function refuse(rows: { n: number; problem: Problem | Moved | null }[], pointerOf: PointerOf): void {
  const found = rows.flatMap(({ n, problem }) =>
    problem && problem !== 'moved' ? [{ n, said: PROBLEMS[problem] }] : [],
  )
  const first = found[0]
  if (!first) return
  const errors = found.map(({ n, said: [, detail, field] }) => ({ pointer: pointerOf(n, field), detail }))
  const [code, message] = first.said
  throw new AppError(
    code,
    message,
    code === 'not_found' && found.length === 1 && pointerOf === single ? {} : { errors },
  )
}

/** The pointers of a request that is one item. */
export const single: PointerOf = (_n, field) => `/${field}`

/** Somebody else changed the rows between our reading and writing them, again and again. */
export function lostRace(): AppError {
  return new AppError('conflict', 'The task keeps changing; try again', { retryAfterS: 1 })
}

/** Holds while no item of the CTE `judged` has a problem: all of it is done, or none. */
export const allFine = sql`not exists (select 1 from judged where problem is not null)`
