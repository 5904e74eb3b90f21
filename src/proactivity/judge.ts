import { describeError, type UserCtx } from '#core'
import { isTold, WORDS_ALIKE, wordLikeness } from './alike.ts'
import { decideAutonomy } from './autonomy.ts'
import type { AutonomyRule } from './autonomy-schema.ts'
import type { Weighed } from './learning.ts'
import { type Limits, limitsOf } from './limits.ts'
import { findAlike, type MeaningCtx } from './meaning.ts'
import { cellOf, type Moment, type Part, startOf } from './moment.ts'
import { closedBy, isApproval } from './reasons.ts'
import { type ActionOffer, type Priority, Source, type WithheldReason } from './schema.ts'
import { standingOf } from './standing.ts'

type Offer = {
  kind: string
  title: string
  actions: ActionOffer[]
  priority: Priority
  confidence: number
  expiresAt: string
  tainted: boolean
  workflowId: string | null
  fingerprint: string
  source: object
}
/** What makes the rank: all of it multiplied. */
export type Score = { priority: number; confidence: number; expected: number }
/** `wakeAt`: when it is judged again by itself, where its reason does not say. */
export type Verdict = {
  reason: WithheldReason | null
  wakeAt: Date | null
  score: Score
  moment: Moment
  limits: Limits
}
export type JudgeCtx = MeaningCtx
type Dismissed = { id: string; title: string }

const WEIGHTS: Record<Priority, number> = { urgent: 3, important: 2, routine: 1 }
const EVEN: Weighed = { speak: true, expected: 0.5, better: null }
const PARTS: Part[] = ['morning', 'afternoon', 'evening']

/** `expected`: the share of such suggestions that are taken, as far as anybody knows. */
export const scoreOf = (offer: Pick<Offer, 'priority' | 'confidence'>, expected = EVEN.expected): Score => ({
  ...{ priority: WEIGHTS[offer.priority], confidence: offer.confidence, expected },
})
export const rankOf = ({ priority, confidence, expected }: Score) => priority * confidence * expected

/**
 * Whether to offer this now, the cheapest question first; a model is asked last, and only where it could matter.
 * `isWaiting`: it has waited for a better time already.
 */
export async function judge(ctx: JudgeCtx, offer: Offer, isWaiting = false): Promise<Verdict> {
  const { standing, moment, timeZone, dismissed, ...stands } = await standingOf(ctx, offer.kind, {
    askId: runOf(offer),
  })
  const now = ctx.now()
  const limits = { ...limitsOf(standing, offer, { now, date: moment.date, timeZone }), isWanted: stands.isWanted }
  const verdict = (reason: WithheldReason | null, wakeAt: Date | null = null, expected = EVEN.expected): Verdict => {
    return { reason, wakeAt, score: scoreOf(offer, expected), moment, limits }
  }
  if (isForbidden(stands.rules, offer)) return verdict('autonomy')
  if (stands.fingerprints.has(offer.fingerprint)) return verdict('duplicate')
  if (stands.isWanted) return verdict(null)
  const closed = closedBy(standing, offer, now)
  if (closed) return verdict(closed)
  if (isApproval(offer.kind)) return verdict(null)
  const { speak, expected, better } = await weigh(ctx, offer.kind, moment)
  if (offer.priority !== 'urgent') {
    if (!speak) return verdict('learned', null, expected)
    const part = PARTS.find((name) => better?.startsWith(`${name}/`))
    const at = part && !isWaiting && offer.priority === 'routine' ? startOf(part, now, timeZone) : null
    if (at !== null && at.getTime() < Date.parse(offer.expiresAt)) return verdict('better_time', at, expected)
  }
  return verdict(!isToCome(offer) && (await isAlike(ctx, offer, dismissed)) ? 'look_alike' : null, null, expected)
}

const sourceOf = ({ source }: Pick<Offer, 'source'>) => Source().safeParse(source).data
const runOf = (offer: Offer) => {
  const source = sourceOf(offer)
  return source?.kind === 'run' ? source.runId : null
}
/** A model has yet to be asked: there is nothing of it to be like anything. */
export const isToCome = (offer: Pick<Offer, 'source'>) => sourceOf(offer)?.kind === 'analysis'

function isForbidden(rules: AutonomyRule[], { actions, workflowId, tainted }: Offer): boolean {
  const levels = actions.map(({ kind, outward }) => decideAutonomy(rules, { kind, outward, tainted, workflowId }))
  return levels.length > 0 && levels.every((level) => level === 'never')
}

/** What was learned of this kind at this moment; where the Steward is away, even odds. */
export async function weigh(
  ctx: Pick<UserCtx, 'actor' | 'env' | 'log'>,
  kind: string,
  moment: Moment,
): Promise<Weighed> {
  const later = PARTS.slice(PARTS.indexOf(moment.part) + 1)
  const cells = moment.part === 'night' ? [] : later.map((part) => cellOf({ part, week: moment.week }))
  try {
    const steward = ctx.env.STEWARD.getByName(ctx.actor.userId)
    const { weighed } = await steward.learning({ do: 'weigh', kind, cell: cellOf(moment), later: cells })
    return weighed ?? EVEN
  } catch (error) {
    ctx.log.warn('learning.away', describeError(error))
    return EVEN
  }
}

async function isAlike(ctx: JudgeCtx, { title }: Offer, dismissed: Dismissed[]): Promise<boolean> {
  if (dismissed.length === 0) return false
  if (dismissed.some((one) => wordLikeness(one.title, title) >= WORDS_ALIKE)) return true
  const near = new Set(await findAlike(ctx, title))
  return dismissed.some((one) => near.has(one.id) && !isTold(one.title, title))
}
