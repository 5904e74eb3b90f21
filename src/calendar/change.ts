import { deleteWhole, restoreWhole } from './bin.ts'
import { cancelOccurrence, restoreOccurrence, updateOccurrence } from './change-one.ts'
import { getEvent } from './event.ts'
import { fallsOn } from './occurrence.ts'
import { missing } from './problem.ts'
import type { ChangeCtx } from './row.ts'
import type { CalendarEvent, EventPatch } from './schema.ts'
import { type Change, updateWhole } from './update.ts'

const DAY_MS = 86_400_000

/** Which of a series: one occurrence by the day it falls on by the rule, all from there on, or the whole. */
export type Which = { occurrence?: string | undefined; following?: boolean | undefined }

/** Changes an event, or one occurrence of it; with what was there before. */
export async function updateEvent(
  ctx: ChangeCtx,
  id: string,
  { occurrence }: Which,
  patch: EventPatch,
  version: number | '*',
): Promise<Change> {
  return occurrence === undefined
    ? await updateWhole(ctx, id, patch, version)
    : await updateOccurrence(ctx, id, occurrence, patch, version)
}

/** Puts an event into the bin, cancels an occurrence, or ends a series before it. What it was before the series ended is told too. */
export async function deleteEvent(
  ctx: ChangeCtx,
  id: string,
  { occurrence, following }: Which,
): Promise<{ event: CalendarEvent; endedBefore?: CalendarEvent }> {
  if (occurrence === undefined) return { event: await deleteWhole(ctx, id) }
  if (!following) return { event: await cancelOccurrence(ctx, id, occurrence) }
  const event = await getEvent(ctx, id)
  if (!fallsOn(event, occurrence) || event.recurrence === null) throw missing()
  if (occurrence === event.start.date) return { event: await deleteWhole(ctx, id) }
  const recurrence = endedBefore(event.recurrence, occurrence)
  const { before, after } = await updateWhole(ctx, id, { recurrence }, event.version)
  return { event: after, endedBefore: before }
}

/** Takes an event out of the bin, or takes back that an occurrence was cancelled. */
export async function restoreEvent(ctx: ChangeCtx, id: string, { occurrence }: Which): Promise<CalendarEvent> {
  return occurrence === undefined ? await restoreWhole(ctx, id) : await restoreOccurrence(ctx, id, occurrence)
}

function endedBefore(rule: string, day: string): string {
  const last = new Date(Date.parse(day) - DAY_MS).toISOString().slice(0, 10).replaceAll('-', '')
  return [...rule.split(';').filter((part) => !/^(?:COUNT|UNTIL)=/.test(part)), `UNTIL=${last}`].join(';')
}
