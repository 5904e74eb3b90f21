import { type SQL, sql } from 'drizzle-orm'
import { z } from 'zod'
import { defineTool, s, type Tool, type UserCtx } from '#core'
import { ownedBy } from '#database'
import { shown } from './events.ts'
import { deleteNotification } from './notification.ts'
import { notify } from './notify.ts'
import type { Notification } from './schema.ts'
import { notifications } from './tables.ts'

const Told = z.strictObject({
  title: s.line(200),
  body: s.text(500).default(''),
  priority: z.enum(['low', 'medium', 'high', 'urgent']).default('medium'),
  kind: z.enum(['run', 'schedule', 'question']).default('run'),
})

function notificationState({ actor }: Pick<UserCtx, 'actor'>, id: string): SQL<Notification> {
  const n = notifications
  return sql`(select ${shown(n)} from ${n} where ${n.id} = ${id} and ${ownedBy(actor, n.userId)})`
}

const Asked = z.strictObject({
  question: s.text(1000, 1),
  choices: s.list(s.line(100), 6).default([]),
  expiresMinutes: s.int(5, 43_200).default(1440),
})

/** A question to the person. A run waits for what they answer; of others it is only told. */
export const questionTools: Tool[] = [
  defineTool({
    name: 'ask_question',
    description: 'Ask the user a question; a run of a workflow waits for the answer.',
    input: Asked,
    run: async (ctx, { question, choices, expiresMinutes }) => {
      const { id } = await notify(ctx, {
        ...{ kind: 'question', title: question, body: choices.join(' \u00b7 '), priority: 'high' },
        dedupeKey: `effect:${ctx.newId('req')}`,
        expiresAt: new Date(ctx.now().getTime() + expiresMinutes * 60_000),
      })
      return { output: { id, question, choices } }
    },
    state: (ctx, _, newId) => notificationState(ctx, newId('ntf')),
    plan: (input, _, newId) => {
      const id = newId('ntf')
      const undo = { tool: 'withdraw_notification', input: { id }, says: 'Withdrew the question' }
      return {
        says: `Ask you \u201c${input.question}\u201d`,
        changes: [{ target: id, before: null, after: input }],
        undo,
      }
    },
  }),
]

/** Telling the person something, as an effect. */
export const notificationTools: Tool[] = [
  defineTool({
    name: 'notify',
    description: 'Tell the user something by a notification.',
    input: Told,
    run: async (ctx, input) => {
      const { id } = await notify(ctx, { ...input, dedupeKey: `effect:${ctx.newId('req')}` })
      return { output: { id, title: input.title } }
    },
    state: (ctx, _, newId) => notificationState(ctx, newId('ntf')),
    plan: (input, _, newId) => {
      const id = newId('ntf')
      const undo = { tool: 'withdraw_notification', input: { id }, says: `Withdrew “${input.title}”` }
      return { says: `Tell you “${input.title}”`, changes: [{ target: id, before: null, after: input }], undo }
    },
  }),
  defineTool({
    name: 'withdraw_notification',
    description: 'Take a notification away. This cannot be taken back.',
    input: z.strictObject({ id: s.id('ntf') }),
    run: async (ctx, { id }) => {
      await deleteNotification(ctx, id)
      return { output: { id } }
    },
    state: (ctx, { id }) => notificationState(ctx, id),
    plan: ({ id }, before) => ({
      says: `Withdraw ${before ? `“${before.title}”` : 'a notification'}`,
      changes: [{ target: id, before, after: null }],
      undo: null,
    }),
  }),
]
