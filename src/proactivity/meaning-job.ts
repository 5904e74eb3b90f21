import { and, eq } from 'drizzle-orm'
import { type Ctx, findAppError } from '#core'
import type { JobHandler } from '#queue'
import { keepMeaning } from './meaning.ts'
import { mine } from './row.ts'
import { suggestions } from './tables.ts'
import { onBehalfOf } from './wake.ts'

/** The work of keeping what a dismissed suggestion means, once however often it is heard of. */
export const meaningJob = ({ newId }: Pick<Ctx, 'newId'>, userId: string, id: string) => ({
  ...{ id: newId('job'), queue: 'analytics' as const, kind: 'keep_meaning' },
  ...{ userId, ref: id, key: `meaning:${id}` },
})

/** Keeps what a dismissed suggestion means, if it is still there. Who has no budget left is learned of by words alone. */
export const keepDismissed: JobHandler = async (ctx, { userId, ref }) => {
  if (userId === null) return
  const person = onBehalfOf(ctx, userId)
  const t = suggestions
  const isDismissed = and(mine(person, ref), eq(t.status, 'dismissed'))
  const [row] = await ctx.db.select({ title: t.title }).from(t).where(isDismissed)
  if (!row) return
  try {
    await keepMeaning(person, ref, row.title)
  } catch (error) {
    if (findAppError(error)?.code !== 'budget_exhausted') throw error
    ctx.log.warn('suggestion.meaning_unpaid', { suggestionId: ref })
  }
}
