import { findAppError } from '#core'
import { deleteWhole, restoreWhole } from './bin.ts'
import { cancelOccurrence, getDay, putException, restoreOccurrence, updateOccurrence } from './change-one.ts'
import { type Split, updateFollowing } from './following.ts'
import type { ChangeCtx, CreateCtx } from './row.ts'
import { endedBefore } from './rule.ts'
import type { CalendarEvent, EventPatch, Restoration, Which } from './schema.ts'
import { untilDone, updateWhole } from './update.ts'

/** Changes an event, one occurrence of a series or all from there on; with what was there before. */
export async function updateEvent(
  ctx: CreateCtx,
  id: string,
  { occurrence, scope }: Which,
  patch: EventPatch,
  version: number | '*',
): Promise<Split> {
  if (occurrence === undefined) return { ...(await updateWhole(ctx, id, patch, version)), isSplit: false }
  if (scope === 'following') return await updateFollowing(ctx, id, occurrence, patch, version)
  return { ...(await updateOccurrence(ctx, id, occurrence, patch, version)), isSplit: false }
}

/** Puts an event into the bin, cancels an occurrence, or ends a series before it; with what was there before. */
export async function deleteEvent(
  ctx: ChangeCtx,
  id: string,
  { occurrence, scope }: Which,
): Promise<{ event: CalendarEvent; before: CalendarEvent }> {
  if (occurrence === undefined) return await deleteWhole(ctx, id)
  if (scope !== 'following') return await cancelOccurrence(ctx, id, occurrence)
  return await untilDone('*', async () => {
    const { event } = await getDay(ctx, id, occurrence)
    if (occurrence === event.start.date) return await deleteWhole(ctx, id)
    const recurrence = endedBefore(event.recurrence ?? '', occurrence)
    const { before, after } = await updateWhole(ctx, id, { recurrence }, event.version)
    return { event: after, before }
  })
}

/** Takes an event out of the bin, or takes back that an occurrence was cancelled. */
export async function restoreEvent(
  ctx: ChangeCtx,
  id: string,
  { occurrence }: Pick<Which, 'occurrence'>,
): Promise<CalendarEvent> {
  return occurrence === undefined ? await restoreWhole(ctx, id) : await restoreOccurrence(ctx, id, occurrence)
}

/** Puts back what a change of a series did, as its undo says; done twice it is done once. */
export async function takeBack(ctx: ChangeCtx, undo: Restoration): Promise<CalendarEvent> {
  const { id, patch, occurrence, exception, recurrence, without } = undo
  if (patch) await updateWhole(ctx, id, patch, '*')
  if (occurrence !== undefined && exception !== undefined) return await putException(ctx, id, occurrence, exception)
  if (recurrence === undefined) return await restoreEvent(ctx, id, { occurrence })
  const { after } = await updateWhole(ctx, id, { recurrence }, '*')
  if (without !== undefined) await deleteIfThere(ctx, without)
  return after
}

async function deleteIfThere(ctx: ChangeCtx, id: string): Promise<void> {
  try {
    await deleteWhole(ctx, id)
  } catch (error) {
    if (findAppError(error)?.code !== 'not_found') throw error
  }
}
