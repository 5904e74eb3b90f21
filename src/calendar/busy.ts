import type { UserCtx } from '#core'
import { loadBusy, startOf } from './list.ts'
import type { Span } from './occurrence.ts'
import type { BusyQuery, FreeBusy } from './schema.ts'

/** The same times, in order, none of them touching another. */
export function merged(spans: readonly Span[]): Span[] {
  const apart: Span[] = []
  for (const { startMs, endMs } of spans.toSorted((one, other) => one.startMs - other.startMs)) {
    const last = apart.at(-1)
    if (endMs <= startMs) continue
    if (last && startMs <= last.endMs) last.endMs = Math.max(last.endMs, endMs)
    else apart.push({ startMs, endMs })
  }
  return apart
}

/** What of these times is not in those; both apart and in order. */
export function without(spans: readonly Span[], taken: readonly Span[]): Span[] {
  const left: Span[] = []
  for (const { startMs, endMs } of spans) {
    let at = startMs
    for (const other of taken) {
      if (other.endMs <= at) continue
      if (other.startMs >= endMs) break
      if (other.startMs > at) left.push({ startMs: at, endMs: other.startMs })
      at = Math.max(at, other.endMs)
    }
    if (at < endMs) left.push({ startMs: at, endMs })
  }
  return left
}

export const clipped = (spans: readonly Span[], { fromMs, toMs }: { fromMs: number; toMs: number }): Span[] =>
  spans
    .map(({ startMs, endMs }) => ({ startMs: Math.max(startMs, fromMs), endMs: Math.min(endMs, toMs) }))
    .filter(({ startMs, endMs }) => startMs < endMs)

/** When the person is busy: what is cancelled or marked free is not in it. One trip. */
export async function freeBusy(ctx: Pick<UserCtx, 'actor' | 'db'>, { from, to }: BusyQuery): Promise<FreeBusy> {
  const { found, timeZone, ...window } = await loadBusy(ctx, { from: startOf(from), to: startOf(to) })
  const iso = (ms: number) => new Date(ms).toISOString()
  const busy = clipped(merged(found), window).map(({ startMs, endMs }) => ({ start: iso(startMs), end: iso(endMs) }))
  return { timeZone, from: iso(window.fromMs), to: iso(window.toMs), busy }
}
