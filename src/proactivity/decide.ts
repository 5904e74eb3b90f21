import { and, gt, lte, not, type SQL, sql } from 'drizzle-orm'
import { AppError } from '#core'
import { effectKind } from '#effects'
import { move, readSuggestion, tryMove } from './move.ts'
import type { ReadCtx, WriteCtx } from './row.ts'
import type { ActionOffer, Approval, Dismissal, Snooze, Status, Suggestion } from './schema.ts'
import { suggestions } from './tables.ts'

const t = suggestions
const OPEN = ['proposed', 'seen', 'snoozed'] as const
const MINUTE_MS = 60_000
const MAX_SNOOZE_MS = 366 * 24 * 60 * MINUTE_MS
const isCurrent = (now: Date) => gt(t.expiresAt, now)

/** Shown to the person; doing it again, or after they decided, changes nothing. One trip, two where it changes nothing. */
export async function seeSuggestion(ctx: WriteCtx, id: string): Promise<Suggestion> {
  const set = { status: 'seen' as const, seenAt: ctx.now() }
  return (await tryMove(ctx, id, { from: ['proposed'], set })) ?? (await readSuggestion(ctx, id))
}

/** Yes, to all that is offered or to what is named, changed or not: it is carried out from here on. One or two trips. */
export async function approveSuggestion(ctx: WriteCtx, id: string, { actions }: Approval): Promise<Suggestion> {
  const chosen = actions ? await choose(ctx, id, actions) : null
  const agreed = chosen ? sql`${JSON.stringify(chosen.agreed)}::jsonb` : sql`${t.actions}`
  return await move(ctx, id, {
    from: OPEN,
    already: ['approved', 'running', 'done', 'failed'],
    where: isCurrent(ctx.now()),
    set: { status: 'approved', agreed, wakeAt: null, decidedAt: ctx.now() },
    decide: { decision: 'approved', isEdited: chosen?.isEdited ?? false },
  })
}

async function choose(ctx: ReadCtx, id: string, wanted: NonNullable<Approval['actions']>) {
  const { actions, alternatives } = await readSuggestion(ctx, id)
  const agreed = wanted.map(({ id: actionId, input }, index): ActionOffer => {
    const offer = [...actions, ...alternatives].find((one) => one.id === actionId)
    if (!offer) throw refused(`/actions/${index}/id`, 'is none of those offered')
    if (input && effectKind(offer.kind)?.tool.input.safeParse(input).success === false)
      throw refused(`/actions/${index}/input`, `is nothing that ${offer.kind} takes`)
    return input ? { ...offer, input } : offer
  })
  return { agreed, isEdited: JSON.stringify(agreed) !== JSON.stringify(actions) }
}

const refused = (pointer: string, detail: string) =>
  new AppError('invalid_request', `${pointer}: ${detail}`, { errors: [{ pointer, detail }] })

/** No: neither this nor what is like it for a while. One trip. */
export async function dismissSuggestion(ctx: WriteCtx, id: string, { reason }: Dismissal): Promise<Suggestion> {
  return await move(ctx, id, {
    from: OPEN,
    already: ['dismissed'],
    set: { status: 'dismissed', wakeAt: null, decidedAt: ctx.now() },
    decide: { decision: 'dismissed', reason },
  })
}

/** Later: it comes back by itself. One trip. */
export async function snoozeSuggestion(ctx: WriteCtx, id: string, { minutes = 0, until }: Snooze): Promise<Suggestion> {
  const now = ctx.now().getTime()
  const wakeMs = until === undefined ? now + minutes * MINUTE_MS : Date.parse(until)
  if (wakeMs <= now || wakeMs > now + MAX_SNOOZE_MS) throw refused('/until', 'must lie within the next year')
  const wakeAt = new Date(wakeMs)
  return await move(ctx, id, {
    from: OPEN,
    already: ['snoozed'],
    // The same again, as whoever was not answered asks it, is one.
    where: and(isCurrent(ctx.now()), not(isAsleepUntil(wakeAt))),
    set: {
      status: 'snoozed',
      wakeAt,
      expiresAt: outlasting(wakeAt),
      decidedAt: ctx.now(),
    },
    decide: { decision: 'snoozed' },
  })
}

const isAsleepUntil = (at: Date) =>
  sql`(${t.status} = 'snoozed' and abs(extract(epoch from ${t.wakeAt} - ${at.toISOString()}::timestamptz)) < 60)`

/** Whoever wants it later wants it to be there then. */
export const outlasting = (wakeAt: Date) =>
  sql`greatest(${t.expiresAt}, ${new Date(wakeAt.getTime() + 60 * MINUTE_MS).toISOString()}::timestamptz)`

/**
 * Offers what was withheld, because the person asked for it: no limit holds it back. Of what a model has yet to be asked,
 * the run goes on. One trip, up to three of the latter.
 */
export async function releaseSuggestion(ctx: WriteCtx, id: string): Promise<Suggestion> {
  const now = ctx.now()
  const offered = await tryMove(ctx, id, {
    from: ['withheld'],
    where: and(isCurrent(now), not(isToCome)),
    set: { status: 'proposed', reason: null, wakeAt: null, proposedAt: now },
    offers: true,
  })
  const released =
    offered ?? (await lookInto(ctx, id, isCurrent(now), { reason: null })) ?? (await readSuggestion(ctx, id))
  const after = released.source.kind === 'analysis' ? PAST : OPEN
  if (after.some((status) => status === released.status)) return released
  throw new AppError('conflict', `The suggestion is ${released.status}`)
}
const isToCome = sql`${t.source}->>'kind' = 'analysis'`

/** What was put off is looked into from here on: no word of the person's, and nothing to learn from. Null: it is another's. One trip. */
export async function lookInto(ctx: WriteCtx, id: string, where: SQL, set: { reason?: null } = {}) {
  return await tryMove(ctx, id, {
    from: ['withheld'],
    where: and(where, isToCome),
    set: { ...set, status: 'approved', agreed: [], wakeAt: null, decidedAt: ctx.now() },
    decide: { decision: 'approved', teaches: false },
  })
}

const PAST: Status[] = ['approved', 'running', 'done', 'failed']

export type Settlement = { status: 'running' | 'done' | 'failed'; effectIds?: string[]; detail?: string | null }

/** What came of what was approved; saying it again changes nothing. One trip, two where it changes nothing. */
export async function settleSuggestion(ctx: WriteCtx, id: string, settled: Settlement): Promise<Suggestion> {
  const { status, effectIds = [], detail = null } = settled
  const from: Status[] = status === 'running' ? ['approved'] : ['approved', 'running']
  const set = { status, detail: detail?.slice(0, 2000) ?? null, ...(effectIds.length > 0 && { effectIds }) }
  return await move(ctx, id, { from, already: [...PAST, 'undone'], set })
}

/** Ends what was not decided in time; null: it was, or is not over yet. */
export async function expireSuggestion(ctx: WriteCtx, id: string): Promise<Suggestion | null> {
  const set = { status: 'expired' as const, wakeAt: null, decidedAt: ctx.now() }
  return await tryMove(ctx, id, {
    from: OPEN,
    where: lte(t.expiresAt, ctx.now()),
    set,
    decide: { decision: 'expired' },
  })
}

/** Takes back what is not needed any more, which says nothing of the person. One trip. */
export async function withdrawSuggestion(ctx: WriteCtx, id: string, detail: string): Promise<Suggestion | null> {
  const set = { status: 'expired' as const, wakeAt: null, decidedAt: ctx.now(), detail }
  return await tryMove(ctx, id, { from: [...OPEN, 'withheld'], set, decide: { decision: 'expired', teaches: false } })
}
