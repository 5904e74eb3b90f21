import { and, eq, inArray, type SQL, sql } from 'drizzle-orm'
import type { UserCtx } from '#core'
import { ownerId } from '#database'
import { kick } from '#queue'
import { type EffectKind, needsTap, planOf } from './kinds.ts'
import { MAX_SAYS, type NewEffect, REFUSAL } from './port.ts'
import { eventOf, idsOf, lease, tellOf } from './row.ts'
import { effects } from './tables.ts'

/**
 * The row of this key, with the state it acts upon, and whether it is this caller's. Whoever died is taken over after
 * their lease; what failed and may yet work is tried again, what was refused if it no longer is. One trip.
 */
export async function claim(ctx: UserCtx, effect: NewEffect, kind: EffectKind) {
  const { db, actor } = ctx
  const { tool, holdMs, outward } = kind
  const id = ctx.newId('eff')
  const createdAt = ctx.now()
  const newIds = () => idsOf({ userId: actor.userId, key: effect.key, createdAt })
  const { says, changes } = planOf(tool, effect.input, null, newIds())
  const { kind: origin, ...ids } = effect.origin
  const isRefused = needsTap(kind, effect)
  const status = isRefused ? 'refused' : holdMs > 0 ? 'held' : 'intended'
  const isOurs = status === 'intended'
  const e = effects
  const same = sql`${e.kind} = excluded.kind and ${e.input} = excluded.input`
  const isFree = sql`(${same} and ((${e.status} = 'intended' and ${e.leaseUntil} < now())
    or (${e.status} = 'failed' and ${e.isRetryable}) or (${e.status} = 'refused' and excluded.status <> 'refused')))`
  const taken = (mine: SQL, column: SQL | typeof e.id) => sql`case when ${isFree} then ${mine} else ${column} end`
  // One that was held is not held again.
  const next = sql`case when ${e.status} = 'refused' then excluded.status else 'intended' end`
  const changed = db.$with('changed').as(
    db
      .insert(e)
      .values({
        ...ids,
        ...{ id, key: effect.key, kind: effect.kind, origin, outward, changes, status, createdAt },
        ...{ tainted: effect.tainted, agreed: effect.isAgreed, holder: id },
        ...(isRefused && { errorCode: REFUSAL.code, error: REFUSAL.detail }),
        userId: ownerId(actor),
        input: effect.input,
        says: says.slice(0, MAX_SAYS).toWellFormed(),
        before: tool.state ? sql`(${tool.state(ctx, effect.input, newIds())})::jsonb` : null,
        heldUntil: status === 'held' ? new Date(createdAt.getTime() + holdMs) : null,
        leaseUntil: isOurs ? lease() : null,
        attempts: isOurs ? 1 : 0,
      })
      .onConflictDoUpdate({
        target: [e.userId, e.key],
        set: {
          holder: taken(sql`excluded.holder`, sql`${e.holder}`),
          leaseUntil: taken(sql`case when ${next} = 'intended' then ${lease()} end`, sql`${e.leaseUntil}`),
          heldUntil: taken(sql`coalesce(${e.heldUntil}, excluded.held_until)`, sql`${e.heldUntil}`),
          attempts: taken(sql`${e.attempts} + 1`, sql`${e.attempts}`),
          agreed: taken(sql`excluded.agreed`, sql`${e.agreed}`),
          // What may have been done already was done to what was there the first time.
          before: taken(
            sql`case when ${e.status} = 'intended' then ${e.before} else excluded.before end`,
            sql`${e.before}`,
          ),
          // Of one whose holder died nothing is known, of one that failed why.
          errorCode: taken(sql`case when ${e.status} = 'failed' then ${e.errorCode} end`, sql`${e.errorCode}`),
          version: taken(sql`${e.version} + 1`, sql`${e.version}`),
          status: taken(next, sql`${e.status}`),
        },
      })
      .returning(),
  )
  if (isOurs) {
    const [row] = await db.with(changed).select().from(changed)
    if (!row) throw new Error('an upsert returned no row')
    return { row, isOurs: row.holder === id && row.status === 'intended' }
  }
  const fresh = db.$with('fresh').as(
    db
      .select()
      .from(changed)
      .where(and(eq(changed.holder, id), inArray(changed.status, ['held', 'refused']))),
  )
  const [row] = await db.with(changed, fresh, tellOf(db, fresh)).select().from(changed)
  if (!row) throw new Error('an upsert returned no row')
  if (row.holder === id && row.status !== 'intended') kick(ctx, [eventOf(row)])
  return { row, isOurs: row.holder === id && row.status === 'intended' }
}
