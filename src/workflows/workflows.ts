import { and, eq, lt, sql } from 'drizzle-orm'
import { alias } from 'drizzle-orm/pg-core'
import { withdraw } from '#ai'
import { AppError, findAppError } from '#core'
import { ownedBy, ownerId } from '#database'
import { kick, tell } from '#queue'
import { compile } from './compile.ts'
import type { Definition } from './definition.ts'
import { workflowCreated, workflowDeleted } from './events.ts'
import { definitionIn, keptIn, readWorkflow, wholeOf, zoneOf } from './read.ts'
import {
  asker,
  type ChangeCtx,
  keepVersion,
  mine,
  missing,
  type ReadCtx,
  setTriggers,
  shown,
  silence,
  stale,
  step,
  tellUpdated,
} from './row.ts'
import { runSteps, triggers, workflowRuns, workflows, workflowVersions } from './tables.ts'
import type { Params } from './when-of.ts'
import type { NewWorkflow, Workflow, WorkflowPatch, WorkflowWhole } from './workflow-schema.ts'

const MAX_TRIES = 3

type Source = NewWorkflow & { template?: string }

/** Makes a workflow with its triggers and its event. Two trips; the same id again answers the one that is there. */
export async function createWorkflow(ctx: ChangeCtx, input: Source): Promise<WorkflowWhole> {
  const { db, actor } = ctx
  const { definition, enabled, note, template, ...fields } = input
  const id = ctx.newId('wfl')
  const compiled = await compile(ctx, { id, definition, params: fields.params, isNew: true })
  const row = {
    ...fields,
    id,
    userId: ownerId(actor),
    status: enabled ? ('enabled' as const) : ('disabled' as const),
    params: compiled.params,
    templateKey: template ?? null,
  }
  const me = asker(ctx)
  const made = db
    .$with('made')
    .as(db.insert(workflows).values(row).onConflictDoNothing({ target: workflows.id }).returning())
  const told = tell(db, 'told', made, {
    kind: workflowCreated,
    userId: made.userId,
    key: made.id,
    version: made.version,
    data: shown(made),
  })
  const known = alias(workflows, 'known')
  const [answer] = await db
    .with(me, made, keepVersion(db, 'made', definition, note), ...setTriggers(db, 'made', compiled.triggers), told)
    .select({
      workflow: sql<Workflow>`case when ${made.id} is not null then ${shown(made)} else ${shown(known)} end`,
      isNew: sql<boolean>`${made.id} is not null`,
      isThere: sql<boolean>`coalesce(${made.id}, ${known.id}) is not null`,
      definition: definitionIn(known.id, known.definitionVersion),
      armed: keptIn(sql`armed`, made.id),
      kept: keptIn(triggers, known.id),
      eventId: told.id,
    })
    .from(me)
    .leftJoin(made, sql`true`)
    .leftJoin(known, and(eq(known.id, id), eq(known.userId, actor.userId)))
    .leftJoin(told, sql`true`)
  if (!answer?.isThere) throw new Error('an insert returned no row')
  kick(ctx, [answer.eventId])
  const { workflow, isNew } = answer
  const its = isNew ? { definition, triggers: answer.armed } : { definition: answer.definition, triggers: answer.kept }
  return wholeOf(ctx, { workflow, zone: compiled.zone, ...its })
}

type Change = Partial<typeof workflows.$inferInsert>

/** Changes the row, its triggers and, where a definition is given, its version: one statement with its event. */
async function change(
  ctx: ChangeCtx,
  id: string,
  set: Change | Record<string, unknown>,
  version: number | '*',
  parts: { definition?: Definition; note?: string; triggers?: Parameters<typeof setTriggers>[2]; isSilenced?: true },
): Promise<WorkflowWhole> {
  const { db } = ctx
  const current = db.$with('current').as(db.select({ id: workflows.id }).from(workflows).where(mine(ctx, id)))
  const changed = db.$with('changed').as(
    db
      .update(workflows)
      .set({ ...set, version: sql`${workflows.version} + 1`, updatedAt: sql`now()` })
      .where(and(mine(ctx, id), version === '*' ? undefined : eq(workflows.version, version)))
      .returning(),
  )
  const told = tellUpdated(db, 'told', changed)
  const also = [
    ...(parts.definition ? [keepVersion(db, 'changed', parts.definition, parts.note ?? '')] : []),
    ...(parts.triggers ? setTriggers(db, 'changed', parts.triggers) : []),
    ...(parts.isSilenced ? [silence(db, 'changed')] : []),
  ]
  const now = parts.triggers ? sql`armed` : parts.isSilenced ? sql`silenced` : triggers
  const [row] = await db
    .with(current, changed, told, ...also)
    .select({
      changed: changed.id,
      workflow: shown(changed),
      eventId: told.id,
      definition: definitionIn(changed.id, changed.definitionVersion),
      triggers: keptIn(now, changed.id),
      zone: zoneOf(ctx.actor.userId),
    })
    .from(current)
    .leftJoin(changed, eq(changed.id, current.id))
    .leftJoin(told, sql`true`)
  if (!row) throw missing()
  if (row.changed === null) throw stale()
  kick(ctx, [row.eventId])
  return wholeOf(ctx, { ...row, definition: parts.definition ?? row.definition })
}

/** Changes what is given; a definition becomes its next version. Up to three trips; 412 when it moved on. */
export async function updateWorkflow(
  ctx: ChangeCtx,
  id: string,
  patch: WorkflowPatch,
  version: number | '*',
): Promise<WorkflowWhole> {
  const { definition, params, note = '', ...fields } = patch
  if (!definition && !params) {
    if (Object.keys(fields).length > 0) return await change(ctx, id, fields, version, {})
    const read = await readWorkflow(ctx, id)
    if (version !== '*' && version !== read.workflow.version) throw stale()
    return wholeOf(ctx, read)
  }
  const read = await readWorkflow(ctx, id)
  const next = definition ?? read.definition
  const given = params ?? fitting(read.workflow.params, next)
  const compiled = await compile(ctx, { id, definition: next, params: given, isNew: false })
  const set = {
    ...fields,
    params: compiled.params,
    ...(definition && {
      latestVersion: sql`${workflows.latestVersion} + 1`,
      definitionVersion: sql`${workflows.latestVersion} + 1`,
    }),
  }
  // What was compiled goes with what was read, also where any version will do.
  const expected = version === '*' ? read.workflow.version : version
  return await change(ctx, id, set, expected, { ...(definition && { definition, note }), triggers: compiled.triggers })
}

// A choice stays as long as there is something to choose.
function fitting(params: Params, { parameters = [] }: Definition): Params {
  const names = new Set(parameters.map(({ name }) => name))
  return Object.fromEntries(Object.entries(params).filter(([name]) => names.has(name)))
}

/** Once more where it changed between the look and the write. */
async function steadily<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work()
    } catch (error) {
      if (findAppError(error)?.code !== 'version_stale') throw error
      if (tries === MAX_TRIES) throw new AppError('conflict', 'The workflow changes all the time; try again')
    }
  }
}

/** New runs take this version again. Four trips; `invalid_request` where it no longer can be run. */
export async function useVersion(ctx: ChangeCtx, id: string, version: number): Promise<WorkflowWhole> {
  return await steadily(() => takeVersion(ctx, id, version))
}

async function takeVersion(ctx: ChangeCtx, id: string, version: number): Promise<WorkflowWhole> {
  const read = await readWorkflow(ctx, id)
  if (read.workflow.definitionVersion === version) return wholeOf(ctx, read)
  const v = workflowVersions
  const [row] = await ctx.db
    .select({ definition: sql<Definition>`${v.definition}` })
    .from(v)
    .where(and(eq(v.workflowId, id), eq(v.version, version), ownedBy(ctx.actor, v.userId)))
  if (!row) throw missing()
  const { definition } = row
  const params = fitting(read.workflow.params, definition)
  const compiled = await compile(ctx, { id, definition, params, isNew: false })
  const set = { definitionVersion: version, params: compiled.params }
  return await change(ctx, id, set, read.workflow.version, { triggers: compiled.triggers })
}

type Standing = { status: 'enabled' | 'disabled' } | { status: 'paused'; until: string | undefined }

/** Switches it on, off, or off for a while; what was due meanwhile is not made up for. Two trips, three to switch it on. */
export async function setStatus(ctx: ChangeCtx, id: string, standing: Standing): Promise<WorkflowWhole> {
  return await steadily(() => stand(ctx, id, standing))
}

async function stand(ctx: ChangeCtx, id: string, standing: Standing): Promise<WorkflowWhole> {
  const read = await readWorkflow(ctx, id)
  const { workflow, definition } = read
  const { status } = standing
  const until = standing.status === 'paused' && standing.until ? new Date(standing.until) : null
  const pausedReason = status === 'paused' ? ('person' as const) : null
  const isSame = workflow.status === status && workflow.pausedReason === pausedReason
  if (isSame && workflow.pausedUntil === (until?.toISOString() ?? null)) return wholeOf(ctx, read)
  const set = {
    status,
    pausedReason,
    pausedUntil: until,
    ...(status === 'enabled' && { failuresInRow: 0 }),
  }
  // Whatever became of it can be switched off.
  if (status !== 'enabled') return await change(ctx, id, set, workflow.version, { isSilenced: true })
  // Its times are reckoned anew, and what it needs is asked for again.
  const { triggers } = await compile(ctx, { id, definition, params: workflow.params, isNew: false })
  return await change(ctx, id, set, workflow.version, { triggers })
}

/**
 * Deletes it: nothing sets it off any more, no model is asked for it, and its runs go with it in thirty days. One trip, two
 * where a call waits.
 */
export async function deleteWorkflow(ctx: ChangeCtx, id: string): Promise<void> {
  const { db } = ctx
  const gone = db.$with('gone').as(
    db
      .update(workflows)
      .set({ deletedAt: ctx.now(), status: 'disabled', version: sql`${workflows.version} + 1`, updatedAt: sql`now()` })
      .where(mine(ctx, id))
      .returning(),
  )
  const silenced = step(db, 'silenced', sql`delete from ${triggers} t using gone where t.workflow_id = gone.id`)
  const told = tell(db, 'told', gone, {
    kind: workflowDeleted,
    userId: gone.userId,
    key: gone.id,
    version: gone.version,
    data: shown(gone),
  })
  const left = sql<string[]>`(select coalesce(json_agg(s.output->>'callId'), '[]') from ${runSteps} s
    join ${workflowRuns} r on r.id = s.run_id and r.workflow_id = ${id} and r.ended_at is null
    where s.step = ':leave' and s.output->>'callId' is not null)`
  const [row] = await db.with(gone, silenced, told).select({ eventId: told.id, left }).from(told)
  if (!row) throw missing()
  kick(ctx, [row.eventId])
  // Their end wakes the runs, which find that the workflow is gone.
  if (row.left.length > 0) await withdraw(ctx, { ids: row.left })
}

/** Erases what was deleted thirty days ago, with its runs. */
export async function emptyWorkflowBin({ db }: Pick<ReadCtx, 'db'>): Promise<void> {
  await db.delete(workflows).where(lt(workflows.deletedAt, sql`now() - interval '30 days'`))
}
