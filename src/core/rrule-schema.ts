import { z } from '@hono/zod-openapi'
import { recurrenceProblem } from './recurrence.ts'

/** An RRULE of RFC 5545 by the day or longer, as it is kept: in capitals, without the name of its property. */
export const rrule = z
  .string()
  .max(500)
  .overwrite((rule) =>
    rule
      .trim()
      .toUpperCase()
      .replace(/^RRULE:/, ''),
  )
  .superRefine((rule, issue) => {
    const problem = recurrenceProblem(rule)
    if (problem) issue.addIssue(problem)
  })
  .openapi({ example: 'FREQ=WEEKLY;BYDAY=MO' })
