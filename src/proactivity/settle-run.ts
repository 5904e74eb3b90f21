import { and, inArray, sql } from 'drizzle-orm'
import { ownedBy } from '#database'
import { type Settlement, settleSuggestion, withdrawSuggestion } from './decide.ts'
import type { WriteCtx } from './row.ts'
import { suggestions } from './tables.ts'

const ALLOWED = ['approved', 'running'] as const
const UNDECIDED = ['withheld', 'proposed', 'seen', 'snoozed'] as const

/**
 * What came of what a run was allowed: of these suggestions; without ids of all it made, of which what is not decided is
 * taken back. Saying it again changes nothing. A trip, and one for each.
 */
export async function settleRun(ctx: WriteCtx, runId: string, end: Settlement, ids?: string[]): Promise<void> {
  const s = suggestions
  const statuses = ids ? [...ALLOWED] : [...ALLOWED, ...UNDECIDED]
  const made = await ctx.db
    .select({ id: s.id, status: s.status })
    .from(s)
    .where(
      and(
        ownedBy(ctx.actor, s.userId),
        sql`${s.source}->>'runId' = ${runId}`,
        inArray(s.status, statuses),
        ids && inArray(s.id, ids),
      ),
    )
  for (const { id, status } of made) {
    if (ALLOWED.some((one) => one === status)) await settleSuggestion(ctx, id, end)
    else await withdrawSuggestion(ctx, id, end.detail ?? '')
  }
}
