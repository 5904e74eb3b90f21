import { sql } from 'drizzle-orm'
import { AppError, type UserCtx } from '#core'
import { liveSession } from '#database'
import type { LearningAsk } from './learning.ts'
import type { Learning, LearningPatch } from './learning-schema.ts'

type LearningCtx = Pick<UserCtx, 'actor' | 'db' | 'env'>

/** What is believed of what the person takes and dismisses, in words. */
export async function showLearning(ctx: LearningCtx): Promise<Learning> {
  return await ask(ctx, { do: 'show' })
}

/** Says otherwise than what was learned, or has it forgotten. */
export async function editLearning(ctx: LearningCtx, { edits }: LearningPatch): Promise<Learning> {
  return await ask(ctx, {
    do: 'edit',
    edits: edits.map(({ kind, part = null, week = null, set }) => ({ kind, part, week, set })),
  })
}

/** Forgets all that was learned, and all that was said of it. */
export async function resetLearning(ctx: LearningCtx): Promise<void> {
  await ask(ctx, { do: 'reset' })
}

async function ask(ctx: LearningCtx, what: LearningAsk): Promise<Learning> {
  await ctx.db.execute(sql`select ${liveSession(ctx.actor) ?? sql`true`}`)
  try {
    const { lines } = await ctx.env.STEWARD.getByName(ctx.actor.userId).learning(what)
    return { items: lines }
  } catch (cause) {
    throw new AppError('unavailable', 'What was learned cannot be read at the moment', { cause })
  }
}
