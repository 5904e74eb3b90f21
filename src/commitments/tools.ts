import { z } from 'zod'
import { defineTool, s, type Tool } from '#core'
import { endCommitment, listCommitments } from './commitment.ts'

const MAX_LISTED = 20

/** What the assistant may do about what the person said they would do. */
export const commitmentTools: Tool[] = [
  defineTool({
    name: 'list_commitments',
    description: 'What the user said they would do and has not done yet, newest first, each in their own words.',
    input: z.strictObject({}),
    readOnly: true,
    run: async (ctx) => {
      const { items, nextCursor } = await listCommitments(ctx, { status: 'open', limit: MAX_LISTED })
      const commitments = items.map(({ id, quote, what, due, taskId }) => ({ id, quote, what, due, taskId }))
      return { output: { commitments, more: nextCursor !== null } }
    },
  }),
  defineTool({
    name: 'end_commitment',
    description: 'The user did what they said they would do, or will not: it is over, and what was offered for it too.',
    input: z.strictObject({ id: s.id('cmt'), status: z.enum(['done', 'dropped']) }),
    run: async (ctx, { id, status }) => ({ output: await endCommitment(ctx, id, status) }),
  }),
]
