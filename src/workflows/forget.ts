import { and, eq, isNotNull, sql } from 'drizzle-orm'
import type { Ctx } from '#core'
import { workflowRuns } from './tables.ts'

// Of each a handful of instances, and a hundred may be forgotten at once.
const RUNS_AT_ONCE = 14

const theirs = (userId: string) => and(eq(workflowRuns.userId, userId), isNotNull(workflowRuns.instanceId))

/** How many of a person's runs the platform may still remember. */
export async function countInstances({ db }: Pick<Ctx, 'db'>, userId: string): Promise<number> {
  const [row] = await db.select({ count: sql<number>`count(*)::int` }).from(workflowRuns).where(theirs(userId))
  return row?.count ?? 0
}

/** Lets the platform forget every instance of a person's runs, which hold what their steps found out. */
export async function eraseInstances({ db, env }: Pick<Ctx, 'db' | 'env'>, userId: string): Promise<void> {
  for (;;) {
    const runs = await db
      .select({ id: workflowRuns.id, instanceId: workflowRuns.instanceId })
      .from(workflowRuns)
      .where(theirs(userId))
      .limit(RUNS_AT_ONCE)
    if (runs.length === 0) return
    const { errors } = await env.TASA_RUN.deleteBatch(
      runs.flatMap(({ id, instanceId }) => instancesOf(id, instanceId ?? id)),
    )
    const kept = errors.filter(({ message }) => !message.includes('not_found'))
    if (kept.length > 0) throw new Error(`${kept.length} instances are not forgotten: ${kept[0]?.message}`)
    const gone = runs.map(({ id }) => id)
    await db
      .update(workflowRuns)
      .set({ instanceId: null, endedAt: sql`coalesce(${workflowRuns.endedAt}, now())` })
      .where(
        and(
          eq(workflowRuns.userId, userId),
          sql`${workflowRuns.id} in (select jsonb_array_elements_text(${JSON.stringify(gone)}::jsonb))`,
        ),
      )
  }
}

/** `run_x`, `run_x-2`, ... up to the one that has it. */
function instancesOf(runId: string, last: string): string[] {
  const count = Number(last.split('-')[1] ?? 1)
  return [runId, ...Array.from({ length: count - 1 }, (_, n) => `${runId}-${n + 2}`)]
}
