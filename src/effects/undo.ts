import { and, desc, eq, gte, inArray, or, type SQL, sql } from 'drizzle-orm'
import { scopesOf, toolsWithin } from '#auth'
import { AppError, describeError, findAppError, type Undo, type UserCtx } from '#core'
import { databaseFailure, ownedBy } from '#database'
import { kick } from '#queue'
import { actingFor } from './act.ts'
import { effectKind, planOf } from './kinds.ts'
import { changing, type EffectRow, eventOf, idsOf, lease, tellOf, versionsIn, versionsOf } from './row.ts'
import type { Undone } from './schema.ts'
import { effects } from './tables.ts'

const MAX_AT_ONCE = 100

type Options = { force?: boolean }

/** Takes one back, or cancels what is still held. What was changed since is left as it is, unless by `force`. */
export async function undoEffect(ctx: UserCtx, id: string, options: Options = {}): Promise<Undone> {
  const [undone] = await undoWhere(ctx, eq(effects.id, id), options)
  if (!undone) throw new AppError('not_found', 'There is no such effect')
  return undone
}

/** Takes back all that a run did, the last first. */
export async function undoRun(ctx: UserCtx, runId: string, options: Options = {}): Promise<Undone[]> {
  return await undoWhere(ctx, and(eq(effects.runId, runId), open), options)
}

/** Takes back all that was done since, the last first; no more than a hundred at a time. */
export async function undoSince(ctx: UserCtx, since: Date, options: Options = {}): Promise<Undone[]> {
  return await undoWhere(ctx, and(gte(effects.createdAt, since), open), options)
}

const open = inArray(effects.status, ['held', 'intended', 'done', 'undoing', 'unknown'])

async function undoWhere(ctx: UserCtx, where: SQL | undefined, { force = false }: Options): Promise<Undone[]> {
  const rows = await ctx.db
    .select()
    .from(effects)
    .where(and(ownedBy(ctx.actor, effects.userId), where))
    .orderBy(desc(effects.createdAt), desc(effects.id))
    .limit(MAX_AT_ONCE)
  const undone: Undone[] = []
  // One after the other: each is taken back from what the one before left.
  for (const row of rows) undone.push({ id: row.id, ...(await undoRow(ctx, row, force)) })
  return undone
}

type Answer = Omit<Undone, 'id'>
const irreversible: Answer = { status: 'irreversible', says: 'This cannot be taken back' }
const busy: Answer = { status: 'failed', says: 'Another is at it just now' }

async function undoRow(ctx: UserCtx, row: EffectRow, force: boolean): Promise<Answer> {
  switch (row.status) {
    case 'held':
      return await cancel(ctx, row)
    case 'undone':
    case 'cancelled':
    case 'failed':
    case 'refused':
      return { status: 'already', says: 'There is nothing of it to take back' }
    case 'intended':
      return await undoLost(ctx, row, force)
    case 'unknown':
      if (force) return await takeBack(ctx, row, undoOf(row), true)
      return { status: 'failed', says: 'It is not known whether it was done; `force` takes back what there is of it' }
    case 'undoing':
      return await takeBack(ctx, row, undoOf(row), true)
    case 'done':
      if (row.undo && row.undoUntil && row.undoUntil <= ctx.now())
        return { status: 'too_late', says: 'It can no longer be taken back' }
      return await takeBack(ctx, row, row.undo, force)
  }
}

// Whoever died at it may have done it. What undoes it finds what is there of it, under the ids it draws.
async function undoLost(ctx: UserCtx, { id }: EffectRow, force: boolean): Promise<Answer> {
  const [lost] = await ctx.db
    .update(effects)
    .set({
      ...{ status: 'unknown', errorCode: 'timeout', error: 'Whoever was at it was lost', holder: null },
      version: sql`${effects.version} + 1`,
      updatedAt: sql`now()`,
    })
    .where(
      and(
        eq(effects.id, id),
        ownedBy(ctx.actor, effects.userId),
        eq(effects.status, 'intended'),
        sql`${effects.leaseUntil} < now()`,
      ),
    )
    .returning()
  return lost ? await takeBack(ctx, lost, undoOf(lost), force) : busy
}

// Kept when it was done; before that it follows from what was found.
function undoOf({ kind, undo, input, before, ...row }: EffectRow): Undo | null {
  const known = effectKind(kind)
  if (undo || !known || known.undoWindowMs === null) return undo
  return planOf(known.tool, input, before, idsOf(row)).undo
}

async function cancel(ctx: UserCtx, row: EffectRow): Promise<Answer> {
  const { db } = ctx
  const changed = changing(ctx, row.id, { status: 'cancelled', endedAt: ctx.now() }, eq(effects.status, 'held'))
  const [gone] = await db.with(changed, tellOf(db, changed)).select().from(changed)
  if (!gone) return { status: 'failed', says: 'It was just done' }
  kick(ctx, [eventOf(gone)])
  return { status: 'cancelled', says: 'It was not done' }
}

async function takeBack(ctx: UserCtx, row: EffectRow, undo: Undo | null, force: boolean): Promise<Answer> {
  const tool = undo && effectKind(undo.tool)?.tool
  if (!tool) return irreversible
  if (toolsWithin(scopesOf(ctx.actor), [tool]).length === 0)
    return { status: 'failed', says: `This key may not ${undo.tool}` }
  const claimed = await claimUndo(ctx, row, force)
  if (claimed !== 'ours') return claimed
  let output: unknown = null
  try {
    ;({ output } = await tool.run(actingFor(ctx, row, tool.name, 'undo'), undo.input))
  } catch (error) {
    const known = findAppError(error) ?? databaseFailure(error)
    if (known?.code === 'session_ended') throw error
    // What is not there any more needs no taking back.
    if (known?.code !== 'not_found') {
      if (!known) ctx.log.error('effect.undo_failed', { effectId: row.id, ...describeError(error) })
      await ctx.db
        .update(effects)
        .set({ status: row.status === 'unknown' ? 'unknown' : 'done', leaseUntil: null })
        .where(isMine(ctx, row))
      return { status: 'failed', says: known?.message ?? 'This did not work' }
    }
  }
  await recordUndone(ctx, row, output)
  return { status: 'undone', says: undo.says }
}

const isMine = ({ actor }: UserCtx, { id }: EffectRow) =>
  and(eq(effects.id, id), ownedBy(actor, effects.userId), eq(effects.status, 'undoing'))

// One trip: it is ours if nobody is at it, and if what it left is what is there.
async function claimUndo(ctx: UserCtx, row: EffectRow, force: boolean): Promise<'ours' | Answer> {
  const { db } = ctx
  const e = effects
  const target = row.changes[0]?.target ?? ''
  const state = effectKind(row.kind)?.tool.state?.(ctx, row.input, () => target)
  const isAsLeft = force || !state ? sql`true` : sql`coalesce(${versionsIn(state)} = ${e.lefts}, true)`
  const isFree = or(eq(e.status, row.status), and(eq(e.status, 'undoing'), sql`${e.leaseUntil} < now()`))
  const isNotHeld = row.status === 'undoing' ? sql`${e.leaseUntil} < now()` : undefined
  const set = { status: 'undoing' as const, leaseUntil: lease() }
  const changed = changing(ctx, row.id, set, and(isFree, isNotHeld, isAsLeft))
  const [found] = await db
    .with(changed)
    .select({ isAsLeft: sql<boolean>`${isAsLeft}`, ours: changed.id })
    .from(e)
    .leftJoin(changed, eq(changed.id, e.id))
    .where(and(eq(e.id, row.id), ownedBy(ctx.actor, e.userId)))
  if (found?.ours) return 'ours'
  return found?.isAsLeft === false
    ? { status: 'changed_since', says: 'It was changed since; `force` takes it back' }
    : busy
}

/** What is as it was found is as the effect before left it, under another number. */
async function recordUndone(ctx: UserCtx, row: EffectRow, output: unknown): Promise<void> {
  const { db, actor } = ctx
  const changed = changing(ctx, row.id, { status: 'undone', endedAt: ctx.now(), leaseUntil: null }, isMine(ctx, row))
  const [versions, found] = [versionsOf(output) ?? {}, row.found ?? {}]
  const renumbered = Object.entries(found).flatMap(([id, was]) => {
    const is = versions[id]
    return is === undefined ? [] : [{ was: { [id]: was }, is: { [id]: is } }]
  })
  const recorded = db.with(changed, tellOf(db, changed)).select().from(changed)
  const renumber = renumbered.map(({ was, is }) =>
    db
      .update(effects)
      .set({ lefts: sql`${effects.lefts} || ${JSON.stringify(is)}::jsonb` })
      .where(
        and(
          ownedBy(actor, effects.userId),
          sql`${effects.lefts} @> ${JSON.stringify(was)}::jsonb`,
          eq(effects.status, 'done'),
        ),
      ),
  )
  const [[undone]] = await db.batch([recorded, ...renumber])
  if (undone) kick(ctx, [eventOf(undone)])
}
