import { and, eq, ne, sql } from 'drizzle-orm'
import { ownedBy, ownerId } from '#database'
import { kick, tell } from '#queue'
import { fingerprintOf } from './alike.ts'
import { type JudgeCtx, judge, rankOf, type Verdict } from './judge.ts'
import { limitReached, offerAlone, wakesAt } from './limits.ts'
import { cellOf } from './moment.ts'
import { isApproval } from './reasons.ts'
import { shownWaiting, suggestionWithheld, tellOffered } from './row.ts'
import { NewSuggestion, type WithheldReason } from './schema.ts'
import { suggestions } from './tables.ts'

export type Proposed = { status: 'proposed'; id: string } | { status: 'withheld'; id: string; reason: WithheldReason }
type Known = { id: string; status: string; reason: WithheldReason | null }

const reasonOf = sql<WithheldReason | null>`${suggestions.reason}`

/**
 * Offers something, unless there is a reason not to, which is kept. The same key again is the same suggestion, and
 * asks nobody anything. Four trips.
 */
export async function propose(ctx: JudgeCtx, input: NewSuggestion): Promise<Proposed> {
  const offer = NewSuggestion().parse(input)
  const { actor, db } = ctx
  const [known] = await db
    .select({ id: suggestions.id, status: suggestions.status, reason: reasonOf })
    .from(suggestions)
    .where(and(ownedBy(actor, suggestions.userId), eq(suggestions.key, offer.key)))
  if (known) return toProposed(known)
  const fingerprint = printOf(offer)
  const workflowId = offer.workflowId ?? null
  const verdict = await judge(ctx, { ...offer, workflowId, fingerprint })
  const id = ctx.newId('sug')
  const row = { ...offer, id, workflowId, fingerprint }
  const [, , [made]] = await db.batch([offerAlone(ctx), dropStale(ctx, row), insert(ctx, row, verdict)])
  if (made) kick(ctx, [made.offeredId, made.withheldId])
  if (made) return toProposed(made)
  // Another was as quick with the same key.
  return await propose(ctx, input)
}

/** What is the same in what is offered again. Two runs that ask for the same ask for two things. */
export const printOf = ({ kind, key, title, actions }: Pick<NewSuggestion, 'kind' | 'key' | 'title' | 'actions'>) =>
  fingerprintOf(kind, isApproval(kind) ? key : title, actions)

/** Keeps that something is to be looked into, until it may be; of the same what waits already. Two trips. */
export async function putOff(
  ctx: JudgeCtx,
  offer: NewSuggestion,
  fingerprint: string,
  verdict: Verdict,
): Promise<void> {
  const { workflowId = null } = offer
  const isSame = and(eq(suggestions.fingerprint, fingerprint), eq(suggestions.status, 'withheld'))
  const same = ctx.db.select({ id: suggestions.id }).from(suggestions)
  const [known] = await same.where(and(ownedBy(ctx.actor, suggestions.userId), isSame)).limit(1)
  if (known) return
  const [made] = await insert(ctx, { ...offer, id: ctx.newId('sug'), workflowId, fingerprint }, verdict)
  if (made) kick(ctx, [made.withheldId])
}

function toProposed({ id, status, reason }: Known): Proposed {
  return status === 'withheld' && reason ? { status, id, reason } : { status: 'proposed', id }
}

/** What a workflow found and nobody was told gives way to what it finds of the same now. */
function dropStale({ actor, db }: JudgeCtx, { kind, key, workflowId, why }: Row) {
  const s = suggestions
  const ids = JSON.stringify(why.facts.map(({ id }) => id))
  const isOfSame = sql`case when jsonb_array_length(${s.why}->'facts') = 0 then ${ids}::jsonb = '[]' else exists (
    select 1 from jsonb_array_elements(${s.why}->'facts') f where ${ids}::jsonb ? (f->>'id')) end`
  return db
    .update(s)
    .set({
      status: 'expired',
      wakeAt: null,
      detail: 'Found anew',
      version: sql`${s.version} + 1`,
      updatedAt: sql`now()`,
    })
    .where(
      and(
        ...[ownedBy(actor, s.userId), eq(s.kind, kind), eq(s.workflowId, workflowId ?? ''), ne(s.key, key)],
        ...[eq(s.status, 'withheld'), sql`${!isApproval(kind)}::boolean`, isOfSame],
      ),
    )
}

type Row = Omit<NewSuggestion, 'workflowId'> & { id: string; workflowId: string | null; fingerprint: string }

function insert(ctx: JudgeCtx, { actions, alternatives, why, source, ...row }: Row, verdict: Verdict) {
  const { actor, db } = ctx
  const json = (value: object) => sql`${JSON.stringify(value)}::jsonb`
  const reason = verdict.reason ? sql`${verdict.reason}::text` : limitReached(ctx, row, verdict.limits)
  const judged = db
    .$with('judged')
    .as(db.select({ reason: sql<string | null>`${reason}`.as('judged_reason') }).from(sql`(select 1) one`))
  const why_ = sql`(select judged_reason from judged)`
  const expiresAt = new Date(row.expiresAt)
  const s = suggestions
  const changed = db.$with('changed').as(
    db
      .insert(s)
      .values({
        ...row,
        ...{ userId: ownerId(actor), rank: rankOf(verdict.score), moment: cellOf(verdict.moment) },
        ...{
          actions: json(actions),
          alternatives: json(alternatives),
          why: json({ ...why, score: verdict.score }),
          source: json(source),
        },
        expiresAt,
        status: sql`case when ${why_} is null then 'proposed' else 'withheld' end`,
        reason: sql`${why_}`,
        wakeAt: wakesAt(why_, verdict.wakeAt, verdict.limits.ends, expiresAt),
        proposedAt: sql`case when ${why_} is null then ${ctx.now().toISOString()}::timestamptz end`,
      })
      .onConflictDoNothing({ target: [s.userId, s.key] })
      .returning(),
  )
  const offered = db.$with('offered').as(db.select().from(changed).where(eq(changed.status, 'proposed')))
  const withheld = db.$with('withheld').as(db.select().from(changed).where(eq(changed.status, 'withheld')))
  const told = tellOffered(db, 'told', offered)
  const kept = tell(db, 'kept', withheld, {
    kind: suggestionWithheld,
    ...{ userId: withheld.userId, key: withheld.id, version: withheld.version, data: shownWaiting(withheld) },
  })
  return db
    .with(judged, changed, offered, withheld, told, kept)
    .select({
      id: changed.id,
      status: changed.status,
      reason: sql<WithheldReason | null>`${changed.reason}`,
      offeredId: sql<string | null>`(select id from told)`,
      withheldId: sql<string | null>`(select id from kept)`,
    })
    .from(changed)
}
