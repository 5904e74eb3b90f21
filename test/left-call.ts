import { eq } from 'drizzle-orm'
import { batchCalls } from '#ai/tables'
import { newId, type UserCtx } from '#core'

type Ctx = Pick<UserCtx, 'actor' | 'db' | 'now'>

/** A call of theirs that waits for a batch. */
export async function leftCall({ actor: { userId }, db, now }: Ctx): Promise<string> {
  const id = newId('aic', now())
  const at = { deadlineAt: new Date(now().getTime() + 3600_000), dueAt: now(), pollAt: now() }
  const by = { provider: 'anthropic', model: 'claude-sonnet-5-5' }
  await db
    .insert(batchCalls)
    .values({ id, userId, kind: 'analyse', feature: 'workflows', call: {}, decision: {}, ...by, ...at })
  return id
}

/** How it stands. */
export async function endOf({ db }: Pick<Ctx, 'db'>, id: string): Promise<string> {
  const [row] = await db.select().from(batchCalls).where(eq(batchCalls.id, id))
  return `${row?.state} ${row?.errorCode}`
}
