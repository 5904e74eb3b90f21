import { z } from 'zod'
import { defineTool, s, type Tool, type UserCtx } from '#core'
import { getConversation, listConversations, listMessages } from './conversations.ts'

const LISTED = 20
const READ = 50

type Page = { limit: number; cursor?: string | undefined }

/** A conversation and what was said in it, without what its tools were given and answered. Two trips. */
export async function readConversation(ctx: Pick<UserCtx, 'actor' | 'db'>, id: string, page: Page = { limit: READ }) {
  const [conversation, { items, nextCursor }] = await Promise.all([
    getConversation(ctx, id),
    listMessages(ctx, id, page),
  ])
  const messages = items.map(({ id, role, status, text, createdAt }) => ({ id, role, status, text, createdAt }))
  return { ...conversation, items: messages, nextCursor }
}

/** What a client outside may do with conversations; the assistant is in one. */
export const conversationTools: Tool[] = [
  defineTool({
    name: 'list_conversations',
    description: "The user's conversations with Aurelius, the one last spoken in first.",
    input: z.strictObject({ limit: s.int(1, 50).default(LISTED), cursor: s.cursor }),
    readOnly: true,
    run: async (ctx, input) => ({ output: await listConversations(ctx, input) }),
  }),
  defineTool({
    name: 'read_conversation',
    description: 'What was said in a conversation, oldest first. Give nextCursor as cursor to read on.',
    input: z.strictObject({ id: s.id('cnv'), limit: s.int(1, 100).default(READ), cursor: s.cursor }),
    readOnly: true,
    run: async (ctx, { id, ...page }) => ({ output: await readConversation(ctx, id, page) }),
  }),
]
