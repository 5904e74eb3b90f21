import type { z } from 'zod'
import type { FieldError } from './errors.ts'

const MAX_ERRORS = 50
type Issue = z.ZodError['issues'][number]

/** Of what fits no choice, what is wrong with the choice it comes nearest to: that is what was meant. */
function nearest(issues: readonly Issue[]): Issue[] {
  return issues.flatMap((issue) => {
    if (issue.code !== 'invalid_union' || issue.errors.length === 0) return [issue]
    const choices = issue.errors.map((inner) =>
      nearest(inner).map((one) => ({ ...one, path: [...issue.path, ...one.path] })),
    )
    const depth = (choice: Issue[]) => Math.min(...choice.map(({ path }) => path.length))
    const isOther = (choice: Issue[]) => choice.some(({ code }) => code === 'unrecognized_keys')
    choices.sort((a, b) => Number(isOther(a)) - Number(isOther(b)) || depth(b) - depth(a) || a.length - b.length)
    return choices[0] ?? [issue]
  })
}

/** What is wrong, each with its JSON Pointer after `at`; fifty at most. */
export function fieldErrors({ issues }: Pick<z.ZodError, 'issues'>, at = ''): FieldError[] {
  return nearest(issues)
    .slice(0, MAX_ERRORS)
    .map(({ path, message }) => {
      const parts = path.map((part) => String(part).replaceAll('~', '~0').replaceAll('/', '~1'))
      return { pointer: `${at}/${parts.join('/')}`.slice(0, 200), detail: message.slice(0, 500) }
    })
}
