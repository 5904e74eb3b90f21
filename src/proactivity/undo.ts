import { AppError, findAppError, type UserCtx } from '#core'
import { undoEffect } from '#effects'
import { readSuggestion, tryMove } from './move.ts'
import type { Status, UndoneSuggestion } from './schema.ts'

const CARRIED_OUT: Status[] = ['running', 'done', 'failed']
const GONE = new Set(['undone', 'cancelled', 'already'])

/** Takes back all that came of it, the last first; what cannot be is said, and then it stays what it was. */
export async function undoSuggestion(ctx: UserCtx, id: string): Promise<UndoneSuggestion> {
  const suggestion = await readSuggestion(ctx, id)
  const { status, effectIds } = suggestion
  if (status === 'undone') return { suggestion, effects: [] }
  if (!CARRIED_OUT.some((one) => one === status) || effectIds.length === 0)
    throw new AppError('nothing_to_undo', `Nothing came of it that could be taken back: it is ${status}`)
  const effects: UndoneSuggestion['effects'] = []
  // One after the other: each is taken back from what the one before left.
  for (const effectId of effectIds.toReversed()) effects.push({ effectId, ...(await undoOne(ctx, effectId)) })
  if (!effects.every((one) => GONE.has(one.status))) return { suggestion, effects }
  const undone = await tryMove(ctx, id, {
    from: CARRIED_OUT,
    set: { status: 'undone' },
    decide: { decision: 'undone' },
  })
  return { suggestion: undone ?? (await readSuggestion(ctx, id)), effects }
}

type One = Omit<UndoneSuggestion['effects'][number], 'effectId'>

async function undoOne(ctx: UserCtx, effectId: string): Promise<One> {
  try {
    const { status, says } = await undoEffect(ctx, effectId)
    return { status, says }
  } catch (error) {
    if (findAppError(error)?.code !== 'not_found') throw error
    return { status: 'failed', says: 'What was done is not known any more' }
  }
}
