import { AppError, type UserCtx } from '#core'
import { type Outcome, realEffects } from '#effects'
import { settleSuggestion } from './decide.ts'
import { readSuggestion } from './move.ts'
import type { ActionOffer, Suggestion } from './schema.ts'

/**
 * Does what was approved of a suggestion that no run waits for, once for each action however often it is asked; the first
 * that fails is the last. What is held, or not yet taken by whoever takes it, is asked about again when its effect ends.
 * Throws where it may work later.
 */
export async function carryOut(ctx: UserCtx, id: string): Promise<void> {
  const { status, source, agreed, ...suggestion } = await readSuggestion(ctx, id)
  // What a run only told leaves it nothing to do.
  const isOfRun = source.kind === 'run' && (agreed ?? []).length > 0
  if ((status !== 'approved' && status !== 'running') || isOfRun) return
  const effectIds: string[] = []
  let isUnderWay = false
  for (const action of agreed ?? []) {
    const outcome = await perform(ctx, suggestion, action)
    if (outcome.effectId !== null) effectIds.push(outcome.effectId)
    if (!('code' in outcome)) {
      isUnderWay ||= outcome.status !== 'done'
      continue
    }
    if (outcome.isRetryable) {
      // What was done of it can be taken back, whatever becomes of the rest.
      if (status === 'approved') await settleSuggestion(ctx, id, { status: 'running', effectIds })
      throw new AppError('unavailable', `${action.kind}: ${outcome.detail}`)
    }
    await settleSuggestion(ctx, id, { status: 'failed', effectIds, detail: `${action.says}: ${outcome.detail}` })
    return
  }
  if (!isUnderWay) await settleSuggestion(ctx, id, { status: 'done', effectIds })
  else if (status === 'approved') await settleSuggestion(ctx, id, { status: 'running', effectIds })
}

// The person's yes is the tap that an outward act of a tainted one asks for.
async function perform(
  ctx: UserCtx,
  { id, tainted }: Pick<Suggestion, 'id' | 'tainted'>,
  { id: action, kind, input }: ActionOffer,
): Promise<Outcome> {
  const origin = { kind: 'suggestion' as const, suggestionId: id, action }
  return await realEffects(ctx).perform({ kind, input, key: `${id}.${action}`, origin, tainted, isAgreed: true })
}

/** Gives up what could not be carried out for a day. */
export async function giveUp(ctx: UserCtx, id: string): Promise<void> {
  await settleSuggestion(ctx, id, { status: 'failed', detail: 'It could not be done for a day' })
}
