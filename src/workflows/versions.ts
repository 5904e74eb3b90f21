import { and, desc, eq, lt, sql } from 'drizzle-orm'
import { z } from 'zod'
import { decodeCursor, encodeCursor, toPage } from '#core'
import { iso, jsonObject } from '#database'
import { mine, missing, type ReadCtx } from './row.ts'
import { workflowRuns, workflows, workflowVersions } from './tables.ts'
import type { VersionQuery, WorkflowMetrics, WorkflowVersion } from './workflow-schema.ts'

const LIST = 'workflow-versions'
const CursorKey = z.tuple([z.number().int().min(1).max(2_147_483_647)])

/** Every definition it ever had, the newest first. One trip. */
export async function listVersions(ctx: ReadCtx, id: string, { limit, cursor }: VersionQuery) {
  const [before] = cursor ? decodeCursor(LIST, cursor, CursorKey) : []
  const v = workflowVersions
  const version = jsonObject<WorkflowVersion>({
    version: v.version,
    note: v.note,
    isInUse: sql`${v.version} = ${workflows.definitionVersion}`,
    createdAt: iso(v.createdAt),
    definition: v.definition,
  })
  const rows = await ctx.db
    .select({ version, hasAny: v.id })
    .from(workflows)
    .leftJoin(v, and(eq(v.workflowId, workflows.id), before === undefined ? undefined : lt(v.version, before)))
    .where(mine(ctx, id))
    .orderBy(desc(v.version))
    .limit(limit + 1)
  if (rows.length === 0) throw missing()
  const all = rows.flatMap(({ version: one, hasAny }) => (hasAny === null ? [] : [one]))
  return toPage(all, limit, (last) => encodeCursor(LIST, [last.version]))
}

/** What its runs of so many days came to. One trip. */
export async function workflowMetrics(ctx: ReadCtx, id: string, days: number): Promise<WorkflowMetrics> {
  const r = workflowRuns
  const where = (condition: ReturnType<typeof sql>) => sql`count(${r.id}) filter (where ${condition})::int`
  const took = sql`extract(epoch from ${r.endedAt} - ${r.startedAt}) * 1000`
  const quantile = (share: number) =>
    sql`round((percentile_cont(${share}::float8) within group (order by (${took})::float8))::numeric)::bigint`
  const metrics = jsonObject<Omit<WorkflowMetrics, 'days'>>({
    runs: sql`count(${r.id})::int`,
    ended: where(sql`${r.endedAt} is not null`),
    succeeded: where(sql`${r.status} = 'done' and jsonb_array_length(${r.evidence}) > 0`),
    nothing: where(sql`${r.status} = 'done' and ${r.outcome} = 'nothing'`),
    failed: where(sql`${r.status} in ('failed', 'compensated')`),
    suggested: where(sql`${r.accepted} is not null`),
    accepted: where(sql`${r.accepted}`),
    savedMinutes: sql`coalesce(sum(${r.savedMinutes}), 0)::int`,
    costMicros: sql`coalesce(sum(${r.costMicros}), 0)::bigint`,
    p50Ms: quantile(0.5),
    p95Ms: quantile(0.95),
    lastRunAt: iso(sql`max(${r.createdAt})`),
  })
  const [row] = await ctx.db
    .select({ metrics })
    .from(workflows)
    .leftJoin(r, and(eq(r.workflowId, workflows.id), sql`${r.createdAt} > now() - ${days}::int * interval '1 day'`))
    .where(mine(ctx, id))
    .groupBy(workflows.id)
  if (!row) throw missing()
  return { days, ...row.metrics }
}
