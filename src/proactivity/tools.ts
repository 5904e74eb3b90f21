import { z } from 'zod'
import { AppError, defineTool, s, type Tool } from '#core'
import { dismissSuggestion, snoozeSuggestion } from './decide.ts'
import { listSuggestions, listWithheld } from './list.ts'
import { readSuggestion } from './move.ts'
import { isApproval } from './reasons.ts'
import type { Suggestion } from './schema.ts'

const id = s.id('sug')
const MAX_LISTED = 20

const brief = ({ id, title, body, status, reason, actions, expiresAt, tainted }: Suggestion) => ({
  ...{ id, title, body, status, reason, expiresAt, tainted },
  offers: actions.map(({ says }) => says),
})

/** What the assistant may do about what was suggested. None says yes: that is a tap of the person's own. */
export const suggestionTools: Tool[] = [
  defineTool({
    name: 'list_suggestions',
    description:
      'What Aurelius suggests and the user has not decided about, the best first; `withheld`: what it did not say, each ' +
      'with the reason. The user approves by tapping; you cannot.',
    input: z.strictObject({ withheld: z.boolean().default(false) }),
    readOnly: true,
    run: async (ctx, { withheld }) => {
      const page = withheld
        ? await listWithheld(ctx, { limit: MAX_LISTED })
        : await listSuggestions(ctx, { open: true, limit: MAX_LISTED })
      return { output: { suggestions: page.items.map(brief), more: page.nextCursor !== null } }
    },
  }),
  defineTool({
    name: 'dismiss_suggestion',
    description: 'The user does not want what was suggested; nothing like it comes for a while.',
    input: z.strictObject({ id, reason: s.line(500).optional() }),
    run: async (ctx, { id, reason }) => {
      if (isApproval((await readSuggestion(ctx, id)).kind)) throw tapped()
      return { output: brief(await dismissSuggestion(ctx, id, { reason })) }
    },
  }),
  defineTool({
    name: 'snooze_suggestion',
    description: 'Put a suggestion away for so many minutes; it comes back by itself.',
    input: z.strictObject({ id, minutes: s.int(1, 43_200) }),
    run: async (ctx, { id, minutes }) => ({ output: brief(await snoozeSuggestion(ctx, id, { minutes })) }),
  }),
]

const tapped = () => new AppError('forbidden', 'It waits for a tap of the user: they decide about it themselves')
