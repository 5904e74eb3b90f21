import { and, type Column, desc, eq, gte, lt, type SQL, sql } from 'drizzle-orm'
import { z } from 'zod'
import { readStatement, signStatement } from '#auth'
import { AppError, type Ctx, decodeCursor, encodeCursor, s, toPage, type UserCtx } from '#core'
import { iso, jsonObject, liveSession, ownedBy } from '#database'
import type { AdminAuditQuery, AuditQuery, AuditRecord, Verdict } from './schema.ts'
import { auditHeads, auditLog } from './tables.ts'

const LIST = 'audit'
const CursorKey = z.tuple([s.int(1, Number.MAX_SAFE_INTEGER)])
const ADMIN_LIST = 'admin-audit'
const AdminCursorKey = z.tuple([s.instant, z.string().max(40), s.int(1, Number.MAX_SAFE_INTEGER)])
const HEAD_TYPE = 'audit-head+jwt'
const Head = z.object({ sub: z.string(), seq: z.number(), hash: z.string() })

const l = auditLog
// Where staff sit is not for whom they looked at: of them the person is told the role.
const ofStaff = sql`${l.actorKind} in ('support', 'admin')`
const unlessStaff = (column: Column) => sql<string>`case when ${ofStaff} then '' else ${column} end`

const shown = (isForStaff: boolean): SQL<AuditRecord> =>
  jsonObject<AuditRecord>({
    userId: l.userId,
    seq: l.seq,
    at: iso(l.at),
    actor: jsonObject({ kind: l.actorKind, id: isForStaff ? l.actorId : unlessStaff(l.actorId) }),
    action: l.action,
    target: l.target,
    outcome: l.outcome,
    reason: l.reason,
    requestId: l.requestId,
    callId: l.callId,
    address: isForStaff ? l.address : unlessStaff(l.address),
    agent: isForStaff ? l.agent : unlessStaff(l.agent),
    changes: l.changes,
    hash: l.hash,
  })

const filters = ({ action, outcome, from, to }: AuditQuery) =>
  and(
    action === undefined ? undefined : eq(l.action, action),
    outcome === undefined ? undefined : eq(l.outcome, outcome),
    from === undefined ? undefined : gte(l.at, new Date(from)),
    to === undefined ? undefined : lt(l.at, new Date(to)),
  )

/** What was done to the person's own, by whom, newest first. One trip. */
export async function listAudit(ctx: Pick<UserCtx, 'db' | 'actor'>, query: AuditQuery) {
  const [before] = query.cursor ? decodeCursor(LIST, query.cursor, CursorKey) : []
  const rows = await ctx.db
    .select({ record: shown(false) })
    .from(l)
    .where(and(ownedBy(ctx.actor, l.userId), before === undefined ? undefined : lt(l.seq, before), filters(query)))
    .orderBy(desc(l.seq))
    .limit(query.limit + 1)
  return toPage(
    rows.map(({ record }) => record),
    query.limit,
    (last) => encodeCursor(LIST, [last.seq]),
  )
}

/** The same of everybody, for whoever runs the deployment. One trip. */
export async function listAllAudit(ctx: Pick<Ctx, 'db'>, query: AdminAuditQuery) {
  const { person, requestId } = query
  const after = query.cursor ? decodeCursor(ADMIN_LIST, query.cursor, AdminCursorKey) : undefined
  const rows = await ctx.db
    .select({ record: shown(true) })
    .from(l)
    .where(
      and(
        person === undefined ? undefined : eq(l.userId, person),
        requestId === undefined ? undefined : eq(l.requestId, requestId),
        after && sql`(${l.at}, ${l.userId}, ${l.seq}) < (${after[0]}::timestamptz, ${after[1]}, ${after[2]})`,
        filters(query),
      ),
    )
    .orderBy(desc(l.at), desc(l.userId), desc(l.seq))
    .limit(query.limit + 1)
  return toPage(
    rows.map(({ record }) => record),
    query.limit,
    (last) => encodeCursor(ADMIN_LIST, [last.at, last.userId, last.seq]),
  )
}

type Checked = {
  length: number
  broken: number | null
  seq: number
  hash: string
  last: string
  isKnown: boolean
}

/**
 * Hashes every line of the person's chain again; a head that was given before must still be in it, for who could rewrite
 * a chain whole cannot sign. A head is given only where all is well. One trip.
 */
export async function verifyAudit(
  ctx: Pick<UserCtx, 'db' | 'actor' | 'config' | 'now'>,
  given: string | undefined,
): Promise<Verdict> {
  const { userId } = ctx.actor
  const before = given === undefined ? undefined : Head.parse(await readStatement(ctx, HEAD_TYPE, given))
  if (before && before.sub !== userId)
    throw new AppError('invalid_request', 'This head is of the chain of another person')
  const { rows } = await ctx.db.execute<Checked>(sql`
    with lines as (
      select l.seq, l.hash, row_number() over w as place, encode(sha256(convert_to(json_build_array(
        l.user_id, l.seq::text, ${iso(sql`l.at`)}, l.actor_kind, l.actor_id, l.action, l.target, l.outcome, l.reason,
        l.request_id, l.call_id, l.address, l.agent, l.changes::text, lag(l.hash, 1, '') over w)::text, 'UTF8')), 'hex') as made
      from ${auditLog} l where l.user_id = ${userId} window w as (order by l.seq)),
    summed as (
      select count(*)::int as length, (min(seq) filter (where seq <> place or hash <> made))::int as broken,
        coalesce(bool_or(seq = ${before?.seq ?? 0} and hash = ${before?.hash ?? ''}), false) as "isKnown",
        coalesce((array_agg(hash order by seq desc))[1], '') as last
      from lines)
    select s.*, coalesce(h.seq, 0)::int as seq, coalesce(h.hash, '') as hash
    from summed s left join ${auditHeads} h on h.user_id = ${userId} where ${liveSession(ctx.actor) ?? sql`true`}`)
  const [found] = rows
  if (!found) throw new Error('a count returned no row')
  const { length, seq, hash } = found
  const isWhole = length === seq && found.last === hash
  const isContinued = !before || found.isKnown
  const brokenAt = found.broken ?? (isWhole ? (isContinued ? null : before.seq) : Math.min(length, seq) + 1)
  const isFine = brokenAt === null
  const head = isFine ? await signStatement(ctx, HEAD_TYPE, { sub: userId, seq, hash }) : null
  return { ok: isFine, length, brokenAt, head }
}
