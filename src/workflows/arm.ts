import { sql } from 'drizzle-orm'
import type { Ctx } from '#core'
import { armAgain, armTimers, type NewTimer } from '#scheduler'
import { triggers, workflows } from './tables.ts'

/** A timer for a moment of a trigger. The moment is in its name: what is moved leaves one behind that finds nothing to do. */
function timerOf(userId: string, id: string, at: Date): NewTimer {
  const dueMs = at.getTime()
  return { name: `trigger:${id}:${dueMs}`, dueMs, version: 1, payload: { kind: 'trigger', userId, id } }
}

/** Arms what these workflows wait for, and the end of a pause. */
export async function armWorkflows(ctx: Pick<Ctx, 'db' | 'env'>, userId: string, ids: string[]): Promise<void> {
  const listed = sql`(select jsonb_array_elements_text(${JSON.stringify(ids)}::jsonb))`
  const { rows } = await ctx.db.execute<{ id: string; at: string }>(sql`
    select id, next_at as at from ${triggers} where workflow_id in ${listed} and user_id = ${userId} and active
      and next_at is not null
    union all select id, paused_until from ${workflows} where id in ${listed} and user_id = ${userId}
      and status = 'paused' and paused_until is not null`)
  await armAt(ctx, userId, rows)
}

export async function armAt(ctx: Pick<Ctx, 'env'>, userId: string, moments: { id: string; at: string | Date }[]) {
  if (moments.length === 0) return
  await armTimers(
    ctx,
    userId,
    moments.map(({ id, at }) => timerOf(userId, id, new Date(at))),
  )
}

/** The same for anybody, in case their timers were lost. */
export async function armSoon(ctx: Pick<Ctx, 'env' | 'log'>, moments: { userId: string; id: string; at: Date }[]) {
  await armAgain(
    ctx,
    moments.map(({ userId, id, at }) => timerOf(userId, id, at)),
  )
}
