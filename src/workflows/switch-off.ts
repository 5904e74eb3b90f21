import { and, isNull, lte, ne, sql } from 'drizzle-orm'
import { findAppError, type UserCtx } from '#core'
import { ownedBy } from '#database'
import { kick } from '#queue'
import { silence, tellUpdated } from './row.ts'
import { cancelRun } from './runs.ts'
import { workflowRuns, workflows } from './tables.ts'

const MOST_RUNS = 100

/**
 * Switches off every workflow that was there by then, ends their runs, and has the addresses of their webhooks open no
 * more. Two trips, and those of each run.
 */
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
  const r = workflowRuns
  const open = and(ownedBy(actor, r.userId), isNull(r.endedAt), lte(r.createdAt, until))
  for (const { id } of await db.select({ id: r.id }).from(r).where(open).limit(MOST_RUNS)) {
    try {
      await cancelRun(ctx, id)
    } catch (error) {
      // It ended meanwhile.
      if (findAppError(error)?.code !== 'conflict') throw error
    }
  }
}
