import { and, eq, isNotNull, sql } from 'drizzle-orm'
import { type Ctx, describeError } from '#core'
import { seal, unseal } from '#security'
import { SEALED, SECRETS, type Sealed, secretPlace } from './access.ts'
import { mcpServers } from './tables.ts'

const BATCH = 50

/** Seals anew, fifty of each kind at a time, what an older key sealed: when none is left, that key may go. */
export async function resealSecrets(ctx: Pick<Ctx, 'db' | 'config' | 'log'>): Promise<void> {
  if (ctx.config.encryptionKeys.length < 2) return
  for (const name of SECRETS) await resealColumn(ctx, name)
}

async function resealColumn({ db, config, log }: Pick<Ctx, 'db' | 'config' | 'log'>, name: Sealed): Promise<void> {
  const { encryptionKeys: keys } = config
  const column = mcpServers[name]
  const rows = await db
    .select({ id: mcpServers.id, userId: mcpServers.userId, sealed: column })
    .from(mcpServers)
    .where(and(isNotNull(column), sql`not starts_with(${column}, ${`v1.${keys[0]?.id}.`})`))
    .orderBy(sql`random()`)
    .limit(BATCH)
  for (const { id, userId, sealed } of rows) {
    const place = secretPlace(name, userId, id)
    try {
      const fresh = await seal(keys, place, await unseal(keys, place, sealed ?? ''))
      const unchanged = and(eq(mcpServers.id, id), eq(column, sealed ?? ''))
      await db
        .update(mcpServers)
        .set({ [name]: fresh })
        .where(unchanged)
    } catch (error) {
      log.error('secret.unreadable', { id, column: SEALED[name], ...describeError(error) })
    }
  }
}
