import { and, desc, eq, isNotNull, isNull, lt, sql } from 'drizzle-orm'
import { z } from 'zod'
import { endFamilies, openSessions } from '#auth'
import { AppError, type Ctx, decodeCursor, encodeCursor, s, toPage, type UserCtx } from '#core'
import { iso, jsonObject, ownedBy } from '#database'
import { cutOff, kick } from '#queue'
import { pruneClients } from './clients.ts'
import { placeOf } from './redirects.ts'
import type { OauthGrant } from './schema.ts'
import { oauthClients, oauthGrants, oauthRequests } from './tables.ts'

const LIST = 'oauth_grants'
const CursorKey = z.tuple([s.id('grt')])

type ReadCtx = Pick<UserCtx, 'actor' | 'db' | 'now'>

/** What the person has allowed apps, newest first, as long as it lives. One trip. */
export async function listGrants(ctx: ReadCtx, { limit, cursor }: { limit: number; cursor?: string | undefined }) {
  const [after] = cursor === undefined ? [] : decodeCursor(LIST, cursor, CursorKey)
  const { db, actor } = ctx
  const g = oauthGrants
  const open = openSessions(db, ctx.now())
  const shown = jsonObject<OauthGrant>({
    id: g.id,
    client: jsonObject({ id: oauthClients.id, name: oauthClients.name, host: g.redirectUri }),
    scopes: sql`to_json(${g.scopes})`,
    resource: g.resource,
    sessionId: g.sessionId,
    createdAt: iso(g.createdAt),
    lastUsedAt: sql`${open.lastUsedAt}`,
    expiresAt: sql`${open.expiresAt}`,
  })
  const rows = await db
    .select({ grant: shown })
    .from(g)
    .innerJoin(oauthClients, eq(oauthClients.id, g.clientId))
    .innerJoin(open, eq(open.id, g.sessionId))
    .where(and(ownedBy(actor, g.userId), isNotNull(g.codeUsedAt), after === undefined ? undefined : lt(g.id, after)))
    .orderBy(desc(g.id))
    .limit(limit + 1)
  const grants = rows.map(({ grant }) => ({ ...grant, client: { ...grant.client, host: placeOf(grant.client.host) } }))
  return toPage(grants, limit, (last) => encodeCursor(LIST, [last.id]))
}

/** Takes back what an app was allowed: its tokens are refused from the next request on. One trip. */
export async function revokeGrant(
  ctx: ReadCtx & Pick<UserCtx, 'env' | 'waitUntil' | 'log'>,
  id: string,
): Promise<void> {
  const chosen = ctx.db
    .select({ id: oauthGrants.sessionId })
    .from(oauthGrants)
    .where(and(eq(oauthGrants.id, id), ownedBy(ctx.actor, oauthGrants.userId)))
  const [ended, told] = endFamilies(ctx.db, sql`${chosen}`, 'revoked')
  const [row] = await ctx.db.with(ended, told).select({ eventId: told.id }).from(told)
  if (!row) throw new AppError('not_found', 'There is no such grant')
  kick(ctx, [row.eventId])
  cutOff(ctx, ctx.actor.userId, [row.eventId.split('.')[0] ?? ''])
}

/** Ends the sessions of what nobody finished, and forgets apps that nobody uses. */
export async function pruneOauth(ctx: Pick<Ctx, 'db'>): Promise<void> {
  const { db } = ctx
  const late = sql`now() - interval '1 minute'`
  const lapsed = db
    .$with('lapsed')
    .as(db.delete(oauthRequests).where(lt(oauthRequests.expiresAt, late)).returning({ id: oauthRequests.sessionId }))
  const unclaimed = db.$with('unclaimed').as(
    db
      .delete(oauthGrants)
      .where(and(isNull(oauthGrants.codeUsedAt), lt(oauthGrants.codeExpiresAt, late)))
      .returning({ id: oauthGrants.sessionId }),
  )
  const both = sql`(select id from (select session_id as id from lapsed union select session_id from unclaimed) as both_of)`
  const [ended, told] = endFamilies(db, both, 'unused')
  await db.with(lapsed, unclaimed, ended, told).select({ eventId: told.id }).from(told)
  await pruneClients(ctx)
}
