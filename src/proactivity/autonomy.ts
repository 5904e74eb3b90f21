import { and, eq, lte, sql } from 'drizzle-orm'
import { AppError, requireFresh, type UserCtx } from '#core'
import { liveSession, ownedBy } from '#database'
import { effectKind, isGrave } from '#effects'
import type { Autonomy, AutonomyRule, AutonomyRules } from './autonomy-schema.ts'
import { autonomyRules } from './tables.ts'

type Act = { kind: string; workflowId: string | null; outward: boolean; tainted: boolean }

const ANY = '*'
const HEIGHT: Record<Autonomy, number> = { never: 0, ask: 1, act_and_tell: 2, act_silently: 3 }

/**
 * Pure. The closest rule holds: of this kind in this workflow, of this kind, of this workflow, of all. What goes out,
 * deletes or cannot be taken back goes by a rule for exactly its kind; what is tainted is asked, whatever was allowed.
 */
export function decideAutonomy(rules: AutonomyRule[], act: Act): Autonomy {
  const find = (kind: string, workflowId: string | null) =>
    rules.find((rule) => rule.kind === kind && rule.workflowId === workflowId)?.level
  const own = (act.workflowId === null ? undefined : find(act.kind, act.workflowId)) ?? find(act.kind, null)
  const general = (act.workflowId === null ? undefined : find(ANY, act.workflowId)) ?? find(ANY, null)
  const level = own ?? ((act.outward || isGraveKind(act.kind)) && general !== 'never' ? 'ask' : general) ?? 'ask'
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

/** Undefined: there is no such kind. */
function isGraveKind(kind: string): boolean | undefined {
  const known = effectKind(kind)
  return known && isGrave(known)
}

/** Replaces the rules. More freedom for what goes out, deletes or cannot be taken back needs a fresh sign-in; a kind nobody knows is refused. */
export async function setAutonomy(ctx: UserCtx, { rules }: AutonomyRules): Promise<AutonomyRules> {
  const { actor, db } = ctx
  const before = await autonomyOf(ctx)
  const errors = rules.flatMap(({ kind }, index) =>
    kind === ANY || isGraveKind(kind) !== undefined
      ? []
      : [{ pointer: `/rules/${index}/kind`, detail: 'no such kind' }],
  )
  if (errors[0]) throw new AppError('invalid_request', `${errors[0].pointer}: ${errors[0].detail}`, { errors })
  if (raises(before, rules)) requireFresh(ctx)
  const rows = JSON.stringify(rules.map(({ workflowId, ...rule }) => ({ ...rule, workflow_id: workflowId ?? '' })))
  await db.batch([
    db.delete(autonomyRules).where(and(eq(autonomyRules.userId, actor.userId), liveSession(actor))),
    db.insert(autonomyRules).select(
      sql`select ${actor.userId}, r.kind || ':' || r.workflow_id, r.kind, r.workflow_id, r.level, now()
        from json_to_recordset(${rows}::json) as r(kind text, workflow_id text, level text)`,
    ),
  ])
  return { rules }
}

/** Forgets what was allowed by then: all of it is asked about again. One trip. */
export async function forgetAutonomy({ actor, db }: Pick<UserCtx, 'actor' | 'db'>, until: Date): Promise<void> {
  await db.delete(autonomyRules).where(and(ownedBy(actor, autonomyRules.userId), lte(autonomyRules.updatedAt, until)))
}

/** Whether any such act that a rule names could now be done with less asking than before. */
export function raises(before: AutonomyRule[], after: AutonomyRule[]): boolean {
  return [...before, ...after].some(({ kind, workflowId }) => {
    if (kind !== ANY && !isGraveKind(kind)) return false
    const act = { kind, workflowId, outward: true, tainted: false }
    const [was, is] = [decideAutonomy(before, act), decideAutonomy(after, act)]
    return HEIGHT[is] > HEIGHT[was] && HEIGHT[is] > HEIGHT.ask
  })
}
