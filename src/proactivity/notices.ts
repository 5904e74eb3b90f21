import { type Ctx, findAppError } from '#core'
import { notificationAction, notify, readCollapsed } from '#notifications'
import type { Subscriber } from '#queue'
import { approveSuggestion, dismissSuggestion } from './decide.ts'
import { readSuggestion } from './move.ts'
import { suggestionCreated, suggestionUpdated } from './row.ts'
import type { Suggestion } from './schema.ts'
import { onBehalfOf } from './wake.ts'

const PRIORITY = { urgent: 'urgent', important: 'high', routine: 'medium' } as const

/** Tells of what is offered where the person is, until they have seen it, and does what they answer there. */
export const suggestionNotices: Subscriber = {
  name: 'suggestion-notices',
  wants: (type) => [suggestionCreated.type, suggestionUpdated.type, notificationAction.type].includes(type),
  async handle(ctx, events) {
    const changed = new Map<string, { userId: string; version: number }>()
    for (const { type, key, userId, version, data } of events) {
      if (type === notificationAction.type) await answer(ctx, userId, data)
      else changed.set(key, { userId, version })
    }
    for (const [id, { userId, version }] of changed) await tell(ctx, userId, id, version)
  },
}

const collapseKeyOf = (id: string) => `suggestion:${id}`

// It stands as it does now: of an older version a later event tells, and of whoever was erased nothing is left to tell.
async function tell(ctx: Ctx, userId: string, id: string, version: number): Promise<void> {
  const theirs = onBehalfOf(ctx, userId)
  const suggestion = await unless(['not_found'], readSuggestion(theirs, id))
  if (!suggestion) return
  if (suggestion.status !== 'proposed') await readCollapsed(theirs, collapseKeyOf(id))
  else if (suggestion.version === version) await notify(theirs, noticeOf(suggestion))
}

/** What it answers, or null where it fails with one of these. */
async function unless<T>(codes: string[], asked: Promise<T>): Promise<T | null> {
  try {
    return await asked
  } catch (error) {
    if (codes.includes(findAppError(error)?.code ?? '')) return null
    throw error
  }
}

function noticeOf({ id, title, body, priority, actions, version, expiresAt }: Suggestion) {
  const target = (decision: string) => `/v1/suggestions/${id}/${decision}`
  return {
    kind: 'suggestion' as const,
    title,
    // Whoever says yes there has read to what.
    body: [...actions.map(({ says }) => says), body].filter((text) => text !== '').join('\n'),
    priority: PRIORITY[priority],
    link: { kind: 'suggestion' as const, id },
    actions: [
      { id: 'approve', label: 'Yes', method: 'approve' as const, target: target('approve') },
      { id: 'dismiss', label: 'No', method: 'dismiss' as const, target: target('dismiss') },
    ],
    dedupeKey: `suggestion:${id}:${version}`,
    // Offered again, it takes the place of what nobody saw.
    collapseKey: collapseKeyOf(id),
    expiresAt: new Date(expiresAt),
  }
}

// The event is a session's: no key may take an action. What was decided otherwise before stays as it is.
async function answer(ctx: Ctx, userId: string, data: unknown): Promise<void> {
  const { action, link } = notificationAction.data.parse(data)
  if (link?.kind !== 'suggestion' || action.method === 'open') return
  const theirs = onBehalfOf(ctx, userId)
  const said =
    action.method === 'approve' ? approveSuggestion(theirs, link.id, {}) : dismissSuggestion(theirs, link.id, {})
  const decided = await unless(['conflict', 'not_found'], said)
  if (!decided) ctx.log.warn('suggestion.answered_late', { suggestionId: link.id, action: action.method })
}
