import { and, asc, eq, lte, or, sql } from 'drizzle-orm'
import { type Ctx, describeError, type UserCtx } from '#core'
import { armTimers } from '#scheduler'
import { carryOut } from './act.ts'
import { effectKind } from './kinds.ts'
import type { Outcome } from './port.ts'
import { changing, type EffectRow, lease } from './row.ts'
import { effects } from './tables.ts'

const EARLY_MS = 1000
const SWEEP_AFTER_S = 15
const SWEEP_LIMIT = 100

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

/** Does what was held, once its time has come, whoever asks and how often; null where there is nothing to do. */
export async function performHeld(ctx: Ctx, { userId, id }: { userId: string; id: string }): Promise<Outcome | null> {
  const own: UserCtx = { ...ctx, actor: { kind: 'person', userId, sessionId: null } }
  const e = effects
  // What the machine that began it did not end is begun again.
  const isLost = and(eq(e.status, 'intended'), sql`${e.heldUntil} is not null and ${e.leaseUntil} < now()`)
  const isDue = and(eq(e.status, 'held'), lte(e.heldUntil, new Date(ctx.now().getTime() + EARLY_MS)))
  const set = {
    status: 'intended' as const,
    holder: ctx.newId('eff'),
    leaseUntil: lease(),
    errorCode: null,
    attempts: sql`${e.attempts} + 1`,
  }
  const changed = changing(own, id, set, or(isDue, isLost))
  const [row] = await ctx.db.with(changed).select().from(changed)
  const kind = row && effectKind(row.kind)
  return kind ? await carryOut(own, row, kind) : null
}

/** Does what a lost message or alarm left held, oldest first; answers how many. */
export async function sweepHeld(ctx: Ctx): Promise<number> {
  const e = effects
  const late = await ctx.db
    .select({ id: e.id, userId: e.userId })
    .from(e)
    .where(and(eq(e.status, 'held'), sql`${e.heldUntil} < now() - interval '1 second' * ${SWEEP_AFTER_S}`))
    .orderBy(asc(e.heldUntil))
    .limit(SWEEP_LIMIT)
  for (const one of late) {
    try {
      await performHeld(ctx, one)
    } catch (error) {
      ctx.log.error('effect.sweep_failed', { effectId: one.id, ...describeError(error) })
    }
  }
  if (late.length > 0) ctx.log.warn('effects.swept', { found: late.length })
  return late.length
}
