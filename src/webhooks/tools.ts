import { z } from 'zod'
import { defineTool, s, type Tool } from '#core'
import { callWebhook, fateOfCall } from './deliveries.ts'
import { sendDue } from './send.ts'

const Called = z.strictObject({
  webhookId: s.id('whk'),
  data: z.record(z.string().max(200), z.unknown()).default({}),
})

/** What leaves by a webhook of the person's. */
export const webhookTools: Tool[] = [
  defineTool({
    name: 'call_webhook',
    description: "Post data to one of the user's own webhooks. This cannot be taken back.",
    input: Called,
    destructive: true,
    run: async (ctx, { webhookId, data }) => {
      const { id, status } = await callWebhook(ctx, webhookId, data)
      ctx.waitUntil(sendDue(ctx, ctx.actor.userId))
      return { output: { id, status } }
    },
    fate: fateOfCall,
    plan: ({ webhookId, data }) => ({
      says: `Call the webhook ${webhookId}`,
      changes: [{ target: webhookId, before: null, after: data }],
      undo: null,
    }),
  }),
]
