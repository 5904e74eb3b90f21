import { type Column, getTableColumns, type SQL, sql, type WithSubquery } from 'drizzle-orm'
import { derivedIds, type ToolAnswer, type UserCtx } from '#core'
import { doneAs, HERE, idIn } from './act.ts'
import { effectKind, planOf } from './kinds.ts'
import { eventOf, tellOf, versionsOf } from './row.ts'
import { effects } from './tables.ts'

/** What a tool did in a turn, already: it is kept when its answer is closed. */
export type Act = {
  callId: string
  tool: string
  input: unknown
  answer: ToolAnswer
  tainted: boolean
  agreed: boolean
}

const keyOf = (messageId: string, callId: string) => `turn:${messageId}:${callId}`

/** The acts of an answer as the rows they become, for `keepActs`, and the events that tell of them. */
export function actRows(acts: Act[], messageId: string, now: Date): { json: string; eventIds: string[] } {
  const newId = derivedIds(`effects|${messageId}`, now)
  const rows = acts.flatMap((act) => {
    const { callId, input, tainted, agreed } = act
    const known = effectKind(act.tool)
    if (!known) return []
    const { output, undo, evidence, plan: told, before } = act.answer
    const target = idIn(output)
    const { says, changes } = told ?? planOf(known.tool, input, before ?? null, () => target ?? '')
    const isReversible = undo !== undefined && known.undoWindowMs !== null
    return {
      ...doneAs({ says, changes, output }),
      id: newId('eff'),
      key: keyOf(messageId, callId),
      kind: act.tool,
      call_id: callId,
      ...{ input, tainted, agreed, outward: known.outward },
      undo: isReversible ? undo : null,
      undo_until: isReversible ? new Date(now.getTime() + (known.undoWindowMs ?? 0)) : null,
      evidence_id: evidence ? evidence.id : (target ?? changes[0]?.target ?? null),
      provider: evidence ? evidence.provider : HERE,
      found: versionsOf(before),
    }
  })
  return { json: JSON.stringify(rows), eventIds: rows.map(({ id }) => eventOf({ id, version: 1 })) }
}

/** CTEs that keep the acts of an answer, where it is closed, with their events: a part of the statement that closes it. */
export function keepActs(db: UserCtx['db'], closed: WithSubquery & { id: Column; userId: Column }, json: SQL) {
  const acts = db.$with('acts', getTableColumns(effects)).as(sql`
    insert into ${effects} (id, user_id, key, kind, origin, message_id, call_id, input, says, changes, status, outward,
      tainted, agreed, undo, undo_until, output, evidence_id, provider, found, lefts, done_at)
    select a.id, ${closed.userId}, a.key, a.kind, 'turn', ${closed.id}, a.call_id, a.input, a.says, a.changes, 'done', a.outward,
      a.tainted, a.agreed, a.undo, a.undo_until, a.output, a.evidence_id, a.provider, a.found, a.lefts, now()
    from ${closed} cross join jsonb_to_recordset(${json}::jsonb) as a (id text, key text, kind text, call_id text, input jsonb,
      says text, changes jsonb, outward bool, tainted bool, agreed bool, undo jsonb, undo_until timestamptz, output jsonb,
      evidence_id text, provider text, found jsonb, lefts jsonb)
    on conflict do nothing returning *`)
  return [acts, tellOf(db, acts)]
}
