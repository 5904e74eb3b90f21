import { and, eq, type SQL, sql } from 'drizzle-orm'
import { z } from 'zod'
import { AppError, defineEvent, s, type UserCtx } from '#core'
import { type ColumnsOf, iso, jsonObject, ownedBy } from '#database'
import { tell } from '#queue'
import { kindName, Source, Status, Suggestion } from './schema.ts'
import { suggestions } from './tables.ts'

export type ReadCtx = Pick<UserCtx, 'actor' | 'db'>
export type WriteCtx = ReadCtx & Pick<UserCtx, 'now' | 'env' | 'waitUntil' | 'log'>
export type Columns = ColumnsOf<typeof suggestions>

/** Offered and not decided: these count against how many there may be at once. */
export const LIVE = ['proposed', 'seen'] as const

/** When a timer of it is due: all that the keeper of timers asks. */
export const Waiting = z.object({
  id: s.id('sug'),
  status: Status,
  wakeAt: z.string().nullable(),
  expiresAt: z.string(),
  version: z.number(),
})

/** What was decided, and of which actions: whoever offered it goes on from here. */
export const Decided = s.later(() =>
  z.strictObject({
    id: s.id('sug'),
    kind: kindName,
    decision: z.enum(['approved', 'dismissed', 'snoozed', 'expired', 'undone']),
    actions: z.array(z.unknown()),
    source: Source(),
    isEdited: z.boolean(),
    // What teaches: it was offered, in which part of which week, and not taken back by ourselves.
    teaches: z.boolean(),
    moment: z.string(),
    title: z.string(),
  }),
)
export type Decision = z.infer<ReturnType<typeof Decided>>['decision']

/** Offered to the person. */
export const suggestionCreated = defineEvent('suggestion.created', 'suggestions', Suggestion)
/** Anything else that happened to one that they were offered. */
export const suggestionUpdated = defineEvent('suggestion.updated', 'suggestions', Suggestion)
/** Not said; inside only, so that it can be said later. */
export const suggestionWithheld = defineEvent('suggestion.withheld', null, Waiting)
export const suggestionDecided = defineEvent('suggestion.decided', null, Decided)

export function shown(c: Columns): SQL<Suggestion> {
  const all = sql`jsonb_array_elements(${c.actions} || ${c.alternatives}) a`
  return jsonObject<Suggestion>({
    id: c.id,
    kind: c.kind,
    title: c.title,
    body: c.body,
    status: c.status,
    priority: c.priority,
    confidence: c.confidence,
    rank: c.rank,
    actions: c.actions,
    alternatives: c.alternatives,
    agreed: c.agreed,
    reversible: sql`not exists (select 1 from ${all} where not (a->>'reversible')::boolean)`,
    tainted: c.tainted,
    source: c.source,
    reason: c.reason,
    wakeAt: iso(c.wakeAt),
    expiresAt: iso(c.expiresAt),
    proposedAt: iso(c.proposedAt),
    seenAt: iso(c.seenAt),
    decidedAt: iso(c.decidedAt),
    effectIds: c.effectIds,
    detail: c.detail,
    version: c.version,
    createdAt: iso(c.createdAt),
    updatedAt: iso(c.updatedAt),
  })
}

export const shownWaiting = (c: Columns) =>
  jsonObject({ id: c.id, status: c.status, wakeAt: iso(c.wakeAt), expiresAt: iso(c.expiresAt), version: c.version })

/** The event that it is offered now, told by the CTE that offered it. */
export function tellOffered(db: ReadCtx['db'], name: string, from: Parameters<typeof tell>[2] & Columns) {
  const { userId, id: key, version } = from
  return tell(db, name, from, { kind: suggestionCreated, userId, key, version, data: shown(from) })
}

export const missing = () => new AppError('not_found', 'There is no such suggestion')
export const mine = ({ actor }: ReadCtx, id: string) => and(eq(suggestions.id, id), ownedBy(actor, suggestions.userId))
