import { and, desc, eq, inArray, lt, type SQL } from 'drizzle-orm'
import { z } from 'zod'
import { AppError, decodeCursor, encodeCursor, s, toPage, type UserCtx } from '#core'
import { ownedBy } from '#database'
import { effectKinds } from './kinds.ts'
import { realEffects } from './perform.ts'
import { MAX_SAYS, type Outcome } from './port.ts'
import { recordingEffects } from './record.ts'
import { isReversible, shown } from './row.ts'
import type { Effect, EffectKindShown, EffectQuery, NewEffect, Preview, Undo } from './schema.ts'
import { effects } from './tables.ts'
import { doneAt, isSince, open, type UndonePage, undoEffect, undoRun, undoSince } from './undo.ts'

const LIST = 'effects'
const CursorKey = z.tuple([s.id('eff')])
const e = effects

type ReadCtx = Pick<UserCtx, 'actor' | 'db'>

/** What was done for the person, newest first. One trip. */
export async function listEffects(ctx: ReadCtx, { limit, cursor, ...query }: EffectQuery) {
  const [before] = cursor === undefined ? [] : decodeCursor(LIST, cursor, CursorKey)
  const { status, kind, runId, messageId } = query
  const where: (SQL | undefined)[] = [
    ownedBy(ctx.actor, e.userId),
    before === undefined ? undefined : lt(e.id, before),
    status === undefined ? undefined : eq(e.status, status),
    kind === undefined ? undefined : eq(e.kind, kind),
    runId === undefined ? undefined : eq(e.runId, runId),
    messageId === undefined ? undefined : eq(e.messageId, messageId),
  ]
  const rows = await ctx.db
    .select({ effect: shown(e) })
    .from(e)
    .where(and(...where))
    .orderBy(desc(e.id))
    .limit(limit + 1)
  return toPage(
    rows.map(({ effect }) => effect),
    limit,
    (last) => encodeCursor(LIST, [last.id]),
  )
}

type Window = { since: string; until?: string | undefined }
type Standing = Partial<Window> & { runId?: string | undefined }
const windowOf = ({ since, until }: Window) => ({ since: new Date(since), until: until ? new Date(until) : undefined })
/** So many are shown, and agreed to, at once. */
export const MAX_STANDING = 25

/** What was done since, or by a run, and stands: first what can be taken back, of that the newest; `more`: there is other. One trip. */
export async function listStanding(
  ctx: ReadCtx,
  { since, until, runId }: Standing,
): Promise<{ items: Effect[]; more: boolean }> {
  const isWithin = since === undefined ? undefined : isSince(windowOf({ since, until }))
  const isOfRun = runId === undefined ? undefined : eq(e.runId, runId)
  const rows = await ctx.db
    .select({ effect: shown(e) })
    .from(e)
    .where(and(ownedBy(ctx.actor, e.userId), open, isWithin, isOfRun))
    .orderBy(desc(isReversible(e)), desc(doneAt), desc(e.id))
    .limit(MAX_STANDING + 1)
  return { items: rows.slice(0, MAX_STANDING).map(({ effect }) => effect), more: rows.length > MAX_STANDING }
}

/** These of the person's, as asked for; what is not there is left out. One trip. */
export async function getEffects({ db, actor }: ReadCtx, ids: string[]): Promise<Effect[]> {
  const isTheirs = and(ownedBy(actor, e.userId), inArray(e.id, ids))
  const rows = await db
    .select({ effect: shown(e) })
    .from(e)
    .where(isTheirs)
  return ids.flatMap((id) => rows.find(({ effect }) => effect.id === id)?.effect ?? [])
}

export async function getEffect(ctx: ReadCtx, id: string): Promise<Effect> {
  const [row] = await ctx.db
    .select({ effect: shown(e) })
    .from(e)
    .where(and(eq(e.id, id), ownedBy(ctx.actor, e.userId)))
  if (!row) throw new AppError('not_found', 'There is no such effect')
  return row.effect
}

/** Every kind there is, with what has to be known before one is approved. */
export function listKinds(): { items: EffectKindShown[] } {
  const items = effectKinds().map(({ tool, outward, undoWindowMs, holdMs }) => ({
    kind: tool.name,
    description: tool.description,
    outward,
    reversible: undoWindowMs !== null,
    undoWindowS: undoWindowMs === null ? null : undoWindowMs / 1000,
    holdS: holdMs / 1000,
  }))
  return { items }
}

/** Does what the person asks for themselves, or a program of theirs, which taps nothing. Under an Idempotency-Key it is the same act again. */
export async function performFor(ctx: UserCtx, { kind, input }: NewEffect): Promise<Effect> {
  const key = `api:${ctx.newId('req')}`
  // Its scopes are the person's word for what a program does itself; what runs of what it gives may have been read anywhere.
  const tainted = ctx.actor.key !== undefined && kind === 'run_workflow'
  const asked = { kind, input, key, origin: { kind: 'api' as const }, tainted, isAgreed: !ctx.actor.key }
  const outcome = await realEffects(ctx).perform(asked)
  if (outcome.effectId === null) throw notAdmitted(outcome)
  return await getEffect(ctx, outcome.effectId)
}

/** What it would do. Nothing is. */
export async function preview(ctx: UserCtx, { kind, input }: NewEffect): Promise<Preview> {
  const port = recordingEffects(ctx)
  const asked = { kind, input, key: 'preview', origin: { kind: 'api' as const }, tainted: false, isAgreed: true }
  const outcome = await port.perform(asked)
  const [seen] = port.recorded
  if (!seen) throw notAdmitted(outcome)
  const { undoWindowMs, says, ...rest } = seen
  return { ...rest, says: says.slice(0, MAX_SAYS), undoWindowS: undoWindowMs === null ? null : undoWindowMs / 1000 }
}

function notAdmitted(outcome: Outcome): AppError {
  const { code, detail } = 'code' in outcome ? outcome : { code: 'invalid_request', detail: 'It cannot be done' }
  return code === 'forbidden' ? new AppError('forbidden', detail) : new AppError('invalid_request', detail)
}

/** Takes back one effect, those of a run, or all since an instant. */
export async function undo(ctx: UserCtx, { id, runId, since, until, ...options }: Undo): Promise<UndonePage> {
  if (runId !== undefined) return await undoRun(ctx, runId, options)
  if (since !== undefined) {
    const window = windowOf({ since, until })
    return await undoSince(ctx, window.since, { ...options, until: window.until })
  }
  return { items: id === undefined ? [] : [await undoEffect(ctx, id, options)], nextCursor: null }
}
