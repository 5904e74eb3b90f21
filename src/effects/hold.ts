import { describeError, type UserCtx } from '#core'
import { armTimers } from '#scheduler'
import type { EffectRow } from './row.ts'

/** Has the person's Steward say when the hold of an effect is over; what that loses, the sweep finds. */
export function armHold(ctx: UserCtx, { id, userId, heldUntil, version }: EffectRow): void {
  if (heldUntil === null) return
  const timer = {
    name: `effect:${id}`,
    dueMs: heldUntil.getTime(),
    version,
    payload: { kind: 'effect' as const, userId, id },
  }
  ctx.waitUntil(
    armTimers(ctx, userId, [timer]).catch((error: unknown) =>
      ctx.log.warn('effect.not_armed', { effectId: id, ...describeError(error) }),
    ),
  )
}
