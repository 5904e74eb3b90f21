import { and, count, desc, eq, inArray, isNull, max, ne, or, type SQL, sql } from 'drizzle-orm'
import type { UserCtx } from '#core'
import { ownedBy } from '#database'
import { getMe } from '#users'
import { rulesRead, toRules } from './autonomy.ts'
import { startOfDay } from './limits.ts'
import { momentAt, quietUntil } from './moment.ts'
import { isApproval, type Standing, TURN_APPROVAL } from './reasons.ts'
import { LIVE, type ReadCtx } from './row.ts'
import { settingsOf, settingsRead } from './settings.ts'
import { suggestionGates, suggestions } from './tables.ts'

const REMEMBERED_DAYS = 60
const MAX_REMEMBERED = 200
const UNDECIDED = ['proposed', 'seen', 'snoozed', 'approved', 'running'] as const

type Asker = { workflowId?: string | null; askId?: string | null | undefined }

/** How the person stands, the moment it is for them, what they dismissed, and when this was looked into last. Two trips. */
export async function standingOf(ctx: ReadCtx & Pick<UserCtx, 'now'>, kind: string, asker: Asker = {}) {
  const { actor, db } = ctx
  const { timeZone, quietHours, workingHours } = (await getMe(ctx)).preferences
  const now = ctx.now()
  const moment = momentAt(now, timeZone, workingHours?.days)
  const s = suggestions
  const own = ownedBy(actor, s.userId)
  // What they asked for themselves takes no place from what is offered to them.
  const isIdea = ne(s.kind, TURN_APPROVAL)
  const lately = sql`${s.decidedAt} > ${now.toISOString()}::timestamptz - ${REMEMBERED_DAYS} * interval '1 day'`
  const g = suggestionGates
  const counted = db.select({ count: count() }).from(s)
  const [settings, open, today, last, remembered, rules, gates, wanted] = await db.batch([
    settingsRead(ctx),
    counted.where(and(own, inArray(s.status, [...LIVE]), isIdea)),
    db
      .select({ count: count() })
      .from(s)
      .where(and(own, isIdea, sql`${s.proposedAt} >= ${startOfDay(moment.date, timeZone)}`)),
    db
      .select({ at: max(s.proposedAt) })
      .from(s)
      .where(and(own, eq(s.kind, kind))),
    db
      .select({ id: s.id, kind: s.kind, title: s.title, fingerprint: s.fingerprint, status: s.status })
      .from(s)
      .where(and(own, or(inArray(s.status, [...UNDECIDED]), and(eq(s.status, 'dismissed'), lately))))
      .orderBy(desc(s.updatedAt))
      .limit(MAX_REMEMBERED),
    rulesRead(ctx),
    db
      .select({ factsHash: sql<string | null>`case when not ${isUnsaid(ctx)} then ${g.factsHash} end`, askId: g.askId })
      .from(g)
      .where(and(ownedBy(actor, g.userId), eq(g.kind, kind), eq(g.workflowId, asker.workflowId ?? ''))),
    // They released it themselves: what was withheld by its reason alone keeps it.
    db
      .select({ id: s.id })
      .from(s)
      .where(and(own, isAnalysisOf(s, asker.askId ?? ''), isNull(s.reason)))
      .limit(1),
  ])
  const standing: Standing = {
    settings: settingsOf(settings[0]),
    quietUntil: quietUntil(now, timeZone, quietHours),
    open: open[0]?.count ?? 0,
    today: today[0]?.count ?? 0,
    lastOfKind: last[0]?.at ?? null,
  }
  const dismissed = remembered.filter(({ status, kind: of }) => status === 'dismissed' && !isApproval(of))
  const fingerprints = new Set(remembered.map(({ fingerprint }) => fingerprint))
  return {
    standing,
    moment,
    timeZone,
    dismissed,
    fingerprints,
    rules: toRules(rules),
    lookedAt: gates[0],
    isWanted: wanted.length > 0,
  }
}

const isAnalysisOf = (s: typeof suggestions, runId: string) =>
  and(sql`${s.source}->>'kind' = 'analysis'`, sql`${s.source}->>'runId' = ${runId}`)

/** Whether what rules found last was never said, and its time is over: then it is new again. A model is not asked twice. */
export function isUnsaid({ now }: Pick<UserCtx, 'now'>): SQL<boolean> {
  const g = suggestionGates
  return sql`exists (select 1 from ${suggestions} u where u.user_id = ${g.userId} and u.status = 'withheld'
    and u.source->>'runId' = ${g.askId} and u.why->>'model' is null and u.expires_at <= ${now().toISOString()}::timestamptz)`
}
