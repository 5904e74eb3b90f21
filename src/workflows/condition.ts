import { type SQL, sql } from 'drizzle-orm'
import type { Ctx } from '#core'
import { armAt } from './arm.ts'
import { nowIn } from './cel-functions.ts'
import { timesOf } from './compile.ts'
import { newWork, openExpressions } from './expression.ts'
import { type Firing, fire } from './fire.ts'
import { openGathering } from './gather.ts'
import { type Condition, inputsOf, isDaily, readsTheDay } from './inputs.ts'
import { openMoments, soonest } from './moments.ts'
import { type Armed, actingFor } from './ready.ts'
import { triggers } from './tables.ts'

/** What made somebody look: an event, or nothing but the time. */
type Occasion = { type: string; id: string; subject: string } | null

/**
 * Looks whether these conditions of a person hold, all of them at one gathering, and when to look again. One that has
 * become true fires in the statement that keeps it.
 */
export async function lookAt(ctx: Ctx, userId: string, armed: readonly Armed[], occasion: Occasion): Promise<void> {
  const own = { ...ctx, actor: actingFor(userId) }
  const [cel, gather, next, work] = [await openExpressions(), openGathering(own), openMoments(own), newWork()]
  const moments: { id: string; at: Date }[] = []
  for (const one of armed) {
    const { config, definition, params, zone } = one
    if (config.kind !== 'condition') continue
    const inputs = inputsOf(cel, config, definition)
    const trigger = { kind: 'condition', at: ctx.now().toISOString(), ...(occasion && { event: occasion }) }
    const { now, facts, isTainted, error } = await gather({ params, trigger, definition: { gather: inputs } })
    if (error) ctx.log.warn('condition.not_gathered', { triggerId: one.id, userId, ...error })
    const held = cel.holds(config.when, cel.scope({ params, trigger, now, facts }, work))
    const byItself = isDaily(config) ? null : await next(inputs, zone, readsTheDay(cel, config, inputs))
    const at = soonest([...timesOf(config, zone, ctx.now(), 1), byItself])
    // What cannot be said does not hold; of what could not be looked at nothing is known.
    const isUnknown = error !== null || (!held.ok && work.left <= 0)
    const isTrue = isUnknown ? null : held.ok && held.value
    const cause = `condition:${one.id}:${ctx.now().toISOString()}`
    const firing = { kind: 'condition', triggerId: one.id, trigger, cause, subject: null, tainted: isTainted, depth: 0 }
    await keep(ctx, one, config, { isTrue, at, firing })
    const pendingAt = debounced(ctx, one)
    if (isTrue && pendingAt) moments.push({ id: one.id, at: pendingAt })
    if (at) moments.push({ id: one.id, at })
  }
  await armAt(ctx, userId, moments)
}

type Looked = { isTrue: boolean | null; at: Date | null; firing: Firing }

async function keep(ctx: Ctx, armed: Armed, config: Condition, { isTrue, at, firing }: Looked): Promise<void> {
  const nextAt = at?.toISOString() ?? null
  const next = sql`next_at = ${nextAt}::timestamptz, updated_at = now()`
  const isMoved = nextAt !== (armed.nextAt?.toISOString() ?? null)
  if (isTrue === false) {
    if (!armed.isTrue && !isMoved) return
    // What was to be waited for has not lasted so long; what has fired since was seen true by another.
    await ctx.db.execute(sql`update ${triggers} set is_true = false, pending_at = null, pending = null, ${next}
      where id = ${armed.id} and last_fired_at is not distinct from ${armed.lastFiredAt}::timestamptz`)
    return
  }
  if (isTrue === null || wasTrue(armed, config, ctx.now())) {
    if (isMoved) await ctx.db.execute(sql`update ${triggers} set ${next} where id = ${armed.id}`)
    return
  }
  const pendingAt = debounced(ctx, armed)
  const pending = pendingAt === null ? sql`null` : sql`${JSON.stringify(firing)}::jsonb`
  // Of all who see it become true one writes it, and fires.
  const became = (from: SQL) => sql`update ${triggers} t set is_true = true, ${next},
    last_fired_at = ${ctx.now().toISOString()}::timestamptz, pending_at = ${pendingAt?.toISOString() ?? null}::timestamptz,
    pending = ${pending} ${from} where t.id = ${armed.id} and t.is_true = ${armed.isTrue}::boolean
    and t.last_fired_at is not distinct from ${armed.lastFiredAt}::timestamptz returning t.id`
  if (pendingAt) await ctx.db.execute(became(sql``))
  else await fire(ctx, armed, firing, became(sql`from held`), 'once_moved')
}

const debounced = (ctx: Pick<Ctx, 'now'>, { definition: { debounceSeconds } }: Armed): Date | null =>
  debounceSeconds === undefined ? null : new Date(ctx.now().getTime() + debounceSeconds * 1000)

// Looked at by the clock alone, nobody sees it become false: each day asks anew.
function wasTrue({ isTrue, lastFiredAt, zone }: Armed, config: Condition, now: Date): boolean {
  if (!isTrue || !isDaily(config)) return isTrue
  return lastFiredAt !== null && nowIn(new Date(lastFiredAt), zone).date === nowIn(now, zone).date
}
