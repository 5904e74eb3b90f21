import { eq, sql } from 'drizzle-orm'
import { AppError, type Ctx, describeError, type PersonActor } from '#core'
import { connect, prepared } from '#database'
import { hashToken, isSame, isWithin } from '#security'
import { apiKeys } from './tables.ts'
import { isKeyToken, prefixOf } from './token.ts'

const NO_HASH = 'A'.repeat(43)

const found = prepared((db, { prefix }: { prefix: string }) => {
  const k = apiKeys
  return db
    .select({
      id: k.id,
      userId: k.userId,
      hash: k.hash,
      previousHash: sql<string | null>`case when ${k.graceUntil} > now() then ${k.previousHash} end`,
      isLive: sql<boolean>`${k.revokedAt} is null and (${k.expiresAt} is null or ${k.expiresAt} > now())`,
      isDisabled: sql<boolean>`exists (select 1 from users u where u.id = ${k.userId} and u.disabled_at is not null)`,
      isUseOld: sql<boolean>`${k.lastUsedAt} is null or ${k.lastUsedAt} < now() - interval '1 minute'`,
      scopes: k.scopes,
      ipAllow: k.ipAllow,
      ratePerMinute: k.ratePerMinute,
      dayMicros: k.budgetMicrosPerDay,
      monthMicros: k.budgetMicrosPerMonth,
    })
    .from(k)
    .where(eq(k.prefix, prefix))
})

type KeyCtx = Pick<Ctx, 'db' | 'config' | 'client' | 'waitUntil' | 'log'>

export const isKey = isKeyToken

/** Whose key this is and what it may. One trip, whether the key is known or not; none for what cannot be one. */
export async function readKey(ctx: KeyCtx, token: string): Promise<PersonActor> {
  const prefix = prefixOf(token)
  const [hash, [row]] =
    prefix === undefined ? ['', []] : await Promise.all([hashToken(token), found(ctx.db, { prefix })])
  // All are compared, so that the time tells nothing of which is there.
  const fits = [row?.hash, row?.previousHash].map((known) => isSame(hash, known ?? NO_HASH))
  if (!row?.isLive || !fits.includes(true))
    throw new AppError('invalid_token', 'The API key is not valid, has expired or was revoked', {
      subject: row?.userId,
    })
  const { id, userId, scopes, ratePerMinute, dayMicros, monthMicros } = row
  if (row.isDisabled) throw new AppError('session_ended', 'The person of this API key is disabled', { subject: userId })
  if (row.ipAllow.length > 0 && !isWithin(ctx.client.address, row.ipAllow))
    throw new AppError('forbidden', 'This API key is not used from this address', { subject: row.userId })
  if (row.isUseOld) noteUse(ctx, id)
  // Where a session is asked for, its id stands: statements, streams and sockets end with the key.
  return {
    kind: 'person',
    userId,
    sessionId: id,
    key: { id, scopes, ratePerMinute, budget: { dayMicros, monthMicros } },
  }
}

/** Beside the request and its trips. Of many at once the first writes, the others find it written. */
function noteUse({ config, waitUntil, log }: KeyCtx, id: string): void {
  const db = connect(config.database, { trips: 0, ms: 0 })
  const noted = db
    .update(apiKeys)
    .set({ lastUsedAt: sql`date_trunc('minute', now())` })
    .where(
      sql`${apiKeys.id} = ${id} and (${apiKeys.lastUsedAt} is null or ${apiKeys.lastUsedAt} < now() - interval '1 minute')`,
    )
  waitUntil(noted.then(undefined, (error: unknown) => log.warn('key.use_not_noted', describeError(error))))
}
