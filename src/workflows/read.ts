import { type AnyColumn, and, desc, eq, ilike, isNull, lt, or, type SQL, sql } from 'drizzle-orm'
import { z } from 'zod'
import { decodeCursor, encodeCursor, s, toPage } from '#core'
import { containing, ownedBy } from '#database'
import { timesOf } from './compile.ts'
import type { Definition, Trigger } from './definition.ts'
import { type ChangeCtx, mine, missing, type ReadCtx, shown } from './row.ts'
import { triggers, workflows, workflowVersions } from './tables.ts'
import type { ShownTrigger, Workflow, WorkflowQuery, WorkflowWhole } from './workflow-schema.ts'

const LIST = 'workflows'
const CursorKey = z.tuple([s.id('wfl')])
const SHOWN_TIMES = 5

/** What is kept of a trigger. */
type Kept = { id: string; kind: string; active: boolean; config: Trigger; lastFiredAt: string | null }
export type Read = { workflow: Workflow; definition: Definition; triggers: Kept[]; zone: string }

/** The triggers of a workflow, of the table or of what a CTE answers of it, as JSON. */
export const keptIn = (from: SQL | typeof triggers, workflowId: SQL | AnyColumn): SQL<Kept[]> =>
  sql`(select coalesce(json_agg(json_build_object('id', t.id, 'kind', t.kind, 'active', t.active, 'config', t.config,
    'lastFiredAt', t.last_fired_at) order by t.id), '[]') from ${from} t where t.workflow_id = ${workflowId})`

/** The definition of a version, as JSON. */
export const definitionIn = (workflowId: SQL | AnyColumn, version: SQL | AnyColumn): SQL<Definition> =>
  sql`(select v.definition from ${workflowVersions} v where v.workflow_id = ${workflowId} and v.version = ${version})`

export const zoneOf = (userId: string): SQL<string> => sql`person_zone(${userId})`

/** A workflow with its definition and triggers as they are kept. One trip. */
export async function readWorkflow(ctx: ReadCtx, id: string): Promise<Read> {
  const [row] = await ctx.db
    .select({
      workflow: shown(workflows),
      definition: sql<Definition>`${workflowVersions.definition}`,
      triggers: keptIn(triggers, workflows.id),
      zone: zoneOf(ctx.actor.userId),
    })
    .from(workflows)
    .innerJoin(
      workflowVersions,
      and(eq(workflowVersions.workflowId, workflows.id), eq(workflowVersions.version, workflows.definitionVersion)),
    )
    .where(mine(ctx, id))
  if (!row) throw missing()
  return row
}

/** With the next times of each of its triggers. */
export function wholeOf({ now }: Pick<ChangeCtx, 'now'>, read: Read): WorkflowWhole {
  const shownTriggers = read.triggers.map(({ config, lastFiredAt, ...one }): ShownTrigger => {
    const next = one.active ? timesOf(config, read.zone, now(), SHOWN_TIMES) : []
    const last = lastFiredAt === null ? null : new Date(lastFiredAt).toISOString()
    return { ...one, next: next.map((at) => at.toISOString()), lastFiredAt: last }
  })
  return { ...read.workflow, definition: read.definition, triggers: shownTriggers }
}

/** One workflow, whole: its definition, and when it is due next. One trip. */
export async function getWorkflow(ctx: ReadCtx & Pick<ChangeCtx, 'now'>, id: string): Promise<WorkflowWhole> {
  return wholeOf(ctx, await readWorkflow(ctx, id))
}

/** The person's workflows, newest first; `text` is looked for in names and descriptions. One trip. */
export async function listWorkflows(ctx: ReadCtx, { limit, cursor, text, status }: WorkflowQuery) {
  const [after] = cursor ? decodeCursor(LIST, cursor, CursorKey) : []
  const w = workflows
  const rows = await ctx.db
    .select({ workflow: shown(w) })
    .from(w)
    .where(
      and(
        ownedBy(ctx.actor, w.userId),
        isNull(w.deletedAt),
        status && eq(w.status, status),
        text === undefined ? undefined : or(ilike(w.name, containing(text)), ilike(w.description, containing(text))),
        after === undefined ? undefined : lt(w.id, after),
      ),
    )
    .orderBy(desc(w.id))
    .limit(limit + 1)
  const all = rows.map(({ workflow }) => workflow)
  return toPage(all, limit, (last) => encodeCursor(LIST, [last.id]))
}
