import { sql } from 'drizzle-orm'
import { type Ctx, describeError } from '#core'
import { iso, jsonObject } from '#database'
import type { CronRun } from './schema.ts'
import { jobRuns as j } from './tables.ts'

const MAX_ERROR = 500

/** Runs the jobs of a tick, each on its own, and notes what came of them. A failure of one is none of the others'. */
export async function runCron(ctx: Ctx, jobs: Record<string, () => Promise<unknown>>): Promise<void> {
  const rows = await Promise.all(
    Object.entries(jobs).map(async ([job, run]) => {
      const startedAt = ctx.now()
      let error: string | null = null
      try {
        await run()
      } catch (failure) {
        const said = describeError(failure)
        error = String(said['error']).slice(0, MAX_ERROR)
        ctx.log.error('cron.failed', { job, ...said })
      }
      return {
        job,
        startedAt,
        durationMs: ctx.now().getTime() - startedAt.getTime(),
        error,
        failures: error === null ? 0 : 1,
      }
    }),
  )
  const failures = sql`case when excluded.error is null then 0 else ${j.failures} + 1 end`
  const set = {
    startedAt: sql`excluded.started_at`,
    durationMs: sql`excluded.duration_ms`,
    error: sql`excluded.error`,
    failures,
  }
  await ctx.db.insert(j).values(rows).onConflictDoUpdate({ target: j.job, set })
}

/** When each job last ran. One trip. */
export async function listCron({ db }: Pick<Ctx, 'db'>): Promise<CronRun[]> {
  const { job, durationMs, error, failures } = j
  const rows = await db
    .select({ run: jsonObject<CronRun>({ job, startedAt: iso(j.startedAt), durationMs, error, failures }) })
    .from(j)
    .orderBy(j.job)
  return rows.map(({ run }) => run)
}
