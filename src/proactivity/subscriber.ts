import { z } from 'zod'
import type { DomainEvent } from '#core'
import { enqueue, kick, type Subscriber } from '#queue'
import { armTimers, cancelTimer, type NewTimer } from '#scheduler'
import type { Act } from './acceptance.ts'
import { carryOut } from './carry-out.ts'
import type { Heard } from './learning.ts'
import { meaningJob } from './meaning-job.ts'
import { readDecided } from './move.ts'
import { isApproval } from './reasons.ts'
import { type Decision, LIVE, suggestionCreated, suggestionDecided, suggestionUpdated, Waiting } from './row.ts'
import { EFFECT_UPDATED, settleScheduled } from './scheduled.ts'
import { nameOf, onBehalfOf, timerAt } from './wake.ts'

type Decided = ReturnType<typeof readDecided>

/** Keeps the timers of the person's Steward as their suggestions say. */
export const suggestionTimers: Subscriber = {
  name: 'suggestion-timers',
  wants: (type) => /^suggestion\.(?:created|updated|withheld)$/.test(type),
  async handle(ctx, events) {
    const userId = events[0]?.userId
    if (userId === undefined) return
    const timers: NewTimer[] = []
    // They come in order: of each the last one says how it stands.
    const latest = new Map(events.map(({ type, data }) => [Waiting.parse(data).id, { type, ...Waiting.parse(data) }]))
    for (const { type, id, version, ...waiting } of latest.values()) {
      const dueMs = dueOf(waiting)
      if (dueMs !== null) timers.push(timerAt({ userId, id, version }, dueMs))
      else if (type === suggestionUpdated.type) await cancelTimer(ctx, userId, nameOf(id), version)
    }
    if (timers.length > 0) await armTimers(ctx, userId, timers)
  },
}

function dueOf({ status, wakeAt, expiresAt }: Omit<z.infer<typeof Waiting>, 'id' | 'version'>): number | null {
  if (LIVE.some((live) => live === status)) return Date.parse(expiresAt)
  return (status === 'withheld' || status === 'snoozed') && wakeAt !== null ? Date.parse(wakeAt) : null
}

/** Learns from what was decided, does what was approved where no run does, and ends what schedules wait for. */
export const suggestionSubscriber: Subscriber = {
  name: 'suggestions',
  wants: (type) => [suggestionCreated.type, suggestionDecided.type, EFFECT_UPDATED].includes(type),
  async handle(ctx, events) {
    const userId = events[0]?.userId
    if (userId === undefined) return
    const decided = events
      .filter(({ type }) => type === suggestionDecided.type)
      .map((event) => ({ event, ...readDecided(event.data) }))
    const heard = decided.flatMap(({ event, ...one }) => toHeard(event, one))
    if (heard.length > 0) await ctx.env.STEWARD.getByName(userId).learning({ do: 'learn', heard })
    const dismissed = decided.filter(({ decision, kind }) => decision === 'dismissed' && !isApproval(kind))
    if (dismissed.length > 0)
      kick(
        ctx,
        await enqueue(
          ctx.db,
          dismissed.map((one) => meaningJob(ctx, userId, one.id)),
        ),
      )
    for (const one of decided) {
      if (one.decision === 'approved') await carryOut(onBehalfOf(ctx, userId), one.id)
    }
    for (const id of endedFor(events)) await carryOut(onBehalfOf(ctx, userId), id)
    await settleScheduled(onBehalfOf(ctx, userId), events)
  },
}

const Ended = z.object({
  status: z.enum(['done', 'failed', 'unknown', 'cancelled']),
  origin: z.object({ suggestionId: z.string().max(40) }),
})

/** The suggestions whose acts ended just now, some of them long after they were agreed to. */
function endedFor(events: DomainEvent[]): Set<string> {
  const ended = events.filter(({ type }) => type === EFFECT_UPDATED).map(({ data }) => Ended.safeParse(data))
  return new Set(ended.flatMap(({ data }) => data?.origin.suggestionId ?? []))
}

function toHeard({ id }: DomainEvent, { kind, moment: cell, decision, isEdited, teaches }: Decided): Heard[] {
  return teaches && !isApproval(kind) ? [{ id, kind, cell, act: actOf(decision, isEdited) }] : []
}

function actOf(decision: Decision, isEdited: boolean): Act {
  switch (decision) {
    case 'approved':
      return isEdited ? 'edited' : 'accepted'
    case 'expired':
      return 'ignored'
    case 'dismissed':
    case 'snoozed':
    case 'undone':
      return decision
  }
}
