import { findCosts, flushed, stale, unflushed, writeUsage } from '#ai'
import type { Ctx } from '#core'

const ROWS = 100

/**
 * Brings the lines that wait in a Steward to the ledger. From the look that finds nothing more to the timer's end there
 * is no wait: no line is left without a timer.
 */
export async function flushLines(sql: SqlStorage, makeCtx: () => Ctx): Promise<void> {
  for (let rows = unflushed(sql, ROWS); rows.length > 0; rows = unflushed(sql, ROWS)) {
    await writeUsage(makeCtx(), rows)
    flushed(sql, rows)
  }
}

/** Calls of which nothing was heard in time, and what the ledger knows that they cost. */
export async function findStale(sql: SqlStorage, nowMs: number, makeCtx: () => Ctx) {
  const calls = stale(sql, nowMs)
  return { calls, costs: calls.length > 0 ? await findCosts(makeCtx(), calls) : new Map<string, number>() }
}
