import { sql } from 'drizzle-orm'
import type { UserCtx } from '#core'
import { liveSession, preparedAs } from '#database'
import type { Role } from './policy.ts'

const isLive = preparedAs(({ db, actor }) => {
  return db.select({ isLive: sql<boolean>`${liveSession(actor) ?? sql`true`}` }).from(sql`(select 1) as one`)
})

/** Fails with `session_ended` unless the session that asks is open: for what touched no row of its own. One trip. */
export async function requireSession(ctx: Pick<UserCtx, 'db' | 'actor'>): Promise<void> {
  await isLive(ctx, {})
}

/** Who acts for the deployment: a person with one of these roles. Session and role are asked in one trip; 403 without. */
export async function requireRole(ctx: Pick<UserCtx, 'db' | 'actor'>, roles: readonly Role[]): Promise<Role> {
  const asked = sql`live_staff(${ctx.actor.sessionId}, ${ctx.actor.userId}, array(select jsonb_array_elements_text(${JSON.stringify(roles)}::jsonb)))`
  const { rows } = await ctx.db.execute<{ role: Role }>(sql`select ${asked} as role`)
  if (!rows[0]) throw new Error('a function returned no row')
  return rows[0].role
}
