import { and, eq, isNull, type SQL, sql, type WithSubquery } from 'drizzle-orm'
import { AppError, type UserCtx } from '#core'
import { type ColumnsOf, iso, jsonObject, liveSession, ownedBy } from '#database'
import { tell } from '#queue'
import type { NewTrigger } from './compile.ts'
import { workflowUpdated } from './events.ts'
import { triggers, workflows, workflowVersions } from './tables.ts'
import type { Workflow } from './workflow-schema.ts'

export type ReadCtx = Pick<UserCtx, 'actor' | 'db'>
export type ChangeCtx = ReadCtx & Pick<UserCtx, 'env' | 'now' | 'newId' | 'waitUntil' | 'log'>

export const missing = () => new AppError('not_found', 'There is no such workflow')
export const stale = () => new AppError('version_stale', 'The workflow has changed since you read it')
export const mine = (ctx: ReadCtx, id: string) =>
  and(eq(workflows.id, id), isNull(workflows.deletedAt), ownedBy(ctx.actor, workflows.userId))

export function shown(w: ColumnsOf<typeof workflows>): SQL<Workflow> {
  return jsonObject<Workflow>({
    id: w.id,
    name: w.name,
    description: w.description,
    status: w.status,
    pausedReason: w.pausedReason,
    pausedUntil: iso(w.pausedUntil),
    definitionVersion: w.definitionVersion,
    latestVersion: w.latestVersion,
    params: w.params,
    template: w.templateKey,
    savesMinutes: w.savesMinutes,
    failuresInRow: w.failuresInRow,
    version: w.version,
    createdAt: iso(w.createdAt),
    updatedAt: iso(w.updatedAt),
  })
}

/** The events that these changed, of the CTE that changed them. */
export function tellUpdated(db: ReadCtx['db'], name: string, changed: WithSubquery & ColumnsOf<typeof workflows>) {
  const { userId, id: key, version } = changed
  return tell(db, name, changed, { kind: workflowUpdated, userId, key, version, data: shown(changed) })
}

/** Nothing sets it off while it is off, nor is made up for. `from`: the workflows; `also`: what else is set. A CTE of its triggers. */
export const silence = (db: ReadCtx['db'], from: string, also = sql``): WithSubquery =>
  step(
    db,
    'silenced',
    sql`update ${triggers} t set active = false, is_true = false, next_at = null, pending_at = null, pending = null, updated_at = now() ${also}
      from ${sql.identifier(from)} w where t.workflow_id = w.id returning t.*`,
  )

/** A CTE that is written by hand. */
export const step = (db: ReadCtx['db'], name: string, rows: SQL): WithSubquery => db.$with(name, {}).as(rows)

/** One row of the person who asks, where their session lives. */
export function asker({ db, actor }: ReadCtx): WithSubquery {
  return step(db, 'me', sql`select ${actor.userId}::text as id where ${liveSession(actor) ?? sql`true`}`)
}

/** Writes the version that the rows of `from` are in now. */
export const keepVersion = (db: ReadCtx['db'], from: string, definition: unknown, note: string) =>
  step(
    db,
    'kept',
    sql`insert into ${workflowVersions} (id, workflow_id, version, user_id, definition, note)
      select w.id || '.' || w.latest_version, w.id, w.latest_version, w.user_id, ${JSON.stringify(definition)}::jsonb, ${note}
      from ${sql.identifier(from)} w on conflict do nothing`,
  )

/** Makes its triggers these: what is known of one that stays is kept. Two CTEs; `armed` is all of them. */
export function setTriggers(db: ReadCtx['db'], from: string, given: NewTrigger[]): WithSubquery[] {
  const w = sql.identifier(from)
  const keys = JSON.stringify(given.map(({ key }) => key))
  const isOn = sql`w.status = 'enabled'`
  // What is due of it is still due, by the clock it was counted by.
  const stays = sql`(t.active and excluded.active)`
  return [
    step(
      db,
      'dropped',
      sql`delete from ${triggers} t using ${w} w where t.workflow_id = w.id
        and t.key not in (select jsonb_array_elements_text(${keys}::jsonb))`,
    ),
    step(
      db,
      'armed',
      sql`insert into ${triggers} as t (id, user_id, workflow_id, key, kind, config, patterns, active, next_at)
        select g.id, w.user_id, w.id, g.key, g.kind, g.config, array(select jsonb_array_elements_text(g.patterns)),
          ${isOn}, case when ${isOn} then g."nextAt" end
        from ${w} w cross join jsonb_to_recordset(${JSON.stringify(given)}::jsonb) as g
          (id text, key text, kind text, config jsonb, patterns jsonb, "nextAt" timestamptz)
        on conflict (workflow_id, key) do update set active = excluded.active, updated_at = now(),
          config = case when ${stays} and t.kind = 'every' then t.config else excluded.config end,
          patterns = excluded.patterns,
          next_at = case when ${stays} then t.next_at else excluded.next_at end,
          pending_at = case when ${stays} then t.pending_at end, pending = case when ${stays} then t.pending end
        returning t.*`,
    ),
  ]
}
