import type { UserCtx } from '#core'
import { ownedBy } from '#database'
import type { Autonomy, AutonomyRule } from './autonomy-schema.ts'
import { autonomyRules } from './tables.ts'

type Act = { kind: string; workflowId: string | null; outward: boolean; tainted: boolean }

const ANY = '*'
const HEIGHT: Record<Autonomy, number> = { never: 0, ask: 1, act_and_tell: 2, act_silently: 3 }

/**
 * Pure. The closest rule holds: of this kind in this workflow, of this kind, of this workflow, of all. What is outward
 * goes by a rule for exactly its kind; what is tainted is asked, whatever was allowed.
 */
export function decideAutonomy(rules: AutonomyRule[], act: Act): Autonomy {
  const find = (kind: string, workflowId: string | null) =>
    rules.find((rule) => rule.kind === kind && rule.workflowId === workflowId)?.level
  const own = (act.workflowId === null ? undefined : find(act.kind, act.workflowId)) ?? find(act.kind, null)
  const general = (act.workflowId === null ? undefined : find(ANY, act.workflowId)) ?? find(ANY, null)
  const level = own ?? (act.outward && general !== 'never' ? 'ask' : general) ?? 'ask'
  return act.tainted && HEIGHT[level] > HEIGHT.ask ? 'ask' : level
}

/** The statement that reads what the person allowed. */
export const rulesRead = ({ actor, db }: Pick<UserCtx, 'actor' | 'db'>) =>
  db
    .select({ kind: autonomyRules.kind, workflowId: autonomyRules.workflowId, level: autonomyRules.level })
    .from(autonomyRules)
    .where(ownedBy(actor, autonomyRules.userId))
    .orderBy(autonomyRules.kind, autonomyRules.workflowId)

export const toRules = (rows: { kind: string; workflowId: string; level: Autonomy }[]): AutonomyRule[] =>
  rows.map(({ kind, workflowId, level }) => ({ kind, workflowId: workflowId || null, level }))

/** What the person allowed. One trip. */
export async function autonomyOf(ctx: Pick<UserCtx, 'actor' | 'db'>): Promise<AutonomyRule[]> {
  return toRules(await rulesRead(ctx))
}

type Outward = (kind: string) => boolean | undefined

/** Whether any outward act that a rule names could now be done with less asking than before. */
export function raises(before: AutonomyRule[], after: AutonomyRule[], isOutward: Outward): boolean {
  return [...before, ...after].some(({ kind, workflowId }) => {
    if (kind !== ANY && !isOutward(kind)) return false
    const act = { kind, workflowId, outward: true, tainted: false }
    const [was, is] = [decideAutonomy(before, act), decideAutonomy(after, act)]
    return HEIGHT[is] > HEIGHT[was] && HEIGHT[is] > HEIGHT.ask
  })
}
