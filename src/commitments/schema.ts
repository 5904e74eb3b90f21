import { z } from '@hono/zod-openapi'
import { s } from '#core'

const Status = z.enum(['open', 'done', 'dropped']).openapi('CommitmentStatus')

export const Commitment = s.later(() =>
  z
    .strictObject({
      id: s.id('cmt'),
      quote: z.string().max(500).openapi({ description: 'What was said' }),
      what: z.string().max(200).openapi({ example: 'Send the report to Ana' }),
      due: z
        .strictObject({ date: s.localDate, time: s.localTime.optional() })
        .nullable()
        .openapi({ description: 'On the wall clock of the person' }),
      status: Status,
      source: z.strictObject({ kind: z.enum(['message', 'mail']), id: z.string().max(40) }),
      endedBy: z
        .enum(['person', 'task', 'message', 'mail', 'suggestion'])
        .nullable()
        .openapi({ description: 'By what it was seen to be over' }),
      suggestionId: s.id('sug').nullable(),
      taskId: s.id('task').nullable(),
      endedAt: s.instant.nullable(),
      version: s.int(1, 2_147_483_647),
      createdAt: s.instant,
      updatedAt: s.instant,
    })
    .openapi('Commitment'),
)
export type Commitment = z.infer<ReturnType<typeof Commitment>>
export const CommitmentPage = s.later(() => s.pageOf(Commitment()).openapi('CommitmentPage'))
export const CommitmentQuery = z.strictObject({ limit: s.limit, cursor: s.cursor, status: Status.optional() })
export type CommitmentQuery = z.infer<typeof CommitmentQuery>
