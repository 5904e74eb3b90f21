import { describeError, type UserCtx } from '#core'
import { armTimers, type NewTimer } from '#scheduler'
import type { EffectRow } from './row.ts'

type Held = Pick<EffectRow, 'id' | 'userId' | 'heldUntil' | 'version'>

/** When the hold of an effect is over; none where nothing holds it. */
export function holdTimers({ id, userId, heldUntil, version }: Held): NewTimer[] {
  if (heldUntil === null) return []
  const payload = { kind: 'effect' as const, userId, id }
  return [{ name: `effect:${id}`, dueMs: heldUntil.getTime(), version, payload }]
}

/** Has the person's Steward say when the hold of an effect is over; what that loses, the sweep finds. */
export function armHold(ctx: UserCtx, row: Held): void {
  ctx.waitUntil(
    armTimers(ctx, row.userId, holdTimers(row)).catch((error: unknown) =>
      ctx.log.warn('effect.not_armed', { effectId: row.id, ...describeError(error) }),
    ),
  )
}
