import { z } from 'zod'
import { defineTool, s, type Tool, type Undo } from '#core'
import { discardDraft, draftMail, draftState, keepDraft } from './drafts.ts'
import { NewMail } from './schema.ts'
import { fateOfMail, sendNewMail } from './send.ts'

const ONE = z.strictObject({ id: s.id('mdr') })
const Sending = NewMail.extend({ draftId: s.id('mdr').optional() })
const discard = (id: string, subject: string): Undo => {
  return { tool: 'discard_mail', input: { id }, says: `Threw away the draft “${subject}”` }
}

/** Writing mail to others, as effects. */
export const mailTools: Tool[] = [
  defineTool({
    name: 'draft_mail',
    description: 'Write mail down without sending it, for the user to read and change.',
    input: NewMail,
    run: async (ctx, input) => ({ output: await draftMail(ctx, input) }),
    state: (ctx, _, newId) => draftState(ctx, newId('mdr')),
    plan: (input, _, newId) => {
      const id = newId('mdr')
      const changes = [{ target: id, before: null, after: input }]
      return { says: `Draft “${input.subject}” to ${input.to.join(', ')}`, changes, undo: discard(id, input.subject) }
    },
  }),
  defineTool({
    name: 'discard_mail',
    description: 'Throw a draft of mail away.',
    input: ONE,
    run: async (ctx, { id }) => {
      const before = await discardDraft(ctx, id)
      return { output: { id, subject: before.subject }, before }
    },
    state: (ctx, { id }) => draftState(ctx, id),
    plan: ({ id }, before) => ({
      says: `Throw away ${before ? `the draft “${before.subject}”` : 'a draft'}`,
      changes: [{ target: id, before, after: null }],
      undo: before && { tool: 'keep_mail', input: { id }, says: `The draft “${before.subject}” is back` },
    }),
  }),
  defineTool({
    name: 'keep_mail',
    description: 'Bring back a draft that was thrown away.',
    input: ONE,
    run: async (ctx, { id }) => {
      const before = await keepDraft(ctx, id)
      return { output: before, before }
    },
    state: (ctx, { id }) => draftState(ctx, id),
    plan: ({ id }, before) => ({
      says: `Bring back ${before ? `the draft “${before.subject}”` : 'a draft'}`,
      changes: [{ target: id, before: null, after: before }],
      undo: before && discard(id, before.subject),
    }),
  }),
  defineTool({
    name: 'send_mail',
    description:
      'Send mail to others in the name of the user, who gets the answers. It is held for twenty seconds, then it cannot be taken back.',
    input: Sending,
    destructive: true,
    run: async (ctx, { draftId, ...mail }) => ({ output: await sendNewMail(ctx, mail, draftId) }),
    fate: fateOfMail,
    plan: (input) => ({
      says: `Send “${input.subject}” to ${input.to.join(', ')}`,
      changes: [{ target: null, before: null, after: input }],
      undo: null,
    }),
  }),
]
