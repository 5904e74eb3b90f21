import { and, asc, eq, gt, inArray, isNull, lte, ne, sql } from 'drizzle-orm'
import { findAppError, type UserCtx } from '#core'
import { ownedBy } from '#database'
import { kick } from '#queue'
import { silence, tellUpdated } from './row.ts'
import { cancelRun } from './runs.ts'
import { workflowRuns, workflows } from './tables.ts'

const RUNS_AT_ONCE = 100

/** Switches off every workflow that was there by then, and has the addresses of their webhooks open no more. One trip. */
export async function switchOff(ctx: UserCtx, until: Date): Promise<void> {
  const { db, actor } = ctx
  const theirs = and(ownedBy(actor, workflows.userId), isNull(workflows.deletedAt), lte(workflows.createdAt, until))
  const found = db.$with('found').as(db.select({ id: workflows.id }).from(workflows).where(theirs))
  const changed = db.$with('changed').as(
    db
      .update(workflows)
      .set({
        ...{ status: 'disabled', pausedReason: null, pausedUntil: null },
        version: sql`${workflows.version} + 1`,
        updatedAt: sql`now()`,
      })
      .where(and(theirs, ne(workflows.status, 'disabled')))
      .returning(),
  )
  const told = tellUpdated(db, 'told', changed)
  const events = await db
    .with(found, changed, silence(db, 'found', sql`, secret = null`), told)
    .select({ id: told.id })
    .from(told)
  kick(
    ctx,
    events.map(({ id }) => id),
  )
}

/** Ends every run of the workflows that were there by then and are off, a page at a time. */
export async function endRunsOf(ctx: UserCtx, until: Date): Promise<void> {
  const { db, actor } = ctx
  const r = workflowRuns
  const theirs = and(
    ownedBy(actor, workflows.userId),
    lte(workflows.createdAt, until),
    eq(workflows.status, 'disabled'),
  )
  const off = db.select({ id: workflows.id }).from(workflows).where(theirs)
  for (let after = ''; ; ) {
    const open = and(ownedBy(actor, r.userId), isNull(r.endedAt), inArray(r.workflowId, off), gt(r.id, after))
    const rows = await db.select({ id: r.id }).from(r).where(open).orderBy(asc(r.id)).limit(RUNS_AT_ONCE)
    for (const { id } of rows) {
      try {
        await cancelRun(ctx, id)
      } catch (error) {
        // It ended meanwhile.
        if (findAppError(error)?.code !== 'conflict') throw error
      }
    }
    if (rows.length < RUNS_AT_ONCE) return
    after = rows.at(-1)?.id ?? after
  }
}
