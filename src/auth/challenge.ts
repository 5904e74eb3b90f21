import { sql } from 'drizzle-orm'
import { type Ctx, randomToken } from '#core'
import { hashToken } from '#security'
import type { Challenge } from './schema.ts'
import { passkeyChallenges, passkeys, recoveryCodes, signInChallenges } from './tables.ts'
import { letInAs } from './ways-in.ts'

const CHALLENGE_MS = 300_000
const PRUNE_BATCH = 5000

type Shown = { userId: string; stamp: number; method: string; deviceName: string }

/** A sign-in that goes on with a second factor, as a statement; and what its client is told once that is done. */
export async function openChallenge(ctx: Pick<Ctx, 'db' | 'now'>, { userId, stamp, method, deviceName }: Shown) {
  const challenge = `chl_${randomToken()}`
  const expiresAt = new Date(ctx.now().getTime() + CHALLENGE_MS)
  const hash = await hashToken(challenge)
  const methods = sql<Challenge['methods']>`to_json(array_remove(array['totp',
    case when exists (select 1 from ${recoveryCodes} r where r.user_id = ${userId} and r.used_at is null) then 'recovery_code' end,
    case when exists (select 1 from ${passkeys} p where p.user_id = ${userId}) then 'passkey' end], null))`
  const shown = { method, deviceName, expiresAt, createdAt: ctx.now() }
  return {
    statement: ctx.db
      .insert(signInChallenges)
      .values({ hash, userId: letInAs({ userId, stamp }), securityStamp: stamp, ...shown })
      .returning({ methods }),
    tell: (given: Challenge['methods']): Challenge => ({
      challenge,
      methods: given,
      expiresAt: expiresAt.toISOString(),
    }),
  }
}

/** Drops what can be answered no more. */
export async function pruneChallenges({ db, now }: Pick<Ctx, 'db' | 'now'>): Promise<void> {
  for (const table of [signInChallenges, passkeyChallenges])
    await db.execute(sql`delete from ${table} where hash in (
      select hash from ${table} where expires_at < ${now().toISOString()}::timestamptz limit ${PRUNE_BATCH})`)
}
