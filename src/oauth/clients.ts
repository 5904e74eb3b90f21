import { eq, sql } from 'drizzle-orm'
import { AppError, type Ctx } from '#core'
import { networkOf, takeQuota } from '#security'
import { OauthError } from './error.ts'
import { isRedirectUri } from './redirects.ts'
import type { ClientMetadata } from './schema.ts'
import { oauthClients } from './tables.ts'

const REGISTRATIONS = { quota: 20, windowS: 3600 }
const UNUSED_DAYS = 30

export type Client = { id: string; name: string; redirectUris: string[] }

/** Makes an app known (RFC 7591). It has no secret: whatever way of showing one it asked for, it gets none. One trip. */
export async function registerClient(
  ctx: Pick<Ctx, 'db' | 'config' | 'client' | 'now' | 'newId'>,
  metadata: ClientMetadata,
): Promise<Client> {
  const quota = REGISTRATIONS.quota * ctx.config.rateLimitFactor
  const take = takeQuota(`oauth-register:${networkOf(ctx.client.address)}`, { ...REGISTRATIONS, quota }, ctx.now())
  if (!take.ok)
    throw new AppError('rate_limited', 'Too many registrations from here; wait', { retryAfterS: take.resetS })
  const client = { id: ctx.newId('cli'), ...checked(metadata) }
  await ctx.db.insert(oauthClients).values(client)
  return client
}

/** What is kept of what an app says of itself. */
export function checked(metadata: ClientMetadata): Omit<Client, 'id'> {
  const { client_name: name, redirect_uris: redirectUris, grant_types: grants, response_types: types } = metadata
  if (!redirectUris.every(isRedirectUri))
    throw new OauthError('invalid_redirect_uri', 'A redirect URI is https, or http on the loopback interface')
  if (!grants.includes('authorization_code') || !types.includes('code'))
    throw new OauthError('invalid_client_metadata', 'Only authorization codes are given')
  return { name, redirectUris }
}

export async function findClient({ db }: Pick<Ctx, 'db'>, id: string) {
  const { name, redirectUris, fetchedAt } = oauthClients
  const [found] = await db.select({ name, redirectUris, fetchedAt }).from(oauthClients).where(eq(oauthClients.id, id))
  return found && { id, ...found }
}

/** Drops apps that nobody has let in and that have asked nobody for a month. */
export async function pruneClients({ db }: Pick<Ctx, 'db'>): Promise<void> {
  await db.execute(sql`
    delete from ${oauthClients} c where c.used_at < now() - interval '1 day' * ${UNUSED_DAYS}
      and not exists (select 1 from oauth_grants g where g.client_id = c.id)`)
}
