import { and, eq, isNull, sql } from 'drizzle-orm'
import { type Ctx, describeError, inTime } from '#core'
import type { WakeType } from './ports.ts'
import { workflowRuns } from './tables.ts'

// Twice of it is less than a message in the queue may take.
const PATIENCE_MS = 4000

type PlatformCtx = Pick<Ctx, 'env' | 'log'>

/** What was to begin and said nothing by then has been lost. */
export const BEGINS_WITHIN = sql`interval '2 minutes'`

// run_x, run_x-2, run_x-3: whoever had it finds that it is another's.
export const nextInstance = sql<string>`${workflowRuns.id} || '-' ||
  (coalesce(nullif(split_part(coalesce(${workflowRuns.instanceId}, ''), '-', 2), '')::int, 1) + 1)::text`

/** Its first instance has the run's own id: asked for again, there is one. */
export async function begin(
  { env }: Pick<Ctx, 'env'>,
  userId: string,
  runId: string,
  instanceId = runId,
): Promise<void> {
  try {
    await inTime(PATIENCE_MS, () => env.TASA_RUN.create({ id: instanceId, params: { runId, userId } }))
  } catch (error) {
    if (!(await exists(env, instanceId))) throw error
  }
}

async function exists(env: Env, instanceId: string): Promise<boolean> {
  try {
    await inTime(PATIENCE_MS, async () => (await env.TASA_RUN.get(instanceId)).status())
    return true
  } catch {
    return false
  }
}

/** Wakes an instance that waits; in the place of one that is gone the sweep begins another. */
export async function wakeRun(ctx: PlatformCtx & Pick<Ctx, 'db'>, instanceId: string, type: WakeType): Promise<void> {
  const { db, env, log } = ctx
  try {
    await inTime(PATIENCE_MS, async () => (await env.TASA_RUN.get(instanceId)).sendEvent({ type, payload: {} }))
  } catch (error) {
    log.warn('run.not_woken', { instanceId, type, ...describeError(error) })
    const r = workflowRuns
    // Its wait may end in days: whoever said something expects it to be heard.
    await db
      .update(r)
      .set({ deadlineAt: sql`now()` })
      .where(
        and(sql`coalesce(${r.instanceId}, ${r.id}) = ${instanceId}`, eq(r.id, runOf(instanceId)), isNull(r.endedAt)),
      )
  }
}

const runOf = (instanceId: string) => instanceId.split('-')[0] ?? instanceId

/** What it does next would find that the run is over: this only spares it the way. */
export async function stopRun({ env, log }: PlatformCtx, instanceId: string): Promise<void> {
  try {
    await inTime(PATIENCE_MS, async () => (await env.TASA_RUN.get(instanceId)).terminate())
  } catch (error) {
    log.info('run.not_stopped', { instanceId, ...describeError(error) })
  }
}
