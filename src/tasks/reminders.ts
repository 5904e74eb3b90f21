import { and, asc, eq, exists, gt, isNull, lte, type SQL, sql } from 'drizzle-orm'
import type { Ctx } from '#core'
import { ownedBy } from '#database'
import { type ReadCtx, shown } from './row.ts'
import type { Task } from './schema.ts'
import { tasks, waitsToRemind } from './tables.ts'

const GIVEN_UP_AFTER_MS = 7 * 24 * 3600_000

/** The task if its reminder is still to be given: open, not in the bin, not reminded of. One trip. */
export async function getReminder(ctx: ReadCtx, id: string): Promise<Task | null> {
  const [row] = await ctx.db
    .select({ task: shown(tasks) })
    .from(tasks)
    .where(and(eq(tasks.id, id), ownedBy(ctx.actor, tasks.userId), waitsToRemind(tasks)))
  return row?.task ?? null
}

const isMeant = (userId: string, id: string, remindAt: string) =>
  and(eq(tasks.id, id), eq(tasks.userId, userId), sql`${tasks.remindAt} = ${remindAt}::timestamptz`)

/** Whether a reminder is still to be given, asked by the statement that gives it. */
export const stillReminds = (db: Ctx['db'], userId: string, id: string, remindAt: string): SQL =>
  exists(
    db
      .select({ id: tasks.id })
      .from(tasks)
      .where(and(isMeant(userId, id, remindAt), waitsToRemind(tasks))),
  )

/** The statement that notes a reminder as given; no row back when it was given, or moved to another time, before. */
export function markReminded(db: Ctx['db'], userId: string, id: string, remindAt: string) {
  return db
    .update(tasks)
    .set({ remindedAt: sql`now()` })
    .where(and(isMeant(userId, id, remindAt), isNull(tasks.remindedAt)))
    .returning({ id: tasks.id })
}

/** The statement that finds reminders of anybody that are to be given by then, soonest first. */
export function waitingReminders(db: Ctx['db'], by: Date, limit: number) {
  return db
    .select({ id: tasks.id, userId: tasks.userId, remindAt: tasks.remindAt, version: tasks.version })
    .from(tasks)
    .where(
      and(
        waitsToRemind(tasks),
        lte(tasks.remindAt, by),
        gt(tasks.remindAt, new Date(by.getTime() - GIVEN_UP_AFTER_MS)),
      ),
    )
    .orderBy(asc(tasks.remindAt))
    .limit(limit)
}
