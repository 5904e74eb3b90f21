import { and, eq, type SQL, sql, type WithSubquery } from 'drizzle-orm'
import { type Ctx, defineEvent, derivedIds, isRecord, type UserCtx } from '#core'
import { type ColumnsOf, iso, jsonObject, ownedBy } from '#database'
import { tell } from '#queue'
import { Effect } from './schema.ts'
import { effects } from './tables.ts'

export type EffectRow = typeof effects.$inferSelect
type Columns = ColumnsOf<typeof effects>

/** It was held, handed on, done, refused, taken back, or it is known that it failed. */
const effectUpdated = defineEvent('effect.updated', 'effects', Effect)

/** So long an effect is its holder's, who may have died at it. */
export const EFFECT_LEASE_S = 60
export const lease = () => sql`now() + interval '1 second' * ${EFFECT_LEASE_S}`
const LOOK_AGAIN_S = 3600
/** When what is on its way is looked at though nobody told of it. */
export const lookAgain = () => sql`now() + interval '1 second' * ${LOOK_AGAIN_S}`

/** The ids an effect draws, the same each time it is done. */
export function idsOf({ userId, key, createdAt }: Pick<EffectRow, 'userId' | 'key' | 'createdAt'>, part = '') {
  return derivedIds(`effects|${userId}|${key}|${part}`, createdAt)
}

/** Whether it may be taken back now. */
export const isReversible = (e: Columns) =>
  sql`(${e.status} = 'held' or (${e.status} = 'done' and ${e.undo} is not null and ${e.undoUntil} > now()))`

/** The chosen columns of an effect, as JSON made by Postgres. */
export function shown(e: Columns): SQL<Effect> {
  return jsonObject<Effect>({
    id: e.id,
    kind: e.kind,
    status: e.status,
    says: e.says,
    input: e.input,
    changes: e.changes,
    outward: e.outward,
    tainted: e.tainted,
    agreed: e.agreed,
    reversible: isReversible(e),
    undoUntil: iso(e.undoUntil),
    heldUntil: iso(e.heldUntil),
    output: e.output,
    evidence: jsonObject({ id: e.evidenceId, provider: e.provider }),
    error: sql`case when ${e.errorCode} is not null then ${jsonObject({ code: e.errorCode, detail: e.error })} end`,
    origin: jsonObject({
      kind: e.origin,
      messageId: e.messageId,
      callId: e.callId,
      runId: e.runId,
      step: e.step,
      suggestionId: e.suggestionId,
      action: e.action,
      scheduleRunId: e.scheduleRunId,
    }),
    version: e.version,
    doneAt: iso(e.doneAt),
    endedAt: iso(e.endedAt),
    createdAt: iso(e.createdAt),
    updatedAt: iso(e.updatedAt),
  })
}

/** The event of what a CTE made of an effect, as a CTE. */
export function tellOf(db: Ctx['db'], from: Columns & WithSubquery) {
  const { id, userId, version } = from
  return tell(db, 'told', from, { kind: effectUpdated, userId, key: id, version, data: shown(from) })
}

export const eventOf = ({ id, version }: Pick<EffectRow, 'id' | 'version'>) => `${id}.${version}.${effectUpdated.type}`

type Asking = Pick<UserCtx, 'actor' | 'db'>
export type Changes = { [K in keyof typeof effects.$inferInsert]?: (typeof effects.$inferInsert)[K] | SQL }

/** A CTE that changes one effect of the person's and returns it whole. */
export function changing({ db, actor }: Asking, id: string, set: Changes, where: SQL | undefined) {
  return db.$with('changed').as(
    db
      .update(effects)
      .set({ ...set, version: sql`${effects.version} + 1`, updatedAt: sql`now()` })
      .where(and(eq(effects.id, id), ownedBy(actor, effects.userId), where))
      .returning(),
  )
}

/** The versions in a state, by id: of one object, of a list of them; null where there are none. */
export function versionsIn(state: SQL): SQL {
  const parts = sql`jsonb_path_query((${state})::jsonb, 'lax $[*]')`
  return sql`(select jsonb_object_agg(p->>'id', p->'version') from ${parts} as p where p ? 'version')`
}

/** The same of what a tool was given or answered: a thing, the task in it, its items. */
export function versionsOf(value: unknown): Record<string, number> | null {
  const things = isRecord(value) ? [value['task'] ?? value['items'] ?? value].flat() : Array.isArray(value) ? value : []
  const versions = things.flatMap((thing): [string, number][] => {
    if (!isRecord(thing)) return []
    const { id, version } = thing
    return typeof id === 'string' && typeof version === 'number' ? [[id, version]] : []
  })
  return versions.length > 0 ? Object.fromEntries(versions) : null
}
