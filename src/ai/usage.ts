import { and, eq, gte, isNotNull, lt, type SQL, sql } from 'drizzle-orm'
import { AppError, type UserCtx } from '#core'
import { iso, liveSession, ownedBy } from '#database'
import type { Decision } from './call.ts'
import type { LedgerRow } from './ledger.ts'
import type { Totals, Usage } from './schema.ts'
import { flushUsage, type SpendCtx } from './spending.ts'
import { usageEvents } from './tables.ts'

type UsageCtx = SpendCtx & Pick<UserCtx, 'db'>

const MAX_CONVERSATIONS = 50

/** What was spent in a UTC day or month, and on what; what was spent just now is in it. One trip. */
export async function readUsage(ctx: UsageCtx, period: string): Promise<Usage> {
  await flushUsage(ctx)
  const { from, to } = rangeOf(period, ctx.now())
  const e = usageEvents
  const mine = ctx.db.$with('mine').as(
    ctx.db
      .select()
      .from(e)
      .where(and(ownedBy(ctx.actor, e.userId), gte(e.createdAt, from), lt(e.createdAt, to))),
  )
  const [row] = await ctx.db
    .with(mine)
    .select({
      usage: sql<Omit<Usage, 'from' | 'to'>>`json_build_object(
      'total', (select ${totals()} from mine),
      'kinds', ${by('kind')}, 'models', ${by('model')}, 'features', ${by('feature')},
      'conversations', ${by('conversation_id', 'conversationId')}, 'keys', ${by('key_id', 'keyId')})`,
    })
    .from(sql`(select 1) as one`)
  if (!row) throw new Error('a select without a table gave no row')
  return { from: from.toISOString(), to: to.toISOString(), ...row.usage }
}

// Three lines tell of a call that was lost and found; the second counts against the first.
function totals(): SQL<Totals> {
  return sql`json_build_object(
    'calls', coalesce(sum(case outcome when 'reversed' then -1 when 'unsent' then 0 else 1 end), 0),
    'costMicros', coalesce(sum(cost_micros), 0),
    'estimatedMicros', coalesce(sum(cost_micros) filter (where is_estimated), 0),
    'inputTokens', coalesce(sum(input_tokens), 0),
    'outputTokens', coalesce(sum(output_tokens), 0),
    'cacheReadTokens', coalesce(sum(cache_read_tokens), 0),
    'cacheWriteTokens', coalesce(sum(cache_write_tokens + cache_write_1h_tokens), 0))`
}

// The dearest first.
function by(column: string, name = column): SQL {
  const field = sql.identifier(column)
  return sql`(select coalesce(json_agg(json_build_object(${name}::text, g.name, 'total', g.total) order by g.cost desc, g.name), '[]')
    from (select ${field} as name, ${totals()} as total, sum(cost_micros) as cost from mine
      where ${field} is not null group by ${field} order by cost desc, name limit ${MAX_CONVERSATIONS}) g)`
}

function rangeOf(period: string, now: Date): { from: Date; to: Date } {
  const today = now.toISOString().slice(0, 10)
  if (period === 'today') {
    const from = new Date(`${today}T00:00:00Z`)
    return { from, to: new Date(Date.UTC(from.getUTCFullYear(), from.getUTCMonth(), from.getUTCDate() + 1)) }
  }
  const from = new Date(`${period === 'month' ? today.slice(0, 7) : period}-01T00:00:00Z`)
  return { from, to: new Date(Date.UTC(from.getUTCFullYear(), from.getUTCMonth() + 1)) }
}

/** Why a call went to the model it went to. One trip. */
export async function getDecision(ctx: UsageCtx, id: string) {
  await flushUsage(ctx)
  const e = usageEvents
  const [row] = await ctx.db
    .select({
      decision: sql<Decision>`${e.decision}`,
      // What was not sent bears no decision.
      outcome: sql<Exclude<LedgerRow['outcome'], 'unsent'>>`${e.outcome}`,
      costMicros: e.costMicros,
      isEstimated: e.isEstimated,
      at: sql<string>`${iso(e.createdAt)}`,
    })
    .from(e)
    .where(and(eq(e.callId, id), isNotNull(e.decision), ownedBy(ctx.actor, e.userId)))
  if (!row) throw new AppError('not_found', 'No call has this id')
  const { decision, ...rest } = row
  return { ...decision, ...rest }
}

/** Fails with `session_ended` unless the session that asks is open: the budget itself is not in Postgres. One trip. */
export async function requireLive(ctx: Pick<UserCtx, 'actor' | 'db'>): Promise<void> {
  await ctx.db.execute(sql`select ${liveSession(ctx.actor) ?? sql`true`}`)
}
