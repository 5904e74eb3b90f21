import { and, eq, isNotNull, sql } from 'drizzle-orm'
import { type Ctx, describeError } from '#core'
import { seal, unseal } from '#security'
import { secretPlace } from './servers.ts'
import { mcpServers } from './tables.ts'

const BATCH = 50

/** Seals anew, fifty at a time, what an older key sealed: when none is left, that key may go. */
export async function resealSecrets({ db, config, log }: Pick<Ctx, 'db' | 'config' | 'log'>): Promise<void> {
  const { encryptionKeys: keys } = config
  const [current, ...older] = keys
  if (!current || older.length === 0) return
  const rows = await db
    .select({ id: mcpServers.id, userId: mcpServers.userId, secret: mcpServers.secret })
    .from(mcpServers)
    .where(and(isNotNull(mcpServers.secret), sql`not starts_with(${mcpServers.secret}, ${`v1.${current.id}.`})`))
    .orderBy(sql`random()`)
    .limit(BATCH)
  for (const { id, userId, secret } of rows) {
    const place = secretPlace(userId, id)
    try {
      const fresh = await seal(keys, place, await unseal(keys, place, secret ?? ''))
      const unchanged = and(eq(mcpServers.id, id), eq(mcpServers.secret, secret ?? ''))
      await db.update(mcpServers).set({ secret: fresh }).where(unchanged)
    } catch (error) {
      log.error('secret.unreadable', { id, ...describeError(error) })
    }
  }
}
