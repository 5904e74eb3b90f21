import { AppError, type ErrorCode } from '#core'

export const MAX_SERIES = 200

const PROBLEMS = {
  missing: ['not_found', 'There is no such event', 'id'],
  stale: ['version_stale', 'The event has changed since you read it', 'version'],
  shape: ['invalid_request', 'Start and end are both a time, or both a day', 'end'],
  order: ['invalid_request', 'It ends before it begins', 'end'],
  long: ['invalid_request', 'It lasts longer than a year, or beyond the year 9999', 'end'],
  ruled: ['invalid_request', 'Its rule does not fall on that day: say the rule it has then', 'recurrence'],
  many: ['invalid_request', `At most ${MAX_SERIES} events may repeat`, 'recurrence'],
} as const satisfies Record<string, readonly [ErrorCode, string, string]>

export type Problem = keyof typeof PROBLEMS

/** What was wrong, to be thrown; nothing was done. */
export function refusal(problem: Problem): AppError {
  const [code, message, field] = PROBLEMS[problem]
  const errors = [{ pointer: `/${field}`, detail: message }]
  return new AppError(code, message, code === 'invalid_request' ? { errors } : {})
}

export const missing = () => refusal('missing')
