import { type SQL, sql } from 'drizzle-orm'
import type { Ctx, PersonActor } from '#core'
import type { Definition, Trigger } from './definition.ts'
import type { Ready } from './fire.ts'
import { triggers, workflows, workflowVersions } from './tables.ts'

/** A trigger as it is kept, with its workflow. */
export type Armed = Ready & {
  id: string
  config: Trigger
  nextAt: Date | null
  isTrue: boolean
  /** As Postgres says it, to the microsecond. */
  lastFiredAt: string | null
  pendingAt: Date | null
  pending: unknown
  secret: string | null
  /** When it was made. */
  since: string
}

/** Triggers of workflows that are on. `where` speaks of `t`, the trigger, and `w`, its workflow. */
export async function readTriggers({ db }: Pick<Ctx, 'db'>, where: SQL): Promise<Armed[]> {
  type Row = Omit<Armed, 'nextAt' | 'pendingAt'> & { nextAt: string | null; pendingAt: string | null }
  const { rows } = await db.execute<{ row: Row }>(sql`
    select json_build_object('id', t.id, 'userId', t.user_id, 'workflowId', t.workflow_id, 'config', t.config,
      'nextAt', t.next_at, 'isTrue', t.is_true, 'lastFiredAt', t.last_fired_at, 'pendingAt', t.pending_at,
      'pending', t.pending, 'secret', t.secret, 'definition', v.definition, 'params', w.params,
      'zone', person_zone(t.user_id), 'since', t.created_at) as row
    from ${triggers} t join ${workflows} w on w.id = t.workflow_id
    join ${workflowVersions} v on v.workflow_id = w.id and v.version = w.definition_version
    where t.active and w.status = 'enabled' and w.deleted_at is null and ${where} order by t.id`)
  const instant = (at: string | null) => (at === null ? null : new Date(at))
  return rows.map(({ row }) => ({ ...row, nextAt: instant(row.nextAt), pendingAt: instant(row.pendingAt) }))
}

/** One of the person's workflows, whether it is on or off. */
export async function readReady({ db }: Pick<Ctx, 'db'>, userId: string, id: string): Promise<Ready | undefined> {
  const { rows } = await db.execute<{ definition: Definition; params: Ready['params']; zone: string }>(sql`
    select v.definition, w.params, person_zone(w.user_id) as zone from ${workflows} w
    join ${workflowVersions} v on v.workflow_id = w.id and v.version = w.definition_version
    where w.id = ${id} and w.user_id = ${userId} and w.deleted_at is null`)
  const [row] = rows
  return row && { workflowId: id, userId, ...row }
}

export const actingFor = (userId: string): PersonActor => ({ kind: 'person', userId, sessionId: null })
