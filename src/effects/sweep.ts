import { and, asc, eq, gte, isNotNull, isNull, lt, or, sql } from 'drizzle-orm'
import { type Ctx, describeError } from '#core'
import { AHEAD_MS, armAgain } from '#scheduler'
import { endSent } from './act.ts'
import { onBehalfOf, performHeld } from './held.ts'
import { holdTimers } from './hold.ts'
import { effectKind } from './kinds.ts'
import { type EffectRow, lookAgain, tellOf } from './row.ts'
import { effects } from './tables.ts'
import { undoEffect } from './undo.ts'

const SWEEP_AFTER_S = 15
const SWEEP_LIMIT = 100
const SWEPT = 1000
const STALE_MINUTES = 15
const e = effects

/**
 * Goes on, oldest first, with what a lost message, alarm or machine left: held, being taken back, or handed on without a
 * word since; and arms again what is soon. Answers with how many.
 */
export async function sweepEffects(ctx: Ctx): Promise<number> {
  const isOver = lt(e.leaseUntil, sql`now()`)
  const lateBy = sql`now() - interval '1 second' * ${SWEEP_AFTER_S}`
  const isLate = or(
    and(eq(e.status, 'held'), lt(e.heldUntil, lateBy)),
    and(eq(e.status, 'intended'), isNotNull(e.heldUntil), isOver),
    and(eq(e.status, 'undoing'), isOver),
    and(eq(e.status, 'sending'), isOver),
  )
  const ahead = sql`now() + interval '1 second' * ${AHEAD_MS / 1000}`
  const isSoon = and(eq(e.status, 'held'), gte(e.heldUntil, lateBy), lt(e.heldUntil, ahead))
  const { id, userId, heldUntil, version } = e
  const [late, soon] = await ctx.db.batch([
    ctx.db
      .select()
      .from(e)
      .where(isLate)
      .orderBy(asc(sql`coalesce(${e.leaseUntil}, ${e.heldUntil})`))
      .limit(SWEEP_LIMIT),
    ctx.db.select({ id, userId, heldUntil, version }).from(e).where(isSoon).limit(SWEPT),
  ])
  for (const one of late) {
    try {
      await goOn(ctx, one)
    } catch (error) {
      ctx.log.error('effect.sweep_failed', { effectId: one.id, ...describeError(error) })
    }
  }
  await armAgain(ctx, soon.flatMap(holdTimers))
  if (late.length > 0) ctx.log.warn('effects.swept', { found: late.length })
  return late.length
}

async function goOn(ctx: Ctx, row: EffectRow): Promise<void> {
  const own = onBehalfOf(ctx, row.userId)
  if (row.status === 'undoing') await undoEffect(own, row.id)
  else if (row.status === 'sending') {
    await ctx.db.update(e).set({ leaseUntil: lookAgain() }).where(eq(e.id, row.id))
    const kind = effectKind(row.kind)
    if (kind) await endSent(own, row, kind.tool)
  } else await performHeld(ctx, row)
}

/** Of what was begun and never heard of again nobody knows whether it was done. What was held is begun again. */
export async function endLostEffects({ db }: Pick<Ctx, 'db'>): Promise<void> {
  const isStale = lt(e.leaseUntil, sql`now() - interval '1 minute' * ${STALE_MINUTES}`)
  const changed = db.$with('changed').as(
    db
      .update(e)
      .set({
        ...{ status: 'unknown', errorCode: 'timeout', error: 'Whoever was at it was lost', holder: null },
        version: sql`${e.version} + 1`,
        updatedAt: sql`now()`,
      })
      .where(and(eq(e.status, 'intended'), isNull(e.heldUntil), isStale))
      .returning(),
  )
  await db.with(changed, tellOf(db, changed)).select({ id: changed.id }).from(changed)
}
