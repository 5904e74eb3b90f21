import { and, asc, desc, eq, gt, inArray, lte, not, or, type SQL, sql } from 'drizzle-orm'
import { z } from 'zod'
import { scopesOf, toolsWithin } from '#auth'
import {
  AppError,
  canonical,
  decodeCursor,
  describeError,
  encodeCursor,
  findAppError,
  isRecord,
  s,
  toPage,
  type Undo,
  type UserCtx,
} from '#core'
import { databaseFailure, ownedBy } from '#database'
import { isHandedOn } from '#mail'
import { kick } from '#queue'
import { actingFor, save } from './act.ts'
import { effectKind, planOf } from './kinds.ts'
import { changing, type EffectRow, eventOf, idsOf, isReversible, lease, tellOf, versionsIn, versionsOf } from './row.ts'
import type { Undone } from './schema.ts'
import { effects } from './tables.ts'

const MAX_AT_ONCE = 100
const LIST = 'undone'
const CursorKey = z.tuple([z.string().max(40), s.id('eff')])
const e = effects

type Options = { force?: boolean; cursor?: string | undefined }
/** `until`: what was asked for before then. */
type Since = { since: Date; until?: Date | undefined }
export type UndonePage = { items: Undone[]; nextCursor: string | null }

/** Takes one back, or cancels what is still held. What was changed since is left as it is, unless by `force`. */
export async function undoEffect(ctx: UserCtx, id: string, { force = false }: Options = {}): Promise<Undone> {
  const [row] = await ctx.db
    .select()
    .from(e)
    .where(and(ownedBy(ctx.actor, e.userId), eq(e.id, id)))
  if (!row) throw new AppError('not_found', 'There is no such effect')
  return { id, ...(await undoRow(ctx, row, force)) }
}

/** Takes back what a run did, the last first, a page at a time. */
export async function undoRun(ctx: UserCtx, runId: string, options: Options = {}): Promise<UndonePage> {
  return await undoWhere(ctx, eq(e.runId, runId), options)
}

/** Takes back what was done since, the last first, a page at a time. */
export async function undoSince(
  ctx: UserCtx,
  since: Date,
  { until, ...options }: Options & Pick<Since, 'until'> = {},
): Promise<UndonePage> {
  return await undoWhere(ctx, isSince({ since, until }), options)
}

/** Takes back those of these that may be now, the last first. */
export async function undoThese(ctx: UserCtx, ids: string[]): Promise<Undone[]> {
  return (await undoWhere(ctx, sql`(${inArray(e.id, ids)} and ${isReversible(e)})`, {})).items
}

/**
 * Takes back what was asked for last of what these answers did, or these suggestions: all of that answer or suggestion;
 * null: none did anything.
 */
export async function undoLast(ctx: UserCtx, messageIds: string[], suggestionIds: string[]): Promise<Undone[] | null> {
  const [last] = await ctx.db
    .select({ messageId: e.messageId, suggestionId: e.suggestionId })
    .from(e)
    .where(
      and(
        ownedBy(ctx.actor, e.userId),
        or(inArray(e.messageId, messageIds), inArray(e.suggestionId, suggestionIds)),
        open,
      ),
    )
    .orderBy(desc(e.id))
    .limit(1)
  if (!last) return null
  const same = last.messageId === null ? eq(e.suggestionId, last.suggestionId ?? '') : eq(e.messageId, last.messageId)
  return (await undoWhere(ctx, same, {})).items
}

/** Cancels what is held since before then. A trip for each hundred, and those of each. */
export async function cancelEffects(ctx: UserCtx, until: Date): Promise<void> {
  for (let after = ''; ; ) {
    const isHeld = and(ownedBy(ctx.actor, e.userId), eq(e.status, 'held'), lte(e.createdAt, until), gt(e.id, after))
    const rows = await ctx.db.select().from(e).where(isHeld).orderBy(asc(e.id)).limit(MAX_AT_ONCE)
    for (const row of rows) await undoRow(ctx, row, false)
    if (rows.length < MAX_AT_ONCE) return
    after = rows.at(-1)?.id ?? after
  }
}

const isLost = and(eq(e.status, 'intended'), sql`${e.leaseUntil} < now()`)
export const open = inArray(e.status, ['held', 'intended', 'sending', 'done', 'undoing', 'unknown'])
// When it was done, is to be, or was asked for.
export const doneAt = sql`coalesce(${e.doneAt}, ${e.heldUntil}, ${e.createdAt})`
// What is held is done later than it was asked for: the end is of the asking.
export const isSince = ({ since, until }: Since): SQL => {
  const begins = sql`${doneAt} >= ${since.toISOString()}::timestamptz`
  return until ? sql`(${begins} and ${e.createdAt} < ${until.toISOString()}::timestamptz)` : begins
}

async function undoWhere(ctx: UserCtx, where: SQL, { force = false, cursor }: Options): Promise<UndonePage> {
  const [at, id] = cursor === undefined ? [] : decodeCursor(LIST, cursor, CursorKey)
  const isAfter = at === undefined ? undefined : sql`(${doneAt}, ${e.id}) < (${at}::timestamptz, ${id})`
  const rows = await ctx.db
    .select({ row: e, at: sql<string>`${doneAt}::text` })
    .from(e)
    .where(and(ownedBy(ctx.actor, e.userId), open, where, isAfter))
    .orderBy(desc(doneAt), desc(e.id))
    .limit(MAX_AT_ONCE + 1)
  const page = toPage(rows, MAX_AT_ONCE, (last) => encodeCursor(LIST, [last.at, last.row.id]))
  const items: Undone[] = []
  // One after the other: each is taken back from what the one before left.
  for (const { row } of page.items) items.push({ id: row.id, ...(await undoRow(ctx, row, force)) })
  return { items, nextCursor: page.nextCursor }
}

type Answer = Omit<Undone, 'id'>
const irreversible: Answer = { status: 'irreversible', says: 'This cannot be taken back' }
const cancelled: Answer = { status: 'cancelled', says: 'It was not done' }
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
      return await takeBack(ctx, row, undoOf(row), force || row.undoForced)
    case 'sending':
      return irreversible
    case 'done':
      if (row.undo && row.undoUntil && row.undoUntil <= ctx.now())
        return { status: 'too_late', says: 'It can no longer be taken back' }
      return await takeBack(ctx, row, row.undo, force)
  }
}

// Whoever died at it may have done it. What undoes it finds what is there of it, under the ids it draws.
async function undoLost(ctx: UserCtx, row: EffectRow, force: boolean): Promise<Answer> {
  if (row.heldUntil) return await cancelLost(ctx, row)
  const why = { errorCode: 'timeout', error: 'Whoever was at it was lost', holder: null }
  const lost = await save(ctx, row.id, { status: 'unknown', ...why }, isLost)
  return lost ? await takeBack(ctx, lost, undoOf(lost), force) : busy
}

// What is held goes out as mail: all of its letters were queued, or none was. Those that were, the sweep goes on with.
async function cancelLost(ctx: UserCtx, row: EffectRow): Promise<Answer> {
  const isOut = isHandedOn({ actor: ctx.actor, newId: idsOf(row) })
  const ended = { status: 'cancelled' as const, endedAt: ctx.now(), holder: null, leaseUntil: null }
  if (await save(ctx, row.id, ended, and(isLost, not(isOut)))) return cancelled
  const { rows } = await ctx.db.execute<{ isOut: boolean }>(sql`select ${isOut} as "isOut"`)
  return rows[0]?.isOut ? irreversible : busy
}

// Kept when it was done; before that it follows from what was found.
function undoOf({ kind, undo, input, before, ...row }: EffectRow): Undo | null {
  const known = effectKind(kind)
  if (undo || !known || known.undoWindowMs === null) return undo
  return planOf(known.tool, input, before, idsOf(row)).undo
}

async function cancel(ctx: UserCtx, row: EffectRow): Promise<Answer> {
  const gone = await save(ctx, row.id, { status: 'cancelled', endedAt: ctx.now() }, eq(effects.status, 'held'))
  return gone ? cancelled : { status: 'failed', says: 'It was just done' }
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
        .set({ status: before(row), leaseUntil: null })
        .where(isMine(ctx, row))
      return { status: 'failed', says: known?.message ?? 'This did not work' }
    }
  }
  await recordUndone(ctx, row, output)
  return { status: 'undone', says: undo.says }
}

const isMine = ({ actor }: UserCtx, { id }: EffectRow) =>
  and(eq(effects.id, id), ownedBy(actor, effects.userId), eq(effects.status, 'undoing'))

/** What it was before it was taken back. */
const before = ({ status, undoFrom }: EffectRow) => (status === 'unknown' ? status : (undoFrom ?? 'done'))

// One trip, two where an earlier one was cut short: it is ours if nobody is at it, and if what it left is what is there.
async function claimUndo(ctx: UserCtx, row: EffectRow, force: boolean): Promise<'ours' | Answer> {
  const { db } = ctx
  const target = row.changes[0]?.target ?? ''
  const state = effectKind(row.kind)?.tool.state?.(ctx, row.input, () => target)
  const isAgain = row.status === 'undoing'
  const isAsLeft = force || !state ? sql`true` : sameAsLeft(state, row)
  const isFree = isAgain ? sql`${e.leaseUntil} < now()` : isAsLeft
  const asked = isAgain ? {} : { undoForced: force, undoFrom: before(row) }
  const set = { status: 'undoing' as const, leaseUntil: lease(), ...asked }
  const changed = changing(ctx, row.id, set, and(eq(e.status, row.status), isFree))
  const [found] = await db
    .with(changed)
    .select({
      isAsLeft: sql<boolean>`${isAsLeft}`,
      state: state ? sql<unknown>`(${state})::jsonb` : sql<unknown>`null`,
      ours: changed.id,
    })
    .from(e)
    .leftJoin(changed, eq(changed.id, e.id))
    .where(and(eq(e.id, row.id), ownedBy(ctx.actor, e.userId)))
  const since: Answer = { status: 'changed_since', says: 'It was changed since; `force` takes it back' }
  if (!found?.ours) return found?.isAsLeft === false ? since : busy
  if (found.isAsLeft || isBack(found.state, row.changes)) return 'ours'
  await db
    .update(e)
    .set({ status: before(row), leaseUntil: null })
    .where(isMine(ctx, row))
  return since
}

/** Of a change whose versions are not known nobody can say that it is as it was left. */
function sameAsLeft(state: SQL, { changes }: EffectRow): SQL {
  const there = versionsIn(state)
  const isChange = changes.some((one) => one.before && one.after)
  return sql`coalesce(${there} = ${e.lefts}, ${isChange ? sql`${there} is null` : sql`true`})`
}

/** Whether what is there is what an undo leaves that was cut short: to do it again overwrites nothing. */
function isBack(state: unknown, changes: EffectRow['changes']): boolean {
  const things = [state].flat().filter(isRecord)
  return changes.every((one) => {
    const thing = things.find(({ id }) => id === one.target)
    if (!thing || one.after === null) return true
    if (one.before === null) return (thing['deletedAt'] ?? thing['archivedAt'] ?? null) !== null
    return Object.entries(one.before).every(([name, was]) => canonical([thing[name]]) === canonical([was]))
  })
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
