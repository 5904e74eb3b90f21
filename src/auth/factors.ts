import { and, type Column, eq, isNotNull, type SQL, sql } from 'drizzle-orm'
import type { Ctx, UserCtx } from '#core'
import { liveSession } from '#database'
import type { Factors } from './factors-schema.ts'
import { credentials, passkeys, recoveryCodes, totpSecrets } from './tables.ts'

/** Whether a person's sign-in asks for a second factor: an authenticator app they confirmed. */
export function secondFactorOf(userId: Column | SQL | SQL.Aliased | string): SQL<boolean> {
  return sql<boolean>`exists (select 1 from ${totpSecrets} f where f.user_id = ${userId} and f.confirmed_at is not null)`
}

/** The same, asked for alone. One trip. */
export async function hasSecondFactor({ db }: Pick<Ctx, 'db'>, userId: string): Promise<boolean> {
  const [row] = await db
    .select({ id: totpSecrets.id })
    .from(totpSecrets)
    .where(and(eq(totpSecrets.userId, userId), isNotNull(totpSecrets.confirmedAt)))
  return row !== undefined
}

/** What a person can show at a sign-in. One trip. */
export async function listFactors({ db, actor }: Pick<UserCtx, 'db' | 'actor'>): Promise<Factors> {
  const { userId } = actor
  const [row] = await db
    .select({
      password: sql<boolean>`exists (select 1 from ${credentials} c where c.user_id = ${userId})`,
      totp: secondFactorOf(userId),
      recoveryCodesLeft: sql<number>`(select count(*)::int from ${recoveryCodes} r
        where r.user_id = ${userId} and r.used_at is null)`,
      passkeys: sql<number>`(select count(*)::int from ${passkeys} p where p.user_id = ${userId})`,
    })
    .from(sql`(select 1) one`)
    .where(liveSession(actor))
  if (!row) throw new Error('a session that lives has an answer')
  return row
}
