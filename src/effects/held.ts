import { and, eq, gte, lte, or, sql } from 'drizzle-orm'
import { AppError, type Ctx, type UserCtx } from '#core'
import { carryOut } from './act.ts'
import { effectKind } from './kinds.ts'
import type { Outcome } from './port.ts'
import { changing, lease } from './row.ts'
import { effects } from './tables.ts'

const EARLY_MS = 1000

/** For whom nobody asks: what goes on was asked for before. */
export const onBehalfOf = (ctx: Ctx, userId: string): UserCtx => ({
  ...ctx,
  actor: { kind: 'person', userId, sessionId: null },
})

/**
 * Does what was held, once its time has come, whoever asks and how often; null where there is nothing to do. Throws while
 * another is at it, who may be lost.
 */
export async function performHeld(ctx: Ctx, { userId, id }: { userId: string; id: string }): Promise<Outcome | null> {
  const own = onBehalfOf(ctx, userId)
  const e = effects
  // What the machine that began it did not end is begun again.
  const isLost = and(eq(e.status, 'intended'), sql`${e.heldUntil} is not null and ${e.leaseUntil} < now()`)
  const isDue = and(eq(e.status, 'held'), lte(e.heldUntil, new Date(ctx.now().getTime() + EARLY_MS)))
  const set = {
    status: 'intended' as const,
    holder: ctx.newId('eff'),
    leaseUntil: lease(),
    // Of one whose holder died nothing is known, of one that failed why.
    errorCode: sql`case when ${e.status} = 'held' then ${e.errorCode} end`,
    attempts: sql`${e.attempts} + 1`,
  }
  const changed = changing(own, id, set, or(isDue, isLost))
  const [row] = await ctx.db.with(changed).select().from(changed)
  if (!row) return await requireNobody(ctx, id)
  const kind = effectKind(row.kind)
  return kind ? await carryOut(own, row, kind) : null
}

async function requireNobody({ db }: Ctx, id: string): Promise<null> {
  const [busy] = await db
    .select({ id: effects.id })
    .from(effects)
    .where(and(eq(effects.id, id), eq(effects.status, 'intended'), gte(effects.leaseUntil, sql`now()`)))
  if (busy) throw new AppError('unavailable', 'Another is at it')
  return null
}
